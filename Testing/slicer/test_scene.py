"""The module's self test on Slicer's core: tests that need a scene and no window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import slicer_host

slicer_host.require_panel()
slicer_host.start(panel=True)
slicer_host.add_module_folder(Path(__file__).parents[2] / "USToMRI")

from USToMRITests.live import LiveTest  # noqa: E402, F401
from USToMRITests.logic import GeometryTest, InputTest, OutputTest  # noqa: E402, F401
from USToMRITests.maps import TissueTest  # noqa: E402, F401
from USToMRITests.outputs import HeadTest, RecordTest, RegionTest, SavedTest  # noqa: E402, F401
from USToMRITests.regions import ContrastTest, VoxelsTest  # noqa: E402, F401
from USToMRITests.sequences import SequenceTest  # noqa: E402, F401


@pytest.fixture(autouse=True)
def scene() -> Iterator[None]:
    """Give every test a scene of its own."""
    slicer_host.new_scene()
    yield
    slicer_host.close_scene()
