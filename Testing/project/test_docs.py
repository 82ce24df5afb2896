"""The documents: they build without a warning, what they point to is there, what they say runs."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from Testing.conftest import HEAD, brain_metadata
from training.export.bundle import export_bundle
from USToMRILib import InputError, Volume, translate
from USToMRILib.cli.command import parser
from USToMRILib.methods import METHODS, QUALITIES, SLICE, VOLUME, by_quality

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
HERE = "https://github.com/USToMRI/USToMRI/blob/main/"


def test_pages_build_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "command_line" / "index.html").read_text(encoding="utf-8")
    assert "--pixel-size MM" in page  # the help of the commands
    assert "Volume.read" in (tmp_path / "python" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_what_a_page_points_to_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(HERE):
            assert (ROOT / target[len(HERE) :]).is_file(), target
        elif not target.startswith(("http", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_the_methods_of_a_quality_are_those_of_the_registry() -> None:
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    for kind in (SLICE, VOLUME):
        fast, best = (by_quality(quality, kind) for quality in QUALITIES)
        for one, other in zip(fast, best):
            assert one.subject == other.subject
            assert f"| {one.subject}, {kind} | `{one.name}` | `{other.name}` |" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_on_a_page_are_understood(page: Path) -> None:
    """Every line that begins with ``ustomri`` or ``python -m training`` names what there is."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        for line in [] if language else block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["ustomri"]:
                try:
                    parser().parse_args([word for word in words[1:] if word != "[options]"])
                except InputError as error:
                    pytest.fail(f"{line}: {error}")
            for module in re.findall(r"python -m ((?:training|benchmarks)[\w.]*)", line):
                assert (ROOT / (module.replace(".", "/") + ".py")).is_file(), line


def test_readme_is_short_and_has_the_two_commands_first() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") <= 125
    first = text.partition("```\n")[2].partition("```")[0].splitlines()
    assert [line.split("#")[0].strip() for line in first] == [
        "python3 dev.py demo",
        "python3 dev.py test",
    ]


def test_python_example_of_the_readme_runs(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    sample = ROOT / "Resources" / "Sample" / "fetal_head.png"
    size = json.loads(sample.with_suffix(".json").read_text())["pixel_size_mm"]
    convert = f"Volume.read({str(sample)!r}, {size}).write('us.nrrd')\n"
    code = "from USToMRILib import Volume\n" + convert + example
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "pseudo_mri.nrrd.json").is_file()


class NegativeOfBrain(torch.nn.Module):
    """The network of the example."""

    def forward(self, us: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
        return torch.where(us <= -1, us, -us)


def test_the_method_of_the_architectures_example_translates(
    tmp_path: Path, head_slice: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "sharp_method.py").write_text(example)
    net = torch.jit.script(NegativeOfBrain().eval())
    export_bundle("sharp", net, brain_metadata(), "card", "licence", tmp_path / "models")
    monkeypatch.setenv("USTOMRI_MODELS", str(tmp_path / "models"))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("sharp_method")
    try:
        result = translate(head_slice, "sharp", head=HEAD, passes=2)
    finally:
        del METHODS["sharp"], sys.modules["sharp_method"]
    assert result.provenance["parameters"]["passes"] == 2
    assert list(result.provenance["bundles"]) == ["sharp"]
    ultrasound, made = head_slice.array[0].astype(float), result.volume.array[0]
    assert np.corrcoef(ultrasound[made > 0], made[made > 0])[0, 1] < -0.9


def test_files_that_the_architecture_names_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = (ROOT, ROOT / "USToMRILib", ROOT / "USToMRI" / "USToMRIModule", ROOT / "USToMRI")
    named = set(re.findall(r"[\w/]+\.py\b", text)) | set(re.findall(r"`([\w/]+/)`", text))
    missing = [name for name in named if not any((f / name).exists() for f in folders)]
    assert len(named) > 20
    assert missing == []


def test_methods_are_those_of_the_registry() -> None:
    rows = re.findall(
        r"^\| `([\w-]+)` \| (.*?) \| .*? \| (.*?) \|", _table_of_methods(), re.MULTILINE
    )
    assert [name for name, _, _ in rows] == list(METHODS)
    for name, takes, makes in rows:
        assert ("volumes" in takes) == (METHODS[name].takes == (VOLUME,))
        assert set(METHODS[name].offers) <= set(makes.split(", "))


def _table_of_methods() -> str:
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    return text.partition("| method |")[2].partition("\n\n")[0]


def test_versions_agree() -> None:
    from USToMRILib import __version__

    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {__version__}\n" in citation
    assert __version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
