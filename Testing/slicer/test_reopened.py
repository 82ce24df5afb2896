"""The part of the module's self test that needs Qt, and the mark on a reopened file as drawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import slicer_host

slicer_host.require_panel()
slicer_host.start(panel=True)
slicer_host.add_module_folder(Path(__file__).parents[2] / "USToMRI")

from USToMRIModule.Synthetic.SyntheticMarkObserver import stopMarking  # noqa: E402
from USToMRITests.reopened import ReopenedTest  # noqa: E402, F401


@pytest.fixture(autouse=True)
def scene() -> Iterator[None]:
    """Give every test a scene of its own."""
    slicer_host.new_scene()
    yield
    stopMarking()
    slicer_host.close_scene()
