"""The mark SYNTHETIC MRI, as Slicer draws it in a slice view."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_rendering()

import slicer  # noqa: E402
from slicer_host.views import SliceView  # noqa: E402
from USToMRITests import volumes  # noqa: E402

slicer_host.start(panel=True)
slicer_host.add_module_folder(Path(__file__).parents[2] / "USToMRI")

from USToMRIModule.Compare import CompareLayout  # noqa: E402
from USToMRIModule.Scene.VolumeNodes import Result  # noqa: E402
from USToMRIModule.Synthetic.SyntheticMarkObserver import startMarking, stopMarking  # noqa: E402
from USToMRITests.scene_case import logic_with  # noqa: E402


@pytest.fixture(name="images")
def fixture_images() -> Any:
    """Give an ultrasound and its pseudo-MRI in a new scene whose marks are kept."""
    slicer_host.new_scene()
    startMarking()
    CompareLayout.layoutNode().SetViewArrangement(
        slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
    )
    array = np.random.default_rng(3).random((1, 60, 80)).astype(np.float32) * 255
    node = volumes.add_volume("US", array, "aligned")
    node.CreateDefaultDisplayNodes()
    logic = logic_with(lambda volume, method: Result(volume, {"method": method, "warnings": []}))
    yield node, logic.translate(node)
    stopMarking()
    slicer_host.close_scene()


def amber(view: SliceView) -> int:
    """Return how many pixels at the top of the view have the mark's colour."""
    for _ in range(3):  # the mark comes when Slicer has nothing else to do
        slicer.app.processEvents()
    red, green, blue = np.moveaxis(view.pixels()[:80].astype(int), -1, 0)
    return int(((red > 150) & (red - blue > 80) & (green > 100)).sum())


@pytest.mark.parametrize("layer", ["background", "foreground"])
def test_the_mark_is_drawn_where_a_pseudo_mri_is_shown(images: Any, layer: str) -> None:
    """Not on the ultrasound; on the pseudo-MRI, as background and as foreground."""
    ultrasound, pseudo_mri = images
    view = SliceView("Red")
    composite = view.logic.GetSliceCompositeNode()
    composite.SetBackgroundVolumeID(ultrasound.GetID())
    view.fit()
    assert amber(view) == 0
    if layer == "background":
        composite.SetBackgroundVolumeID(pseudo_mri.GetID())
    else:
        composite.SetForegroundVolumeID(pseudo_mri.GetID())
        composite.SetForegroundOpacity(0.3)
    assert amber(view) > 300
    composite.SetBackgroundVolumeID(ultrasound.GetID())
    composite.SetForegroundVolumeID(None)
    assert amber(view) == 0
    view.close()


def test_a_file_that_is_opened_alone_is_drawn_with_the_mark(images: Any, tmp_path: Path) -> None:
    """Saved as an NRRD, read by Slicer's own reader, shown: the words are there."""
    storage = images[1].GetStorageNode()
    storage.SetFileName(str(tmp_path / "one.nrrd"))
    assert storage.WriteData(images[1])
    slicer.mrmlScene.Clear(0)
    CompareLayout.layoutNode().SetViewArrangement(
        slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
    )
    view = SliceView("Red")
    node = slicer.util.loadVolume(str(tmp_path / "one.nrrd"))
    view.logic.GetSliceCompositeNode().SetBackgroundVolumeID(node.GetID())
    view.fit()
    assert amber(view) > 300
    view.close()


def test_views_that_are_made_later_carry_the_mark(images: Any) -> None:
    """The comparison's, which are linked and yet show each its own images."""
    ultrasound, pseudo_mri = images
    CompareLayout.show()
    names = (CompareLayout.ULTRASOUND_VIEW, CompareLayout.PSEUDO_MRI_VIEW)
    views = [SliceView(name) for name in names]
    layers = [(ultrasound, None), (ultrasound, pseudo_mri)]
    for name, (background, foreground) in zip(names, layers):
        CompareLayout.setImages(name, background, foreground, 0.5)
    CompareLayout.align(ultrasound)
    assert [amber(view) > 300 for view in views] == [False, True]
    for name, (background, foreground) in zip(names, layers):
        composite = CompareLayout.compositeOf(name)
        assert composite.GetBackgroundVolumeID() == background.GetID()
        assert composite.GetForegroundVolumeID() == (foreground and foreground.GetID())
    for view in views:
        view.close()
