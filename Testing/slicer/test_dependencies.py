"""What the module installs, and when it asks."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_scene()

import slicer  # noqa: E402
from USToMRITests import volumes  # noqa: E402

slicer_host.start()
ROOT = Path(__file__).parents[2]
slicer_host.add_module_folder(ROOT / "USToMRI")

from USToMRIModule import Dependencies  # noqa: E402

REQUIREMENTS = ROOT / "USToMRI" / "Resources" / "requirements.txt"

# Slicer 5.8 and later come with these; the PyTorch extension brings torch.
BROUGHT = {"numpy", "scipy", "SimpleITK", "pydicom", "PIL", "torch"}


@pytest.fixture(name="asked")
def fixture_asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Say yes to every question, install nothing, and note what was to be installed."""
    asked: list[str] = []
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)  # Slicer 5.10 and before
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text: True)
    monkeypatch.setattr(slicer.util, "pip_install", asked.extend)
    return asked


def without_torch(monkeypatch: pytest.MonkeyPatch, *present: str) -> None:
    """Let only the given modules be found."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name in present or None)


def pytorch_utils(monkeypatch: pytest.MonkeyPatch, installed: Any) -> None:
    """Stand in for the PyTorch extension, whose installer returns torch, or None when declined."""
    module: Any = types.ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = lambda: types.SimpleNamespace(
        installTorch=lambda **options: installed
    )
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)


def test_library_needs_nothing_that_is_not_installed() -> None:
    """Every import of the library is Python's, brought by Slicer, or in the requirements."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    listed = {line.partition(">")[0].removeprefix("py") for line in lines}  # pynrrd is "nrrd"
    files = [*(ROOT / "USToMRILib").glob("*.py"), *(ROOT / "USToMRILib" / "image").glob("*.py")]
    # The picture of the demo, DICOM files and videos are not made in Slicer.
    elsewhere = {
        "picture.py": {"matplotlib"},
        "dicom_writing.py": {"highdicom"},
        "dicom_segmentation.py": {"highdicom", "skimage"},
        "video_files.py": {"av"},
    }
    for path in sorted(files):
        needed = imports(path) - set(sys.stdlib_module_names) - BROUGHT - listed
        assert needed <= elsewhere.get(path.name, set()), path.name


def imports(path: Path) -> set[str]:
    """Return the top names of all absolute imports of a file, those inside functions included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(str(node.module).partition(".")[0])
    return names


def test_nothing_is_asked_where_nothing_is_missing(asked: list[str]) -> None:
    """The usual press of the button goes on at once."""
    Dependencies.ensureDependencies(str(REQUIREMENTS))
    assert asked == []


def test_missing_packages_are_installed(asked: list[str], tmp_path: Path) -> None:
    """Those that are there, and comments, are left out."""
    path = tmp_path / "requirements.txt"
    path.write_text("# comment\nnumpy>=1\n\nno-such-package>=2  # why\n")
    Dependencies.ensureDependencies(str(path))
    assert asked == ["no-such-package>=2"]


def test_torch_comes_from_pip_without_its_extension(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Slicer without the PyTorch extension still gets torch."""
    without_torch(monkeypatch)
    Dependencies.ensureDependencies(str(REQUIREMENTS))
    assert asked == ["torch>=2.1"]


def test_torch_comes_from_its_extension(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the PyTorch extension is, it chooses the build; pip is not asked for torch."""
    without_torch(monkeypatch, "PyTorchUtils")
    pytorch_utils(monkeypatch, installed=object())
    Dependencies.ensureDependencies(str(REQUIREMENTS))
    assert asked == []


def test_torch_is_not_asked_for_where_no_network_runs(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of images needs none."""
    without_torch(monkeypatch)
    Dependencies.ensureDependencies(str(REQUIREMENTS), withTorch=False)
    assert asked == []


def test_torch_declined(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The extension's installer says None when the user said no."""
    without_torch(monkeypatch, "PyTorchUtils")
    pytorch_utils(monkeypatch, installed=None)
    with pytest.raises(Dependencies.DependenciesDeclined):
        Dependencies.ensureDependencies(str(REQUIREMENTS))


def test_slicers_own_installer_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Slicer 5.11 and later ask and install by themselves; declined is a RuntimeError there."""
    path = tmp_path / "requirements.txt"
    path.write_text("no-such-package>=2\n")
    asked: list[Any] = []
    packaging: Any = types.ModuleType("slicer.packaging")

    def ensure(requirements: list[Any], requester: str) -> None:
        # Slicer's takes objects, and not the strings that its pip_install takes.
        asked.append(([f"{each.name}{each.specifier}" for each in requirements], requester))

    packaging.pip_ensure = ensure
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    Dependencies.ensureDependencies(str(path))
    assert asked == [(["no-such-package>=2"], "USToMRI")]

    def decline(requirements: list[Any], requester: str) -> None:
        raise RuntimeError("User declined package installation")

    packaging.pip_ensure = decline
    with pytest.raises(Dependencies.DependenciesDeclined):
        Dependencies.ensureDependencies(str(path))


def test_the_console_asks_too(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that translates without the panel gets what it needs, or a clear error."""
    slicer_host.require_panel()  # whose Qt the logic imports
    slicer_host.start(panel=True)
    from USToMRIModule.Logic import USToMRILogic

    without_torch(monkeypatch)
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text: False)
    slicer_host.new_scene()
    node = volumes.add_volume("US", np.ones((1, 5, 6), np.float32))
    for act in (USToMRILogic().translate, USToMRILogic().startTranslation):
        with pytest.raises(Dependencies.DependenciesDeclined, match="were not installed"):
            act(node)
    slicer_host.close_scene()
    assert asked == []


def test_a_failed_installation_is_told(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In words for the user; the command line is in the log."""

    def fail(requirements: list[str]) -> None:
        raise subprocess.CalledProcessError(1, ["pip", "install", *requirements])

    without_torch(monkeypatch)
    monkeypatch.setattr(slicer.util, "pip_install", fail)
    with pytest.raises(RuntimeError, match=r"could not be installed\. Check the connection"):
        Dependencies.ensureDependencies(str(REQUIREMENTS))
