"""What pip installs: a library with its networks that needs no checkout."""

from __future__ import annotations

import ast
import email
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from USToMRILib import Volume, __version__
from USToMRILib.compute.bundle import list_bundles

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "Resources" / "Sample" / "fetal_head.png"

# Asked for in a sentence where a command needs them: the weights of the one have to be fetched by
# hand anyway, the other is for live images alone.
OPTIONAL = {"segment_anything", "pyigtl"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", ROOT, "--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; what it depends on is that of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip("--python", python, "install", wheel, "--no-deps")
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.check_output([python, "-c", asked], text=True).strip())
    # Not a folder of packages of its own: the checkout that is installed there stays hidden.
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def pip(*arguments: object) -> None:
    options = ("--quiet", "--disable-pip-version-check", "--no-index")
    subprocess.run([sys.executable, "-m", "pip", *map(str, arguments), *options], check=True)


def run(environment: Path, folder: Path, *arguments: object) -> str:
    """Run the installed command in a folder that has nothing to do with the checkout."""
    command = environment / ("Scripts/ustomri.exe" if os.name == "nt" else "bin/ustomri")
    hidden = ("PYTHONPATH", "USTOMRI_MODELS")
    return subprocess.run(
        [command, *map(str, arguments)],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in hidden},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_the_wheel_holds_the_library_its_bundles_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "USToMRILib/py.typed" in names
    for path in (ROOT / "USToMRILib").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and path.name != "CMakeLists.txt":
            assert path.relative_to(ROOT).as_posix() in names
    for bundle in list_bundles():
        for file in ("configs/metadata.json", "models/model.ts", "LICENSE"):
            assert f"USToMRILib/Models/{bundle}/{file}" in names
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"USToMRILib"}


def test_the_installed_command_translates_the_sample(environment: Path, tmp_path: Path) -> None:
    listed = run(environment, tmp_path, "models", "verify")
    assert [line.split()[0] for line in listed.splitlines()] == list_bundles()
    size = json.loads(SAMPLE.with_suffix(".json").read_text())["pixel_size_mm"]
    run(environment, tmp_path, "translate", SAMPLE, "mri.nrrd", "--pixel-size", size)
    record = json.loads((tmp_path / "mri.nrrd.json").read_text())
    assert record["version"] == __version__
    made = Volume.read(tmp_path / "mri.nrrd")
    assert made.grid.is_close(Volume.read(SAMPLE, size).grid)
    assert made.array.any()


def test_what_the_library_imports_is_what_the_wheel_asks_for(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        asked = email.message_from_bytes(archive.read(name)).get_all("Requires-Dist") or []
    always = {_distribution(line) for line in asked if "extra ==" not in line}
    evaluation = {_distribution(line) for line in asked if "evaluation" in line}
    brings = importlib.metadata.packages_distributions()
    for path in (ROOT / "USToMRILib").rglob("*.py"):
        allowed = always | (evaluation if "evaluation" in path.parts else set())
        for module in _imports(path) - set(sys.stdlib_module_names) - OPTIONAL:
            assert {n.lower() for n in brings[module]} & allowed, f"{path.name}: {module}"


def _distribution(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()


def _imports(path: Path) -> set[str]:
    """The top names of all absolute imports of a file, those inside functions included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(str(node.module).partition(".")[0])
    return names
