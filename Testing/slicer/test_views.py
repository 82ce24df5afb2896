"""Views as Slicer draws them: a click places a region, a dragged handle changes the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_rendering()

import slicer  # noqa: E402
from slicer_host.sections import Sections  # noqa: E402
from slicer_host.views import SliceView  # noqa: E402
from slicer_host.waiting import let_pass, wait_until  # noqa: E402
from USToMRITests import volumes  # noqa: E402

slicer_host.start(panel=True)
slicer_host.add_module_folder(Path(__file__).parents[2] / "USToMRI")

from USToMRIModule.CNR.CNRPairs import BACKGROUND, REGION, allPairs  # noqa: E402
from USToMRIModule.CNR.CNRSection import CNRSection  # noqa: E402
from USToMRIModule.Compare import CompareLayout  # noqa: E402
from USToMRIModule.Compare.CompareSection import CompareSection  # noqa: E402
from USToMRIModule.Scene.RegionVoxels import measureContrast  # noqa: E402

SHAPE = (1, 120, 120)


@pytest.fixture(name="sections")
def fixture_sections() -> Any:
    """Give every test both sections, and two images that are compared."""
    slicer_host.new_scene()
    rng = np.random.default_rng(4)
    for name, bright in (("US", 120), ("US SYNTHETIC MRI (DDIC)", 200)):
        array = rng.normal(40, 10, SHAPE)
        array[..., :60] += bright - 40
        node = volumes.add_volume(name, array.astype(np.float32), "rotated")
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().AutoWindowLevelOff()
        node.GetDisplayNode().SetWindowLevel(255, 127.5)
    node.SetAttribute("USToMRI.synthetic", "true")
    sections = Sections(CompareSection, CNRSection)
    sections.all[0].ui.compareButton.click()
    yield sections
    sections.close()
    slicer_host.close_scene()


@pytest.fixture(name="view")
def fixture_view(sections: Sections) -> Any:
    """Draw the view of the pseudo-MRI."""
    view = SliceView(CompareLayout.PSEUDO_MRI_VIEW)
    view.fit()
    yield view
    view.close()


def place(ijk: tuple[int, int, int], view: SliceView) -> np.ndarray:
    """Return where a voxel is drawn."""
    return view.place_of(volumes.world_position(slicer.util.getNode("US"), ijk))


def test_click_and_drag_in_a_drawn_view(sections: Sections, view: SliceView) -> None:
    """Two clicks make the pair; dragging a handle of the region changes its voxels and numbers."""
    section = sections.all[1]
    section.ui.regionPlaceButton.click()
    view.click(place((30, 60, 0), view))
    wait_until(lambda: section.ui.backgroundPlaceButton.checked)
    view.click(place((90, 60, 0), view))
    wait_until(lambda: not section.ui.backgroundPlaceButton.checked)
    (pair,) = allPairs()
    region = pair.region(REGION)
    middle = np.array(region.node.GetCenterWorld())
    np.testing.assert_allclose(view.place_of(middle), place((30, 60, 0), view), atol=1)
    voxels = int(section.ui.measurementTable.item(4, 0).text())
    right_edge = (
        middle
        + np.array(slicer.util.arrayFromVTKMatrix(region.node.GetObjectToWorldMatrix()))[:3, 0]
        * region.node.GetSize()[0]
        / 2
    )
    handle = view.place_of(right_edge)
    # Three pixels off the middle of the handle, where no other handle lies on top.
    start = handle + np.sign(handle - view.place_of(middle)) * [3, 0]
    view.drag(start, start + (handle - view.place_of(middle)))
    wait_until(lambda: int(section.ui.measurementTable.item(4, 0).text()) > 1.3 * voxels)
    found = measureContrast(slicer.util.getNode("US"), region, pair.region(BACKGROUND))
    wait_until(lambda: section.ui.measurementTable.item(0, 0).text() == f"{found.cnr:.3f}")
    assert int(section.ui.measurementTable.item(4, 0).text()) == found.roi.voxels


def test_views_show_what_they_should(sections: Sections, view: SliceView) -> None:
    """The pseudo-MRI upright in its own view; both in a swiped overlay, each on its side."""
    left, right = place((20, 60, 0), view), place((100, 60, 0), view)
    assert left[0] < right[0]

    def brightness(drawn: np.ndarray, where: np.ndarray) -> float:
        x, y = (int(number) for number in where)
        row = drawn.shape[0] - 1 - y
        return float(drawn[row - 8 : row + 8, x - 8 : x + 8].mean())

    drawn = view.pixels()
    assert brightness(drawn, left) == pytest.approx(200, abs=8)
    assert brightness(drawn, right) == pytest.approx(40, abs=8)
    compare = sections.all[0]
    compare.ui.overlaySelector.currentIndex = 2
    compare.ui.overlaySlider.value = 10
    let_pass(0.1)
    overlay = SliceView(CompareLayout.PSEUDO_MRI_VIEW)
    overlay.fit()
    drawn = overlay.pixels()
    assert brightness(drawn, left) == pytest.approx(200, abs=8)  # behind the edge: pseudo-MRI
    compare.ui.overlaySlider.value = 90
    let_pass(0.1)
    assert brightness(overlay.pixels(), left) == pytest.approx(120, abs=8)
    overlay.close()


def test_removed_regions_are_drawn_no_longer(sections: Sections, view: SliceView) -> None:
    """Neither the mark of the click nor a region of a removed pair is left in a view."""
    section = sections.all[1]
    before = view.pixels()
    section.ui.regionPlaceButton.click()
    view.click(place((30, 60, 0), view))
    wait_until(lambda: section.ui.backgroundPlaceButton.checked)
    section.ui.backgroundPlaceButton.click()
    assert (view.pixels() != before).any()
    section.ui.removePairButton.click()
    np.testing.assert_array_equal(view.pixels(), before)
