"""The panel in tests: in an empty scene, with a process that stands in for the networks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from USToMRITests import volumes

from . import host
from .waiting import wait_until

MODULE = Path(__file__).parents[3] / "USToMRI" / "USToMRI.py"
WORKER = Path(__file__).with_name("fake_worker.py")


@pytest.fixture(name="module")
def fixture_module() -> Iterator[Any]:
    """Give every test the module in an empty scene."""
    host.new_scene()
    yield host.load_module(MODULE)
    host.close_scene()


@pytest.fixture(name="panel")
def fixture_panel(module: Any) -> Iterator[Any]:
    """Give the module's panel with a worker that does well."""
    panel = host.open_panel(module)
    panel.sections[0].logic = worker(module, "good")
    yield panel
    panel.cleanup()
    panel.parent.deleteLater()


@pytest.fixture(name="section")
def fixture_section(panel: Any) -> Any:
    """Give the part of the panel that translates."""
    return panel.sections[0]


def worker(module: Any, manner: str) -> Any:
    """Return a logic whose process behaves in a chosen manner."""
    return module.USToMRILogic(command=[sys.executable, str(WORKER), manner])


def add_ultrasound(slices: int = 1) -> Any:
    """Add an ultrasound to the scene."""
    array = np.random.default_rng(1).random((slices, 5, 6)).astype(np.float32)
    return volumes.add_volume("US", array)


def outputs() -> list[Any]:
    """Return the synthetic volumes in the scene."""
    return [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        if node.GetAttribute("USToMRI.synthetic")
    ]


def choose_method(section: Any, name: str) -> None:
    """Choose a method of the library under Advanced."""
    box = section.ui.methodSelector
    box.currentIndex = box.findData(name)


def press_translate(section: Any) -> None:
    """Press the button and wait for the output."""
    before = len(outputs())
    section.ui.translateButton.click()
    wait_until(lambda: len(outputs()) > before and section.ui.translateButton.enabled)


def start_slow(
    section: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[list[int], Path]:
    """Start a translation that does not end; return its processes and its folder."""
    notes = tmp_path / "pids"
    monkeypatch.setenv("USTOMRI_FAKE_PIDS", str(notes))
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    section.logic = worker(sys.modules["USToMRI"], "slow")
    section.ui.translateButton.click()
    wait_until(lambda: "step 2" in section.ui.statusLabel.text)
    first, second, folder = notes.read_text().split(maxsplit=2)
    return [int(first), int(second)], Path(folder)


def alive(pid: int) -> bool:
    """Return whether a process runs (one that ended and was not yet waited for does not)."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
