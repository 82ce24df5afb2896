"""The module as Slicer loads it, and the first press of its button."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import slicer_host

slicer_host.require_panel()

import slicer  # noqa: E402
from slicer_host.panel import (  # noqa: E402
    MODULE,
    add_ultrasound,
    fixture_module,  # noqa: F401
    fixture_panel,  # noqa: F401
    fixture_section,  # noqa: F401
)

slicer_host.start(panel=True)
slicer_host.add_module_folder(MODULE.parent)

from USToMRIModule import Dependencies  # noqa: E402


def test_declined_packages_are_a_clear_state(section: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No exception, no process; the panel says what happened and can be asked again."""
    missing = ["a-package-that-nobody-has>=1"]
    monkeypatch.setattr(Dependencies, "missingRequirements", lambda path: missing)
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: False)
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *args, **options: False)
    section.ui.translateButton.click()
    assert "not installed" in section.ui.statusLabel.text
    assert section.ui.translateButton.enabled
    assert not section.ui.cancelButton.enabled


def test_opening_the_module_loads_nothing_heavy() -> None:
    """Slicer starts as fast as without the module: no torch, and not even the library.

    The time is this process's own, which a busy machine does not change.
    """
    code = (
        "import sys, pathlib, slicer_host; slicer_host.start(panel=True); slicer_host.new_scene();"
        "import time; before = set(sys.modules); start = time.process_time();"
        "module = slicer_host.load_module(pathlib.Path(sys.argv[1]));"
        "seconds = time.process_time() - start; slicer_host.open_panel(module);"
        "print(seconds, *{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    seconds, *loaded = subprocess.run(
        [sys.executable, "-c", code, str(MODULE)],
        cwd=MODULE.parents[1] / "Testing" / "slicer",
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert float(seconds) < 0.3
    assert "USToMRIModule" in loaded
    assert not {"torch", "USToMRILib", "SimpleITK", "scipy", "skimage", "monai"} & set(loaded)


def test_the_first_press_stops_nothing() -> None:
    """What it has to import comes in turns of the event loop, and no turn has most of the time.

    In one go it took 0.2 s of this process's own time; how long the parts take is the machine's
    affair.
    """
    (output,) = subprocess.run(
        [sys.executable, "-m", "slicer_host.first_press"],
        cwd=MODULE.parents[1] / "Testing" / "slicer",
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    turns = [
        (seconds, {"SimpleITK", "USToMRILib"} & set(loaded))
        for seconds, loaded in json.loads(output)
    ]
    assert [loaded for _seconds, loaded in turns if loaded] == [{"SimpleITK"}, {"USToMRILib"}]
    press, *rest = [seconds for seconds, _loaded in turns]
    assert press < 0.1 * sum(rest)
    assert max(rest) < 0.75 * sum(rest)


def test_reload_reads_all_code_again(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slicer's Reload button drops the module's parts and the library, and nothing else."""
    from USToMRIModule.Reload import forgetModules

    names = ["USToMRI", "USToMRIModule", "USToMRIModule.Reload", "USToMRILib.image.grid", "numpy"]
    with monkeypatch.context() as patch:
        patch.setattr(sys, "modules", dict.fromkeys(names))
        forgetModules()
        left = list(sys.modules)
    assert left == ["USToMRI", "numpy"]


def test_module_describes_itself(module: Any) -> None:
    """Title, category, and both papers in the acknowledgement."""
    described = slicer.modules.ustomri
    assert described.title
    assert described.categories == ["Image Synthesis"]
    assert "synthetic" in described.helpText
    assert "BrainVoxGen" in described.acknowledgementText
    assert "Dual Diffusion Imposed Correlation" in described.acknowledgementText


@pytest.mark.parametrize("leave", ["cancel", "exit"])
def test_nothing_starts_after_the_user_has_gone(
    panel: Any, section: Any, monkeypatch: pytest.MonkeyPatch, leave: str
) -> None:
    """While the library is imported, Cancel works, and so does opening another module."""
    started: list[Any] = []
    monkeypatch.setattr(
        section.logic, "startTranslation", lambda *args, **options: started.append(1)
    )
    monkeypatch.delitem(sys.modules, "USToMRIModule.Worker.WorkerJobs", raising=False)
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    section.ui.translateButton.click()
    assert section.ui.cancelButton.enabled
    section.ui.cancelButton.click() if leave == "cancel" else panel.exit()
    for _ in range(5):
        slicer.app.processEvents()
    assert started == []
    assert not section.ui.cancelButton.enabled
    assert section.ui.statusLabel.text == "Cancelled."


def test_a_library_that_cannot_be_imported_is_a_message(
    section: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the panel is ready again."""
    from USToMRIModule.Translate import LibraryLoading

    monkeypatch.setattr(LibraryLoading, "_PARTS", ("no_such_part",))
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    section.ui.translateButton.click()
    slicer.app.processEvents()
    assert section.ui.statusLabel.text == "No module named 'no_such_part'"
    assert section.ui.translateButton.enabled
    assert not section.ui.cancelButton.enabled


def test_installing_is_begun_once(section: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slicer's pip works off events: the buttons are disabled, and the panel says what it does."""
    from USToMRIModule.Translate import WorkerRun

    seen: list[Any] = []
    ui = section.ui

    def install(path: str) -> None:
        seen.append((ui.translateButton.enabled, ui.memoryButton.enabled, ui.statusLabel.text))
        raise RuntimeError("No network.")

    monkeypatch.setattr(WorkerRun, "ensureDependencies", install)
    ui.inputSelector.setCurrentNode(add_ultrasound())
    ui.translateButton.click()
    assert seen == [(False, False, "Looking for PyTorch")]
    assert ui.statusLabel.text == "No network."
    assert ui.translateButton.enabled


def test_slicer_knows_the_layouts_from_its_start_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scene may be opened that was saved with one of them, before the module is."""
    called: list[Any] = []
    monkeypatch.setattr(slicer.app, "connect", lambda signal, receiver: called.append(receiver))
    slicer_host.new_scene()
    slicer_host.load_module(MODULE)
    from USToMRIModule.Compare.CompareLayout import registerLayouts

    assert registerLayouts in called
    slicer_host.close_scene()
