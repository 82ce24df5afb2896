"""The mark SYNTHETIC MRI, as Slicer draws it in a slice view."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_rendering()

import slicer  # noqa: E402
from slicer_host import volumes  # noqa: E402
from slicer_host.views import SliceView  # noqa: E402

slicer_host.start()
slicer_host.add_module_folder(Path(__file__).parent.parent / "USToMRI")

from USToMRIModule.SyntheticMark import MarkKeeper  # noqa: E402
from USToMRIModule.USToMRILogic import USToMRILogic  # noqa: E402
from USToMRIModule.VolumeNodes import Result  # noqa: E402


@pytest.fixture(name="view")
def fixture_view() -> Any:
    """Give a slice view of a new scene."""
    scene = slicer_host.new_scene()
    scene.GetFirstNodeByClass("vtkMRMLLayoutNode").SetViewArrangement(
        slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
    )
    view = SliceView("Red")
    # As after a scene was loaded: the view looks for its layers.
    scene.StartState(scene.BatchProcessState)
    scene.EndState(scene.BatchProcessState)
    keeper = MarkKeeper()
    yield view
    keeper.removeObservers()
    view.close()
    slicer_host.close_scene()


def amber(view: SliceView) -> int:
    """Return how many pixels at the top of the view have the mark's colour."""
    red, green, blue = np.moveaxis(view.pixels()[:80].astype(int), -1, 0)
    return int(((red > 150) & (red - blue > 80) & (green > 100)).sum())


@pytest.mark.parametrize("layer", ["background", "foreground"])
def test_the_mark_is_drawn_where_a_pseudo_mri_is_shown(view: SliceView, layer: str) -> None:
    """Not on the ultrasound; on the pseudo-MRI, as background and as foreground."""
    array = np.random.default_rng(3).random((1, 60, 80)).astype(np.float32) * 255
    node = volumes.add_volume("US", array, "aligned")
    node.CreateDefaultDisplayNodes()
    output = USToMRILogic(
        lambda volume, method: Result(volume, {"method": method, "warnings": []})
    ).translate(node)
    composite = view.logic.GetSliceCompositeNode()
    composite.SetBackgroundVolumeID(node.GetID())
    view.fit()
    assert amber(view) == 0
    if layer == "background":
        composite.SetBackgroundVolumeID(output.GetID())
    else:
        composite.SetForegroundVolumeID(output.GetID())
        composite.SetForegroundOpacity(0.3)
    assert amber(view) > 300
