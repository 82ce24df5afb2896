"""The Compare section: its layout, its three views, and the way back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_panel()

import slicer  # noqa: E402
from slicer_host.sections import Sections  # noqa: E402
from slicer_host.waiting import let_pass, wait_until  # noqa: E402
from USToMRITests import volumes  # noqa: E402

slicer_host.start(panel=True)
slicer_host.add_module_folder(Path(__file__).parents[2] / "USToMRI")

from USToMRIModule.Compare import CompareLayout  # noqa: E402
from USToMRIModule.Compare.CompareSection import CompareSection  # noqa: E402
from USToMRIModule.Compare.ComparisonParameterNode import comparisonOf  # noqa: E402
from USToMRIModule.Compare.HeadPoints import headPoints  # noqa: E402
from USToMRIModule.Logic import USToMRILogic  # noqa: E402
from USToMRIModule.Scene.VolumeNodes import Result  # noqa: E402
from USToMRIModule.Synthetic import OutputNodes, TissueNodes  # noqa: E402
from USToMRIModule.Synthetic.SyntheticMark import markOf  # noqa: E402

FOUR_UP = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
SHAPE = (1, 40, 60)
OVERLAY = CompareLayout.PSEUDO_MRI_VIEW
# Seconds; by then the panel has followed a change.
UPDATED = 0.1
VIEWS = (CompareLayout.ULTRASOUND_VIEW, CompareLayout.PSEUDO_MRI_VIEW)


@pytest.fixture(name="section")
def fixture_section() -> Any:
    """Give every test the section, two images, and Slicer's usual layout."""
    slicer_host.new_scene()
    CompareLayout.layoutNode().SetViewArrangement(FOUR_UP)
    for name, value in (("US", 100), ("US SYNTHETIC MRI (DDIC)", 200)):
        node = volumes.add_volume(name, np.full(SHAPE, value, np.float32), "aligned")
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().AutoWindowLevelOff()
        node.GetDisplayNode().SetWindowLevel(255, 127.5)
    node.SetAttribute("USToMRI.synthetic", "true")
    sections = Sections(CompareSection)
    yield sections.all[0]
    sections.close()
    slicer_host.close_scene()


def names_in(view: str) -> tuple[str, str, float]:
    """Return background, foreground and opacity of a view."""
    composite = CompareLayout.compositeOf(view)
    ids = (composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID())
    nodes = [slicer.mrmlScene.GetNodeByID(each) if each else None for each in ids]
    background, foreground = (node.GetName() if node else "" for node in nodes)
    return background, foreground, composite.GetForegroundOpacity()


def shown_in_overlay() -> np.ndarray:
    """Return the voxels of the overlay's background."""
    node_id = CompareLayout.compositeOf(OVERLAY).GetBackgroundVolumeID()
    array: np.ndarray = slicer.util.arrayFromVolume(slicer.mrmlScene.GetNodeByID(node_id))
    return array


def test_two_linked_views_and_back(section: Any) -> None:
    """One button shows them; the same button brings the layout back that was there."""
    red = slicer.util.getNode("vtkMRMLSliceCompositeNodeRed")
    red.SetBackgroundVolumeID(slicer.util.getNode("US").GetID())
    assert section.ui.compareButton.text == "Compare"
    section.ui.compareButton.click()
    assert CompareLayout.isShown()
    assert section.ui.compareButton.text == "Back to the views before"
    assert names_in(CompareLayout.ULTRASOUND_VIEW) == ("US", "", 0)
    assert names_in(OVERLAY) == ("US", "US SYNTHETIC MRI (DDIC)", 1)
    for view in VIEWS:
        composite = CompareLayout.compositeOf(view)
        assert composite.GetLinkedControl()
        assert composite.GetHotLinkedControl()
    groups = {CompareLayout.sliceLogicOf(v).GetSliceNode().GetViewGroup() for v in VIEWS}
    assert len(groups) == 1
    assert groups != {slicer.util.getNode("vtkMRMLSliceNodeRed").GetViewGroup()}
    section.ui.compareButton.click()
    assert CompareLayout.currentArrangement() == FOUR_UP
    assert not section.ui.compareButton.checked
    assert red.GetBackgroundVolumeID() == slicer.util.getNode("US").GetID()


def test_opacity_follows_the_slider(section: Any) -> None:
    """From the ultrasound alone to the pseudo-MRI alone."""
    section.ui.compareButton.click()
    for amount in (0, 100, 25):
        section.ui.overlaySlider.value = amount
        wait_until(lambda amount=amount: names_in(OVERLAY)[2] == amount / 100)


def test_checkerboard_alternates(section: Any) -> None:
    """Squares of both, in equal parts; their size follows the slider."""
    section.ui.compareButton.click()
    assert section.ui.amountLabel.text == "Opacity:"
    section.ui.overlaySelector.currentIndex = 1
    wait_until(lambda: section.ui.amountLabel.text == "Square size:")
    wait_until(lambda: "SYNTHETIC in part" in names_in(OVERLAY)[0])
    changes = []
    for amount in (80, 20):
        section.ui.overlaySlider.value = amount
        let_pass(UPDATED)
        array = shown_in_overlay()
        assert set(np.unique(array)) == {100, 200}
        assert 0.35 < (array == 200).mean() < 0.65
        changes.append(np.count_nonzero(np.diff(array[0, 0].astype(int))))
    assert changes[0] < changes[1]


def test_swipe_moves_an_edge(section: Any) -> None:
    """Ultrasound before the edge, pseudo-MRI after it."""
    section.ui.compareButton.click()
    section.ui.overlaySelector.currentIndex = 2
    for amount in (0, 25, 100):
        section.ui.overlaySlider.value = amount
        let_pass(UPDATED)
        array, edge = shown_in_overlay(), 60 * amount // 100
        assert (array[..., :edge] == 100).all()
        assert (array[..., edge:] == 200).all()


@pytest.mark.parametrize("overlay", [1, 2])
def test_parts_follow_images_that_change(section: Any, overlay: int) -> None:
    """Live images, and those of a sequence that is played."""
    section.ui.compareButton.click()
    section.ui.overlaySelector.currentIndex = overlay
    section.ui.overlaySlider.value = 50
    let_pass(UPDATED)
    for name, value in (("US SYNTHETIC MRI (DDIC)", 150), ("US", 50)):
        array = np.full(SHAPE, value, np.float32)
        slicer.util.updateVolumeFromArray(slicer.util.getNode(name), array)
        wait_until(lambda value=value: value in shown_in_overlay())
    assert set(np.unique(shown_in_overlay())) == {50, 150}


def test_part_synthetic_image_says_so_and_leaves_no_trace(section: Any) -> None:
    """It is marked, lies where the images lie, is never saved, and goes with the comparison."""
    section.ui.compareButton.click()
    before = slicer.mrmlScene.GetNumberOfNodes()
    section.ui.overlaySelector.currentIndex = 1
    let_pass(UPDATED)
    node = slicer.util.getNode("*SYNTHETIC in part")
    assert markOf(node) is not None
    assert node.GetAttribute("USToMRI.synthetic")
    assert not node.GetSaveWithScene()
    assert node.GetHideFromEditors()
    np.testing.assert_array_equal(
        volumes.ijk_to_ras(node), volumes.ijk_to_ras(slicer.util.getNode("US"))
    )
    section.ui.overlaySelector.currentIndex = 0
    let_pass(UPDATED)
    section.ui.compareButton.click()
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_uncertainty_lies_over_the_pseudo_mri(section: Any) -> None:
    """Coloured, as opaque as the slider says; a pseudo-MRI without one says so."""
    section.ui.compareButton.click()
    section.ui.overlaySelector.currentIndex = 3
    section.ui.overlaySlider.value = 60
    let_pass(UPDATED)
    assert "has no uncertainty" in section.ui.compareStatusLabel.text
    spread = volumes.add_volume("spread", np.ones(SHAPE, np.float32), "aligned")
    pseudo_mri = slicer.util.getNode("*(DDIC)")
    pseudo_mri.SetNodeReferenceID(OutputNodes.UNCERTAINTY_ROLE, spread.GetID())
    section.onTranslated(slicer.util.getNode("US"), pseudo_mri)
    assert names_in(OVERLAY) == ("US SYNTHETIC MRI (DDIC)", "spread", 0.6)
    assert section.ui.compareStatusLabel.text == ""


def test_another_overlay_begins_where_both_are_seen(section: Any) -> None:
    """Chosen by hand, a swipe begins in the middle: at 100 % it would show the ultrasound alone."""
    section.ui.compareButton.click()
    for index, amount in ((2, 50), (0, 100)):
        section.ui.overlaySelector.currentIndex = index
        section.ui.overlaySelector.activated.emit(index)
        assert section.ui.overlaySlider.value == amount


def test_tissues_are_shown_on_request(section: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over both images; without any, there is nothing to press. The table opens in its module."""
    ui = section.ui
    assert not ui.tissuesCheckBox.enabled
    assert not ui.sizesButton.enabled
    nodes = {
        role: slicer.mrmlScene.AddNewNodeByClass(f"vtkMRML{kind}Node")
        for role, kind in (
            (TissueNodes.TISSUES_ROLE, "Segmentation"),
            (TissueNodes.TABLE_ROLE, "Table"),
        )
    }
    segmentation, table = nodes.values()
    segmentation.CreateDefaultDisplayNodes()
    for role, node in nodes.items():
        slicer.util.getNode("*(DDIC)").SetNodeReferenceID(role, node.GetID())
    section.onTranslated(slicer.util.getNode("US"), slicer.util.getNode("*(DDIC)"))
    display = segmentation.GetDisplayNode()
    assert not display.GetVisibility()
    ui.tissuesCheckBox.checked = True
    wait_until(display.GetVisibility)
    opened: list[Any] = []
    monkeypatch.setattr(slicer.app, "openNodeModule", opened.append, raising=False)
    ui.sizesButton.click()
    assert opened == [table]


def test_another_image_is_seen(section: Any) -> None:
    """When it is chosen to be translated, the views no longer show the pair of the last one."""
    section.ui.compareButton.click()
    section.onInputChosen(slicer.util.getNode("US"))
    assert CompareLayout.isShown()
    other = volumes.add_volume("US 2", np.ones(SHAPE, np.float32), "aligned")
    section.onInputChosen(other)
    assert CompareLayout.currentArrangement() == FOUR_UP
    red = slicer.util.getNode("vtkMRMLSliceCompositeNodeRed")
    assert red.GetBackgroundVolumeID() == other.GetID()


def test_there_is_always_a_way_back(section: Any) -> None:
    """To Slicer's usual views where it is not known which were before."""
    section.ui.compareButton.click()
    comparisonOf(USToMRILogic().getParameterNode()).layoutBefore = -1
    section.ui.compareButton.click()
    assert CompareLayout.currentArrangement() == FOUR_UP


def test_other_grids_are_blended_and_said(section: Any) -> None:
    """Checkerboard and swipe need the same voxels; words say so."""
    other = volumes.add_volume("MRI", np.ones((3, 9, 9), np.float32), "rotated")
    section.ui.compareButton.click()
    section.ui.pseudoMriSelector.setCurrentNode(other)
    section.ui.overlaySelector.currentIndex = 1
    wait_until(lambda: "blended instead" in section.ui.compareStatusLabel.text)
    assert names_in(OVERLAY) == ("US", "MRI", 1)


def test_button_says_what_is_missing(section: Any) -> None:
    """Disabled with a reason; enabled again with two images."""
    section.ui.pseudoMriSelector.setCurrentNode(None)
    wait_until(lambda: not section.ui.compareButton.enabled)
    assert section.ui.compareStatusLabel.text == "Choose the pseudo-MRI to compare."
    section.ui.pseudoMriSelector.setCurrentNode(slicer.util.getNode("US"))
    wait_until(lambda: "two different images" in section.ui.compareStatusLabel.text)
    section.ui.pseudoMriSelector.setCurrentNode(slicer.util.getNode("*(DDIC)"))
    wait_until(lambda: section.ui.compareButton.enabled)
    assert section.ui.compareStatusLabel.text == ""


def test_another_layout_is_respected(section: Any) -> None:
    """A layout chosen in Slicer's toolbar ends the comparison; the button is up."""
    section.ui.compareButton.click()
    CompareLayout.layoutNode().SetViewArrangement(FOUR_UP)
    wait_until(lambda: not section.ui.compareButton.checked)


def test_closing_the_scene_brings_the_layout_back(section: Any) -> None:
    """And a scene without images says what is missing."""
    section.ui.compareButton.click()
    slicer.mrmlScene.Clear(0)
    assert CompareLayout.currentArrangement() == FOUR_UP


def test_new_pseudo_mri_is_compared(section: Any) -> None:
    """After a translation the views show what was made, and of what."""
    section.ui.compareButton.click()
    nodes = [
        volumes.add_volume(name, np.full(SHAPE, 50, np.float32), "aligned")
        for name in ("US 2", "MRI 2")
    ]
    section.onTranslated(*nodes)
    assert names_in(OVERLAY) == ("US 2", "MRI 2", 1)


def test_an_image_that_is_gone_is_shown_no_longer(section: Any) -> None:
    """Nor is what shows it in part."""
    section.ui.compareButton.click()
    section.ui.overlaySelector.currentIndex = 1
    let_pass(UPDATED)
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("*(DDIC)"))
    wait_until(lambda: section.ui.compareStatusLabel.text == "Choose the pseudo-MRI to compare.")
    assert names_in(OVERLAY)[0] == ""
    assert section.ui.compareButton.enabled


def test_a_scene_that_was_saved_with_the_layout_shows_it(section: Any, tmp_path: Path) -> None:
    """In a Slicer that knows the layouts from its start on."""
    section.ui.compareButton.click()
    path = str(tmp_path / "scene.mrb")
    assert slicer.mrmlScene.WriteToMRB(path)
    slicer_host.new_scene()
    CompareLayout.registerLayouts()
    assert slicer.mrmlScene.ReadFromMRB(path)
    assert CompareLayout.isShown()
    assert OVERLAY in CompareLayout.layoutNode().GetCurrentLayoutDescription()


def test_new_pseudo_mri_is_shown_in_its_own_view(section: Any) -> None:
    """Also where it was given to all views while another module was open."""
    section.ui.compareButton.click()
    section.setParameterNode(None)
    nodes = [
        volumes.add_volume(name, np.full(SHAPE, 50, np.float32), "aligned")
        for name in ("US 2", "MRI 2")
    ]
    slicer.util.setSliceViewerLayers(background=nodes[0], foreground=nodes[1])
    section.onTranslated(*nodes)
    assert names_in(CompareLayout.ULTRASOUND_VIEW)[:2] == ("US 2", "")
    assert names_in(OVERLAY)[:2] == ("US 2", "MRI 2")


def test_new_pseudo_mri_waits_for_the_user(section: Any) -> None:
    """One that was made while another module was open is compared when the user comes back."""
    parameter_node = USToMRILogic().getParameterNode()
    section.setParameterNode(None)
    nodes = [
        volumes.add_volume(name, np.full(SHAPE, 50, np.float32), "aligned")
        for name in ("US 2", "MRI 2")
    ]
    section.onTranslated(*nodes)
    section.setParameterNode(parameter_node)
    section.ui.compareButton.click()
    assert names_in(OVERLAY) == ("US 2", "MRI 2", 1)


def test_the_answer_is_shown_by_itself(section: Any) -> None:
    """After a translation; not again once the user went back, until they compare again."""
    images = slicer.util.getNode("US"), slicer.util.getNode("*(DDIC)")
    assert section.ui.compareCollapsibleButton.collapsed
    section.onTranslated(*images)
    assert CompareLayout.isShown()
    assert not section.ui.compareCollapsibleButton.collapsed
    section.ui.compareButton.click()
    assert CompareLayout.currentArrangement() == FOUR_UP
    section.onTranslated(*images)
    assert CompareLayout.currentArrangement() == FOUR_UP
    section.ui.compareButton.click()
    section.ui.compareButton.click()
    section.ui.compareButton.click()
    section.onTranslated(*images)
    assert CompareLayout.isShown()


def test_a_volume_is_shown_in_three_planes(section: Any) -> None:
    """Each with its pair of views; a slice after it in one."""
    nodes = [
        volumes.add_volume(name, np.full((8, 9, 10), 50, np.float32), "aligned")
        for name in ("Volume", "Volume MRI")
    ]
    section.onTranslated(*nodes)
    pairs = CompareLayout.shownPlanes()
    assert [pair.orientation for pair in pairs] == ["Axial", "Coronal", "Sagittal"]
    normals = []
    for pair in pairs:
        assert names_in(pair.ultrasound)[0] == "Volume"
        assert names_in(pair.pseudoMri) == ("Volume", "Volume MRI", 1)
        matrices = [
            slicer.util.arrayFromVTKMatrix(
                CompareLayout.sliceLogicOf(view).GetSliceNode().GetSliceToRAS()
            )
            for view in (pair.ultrasound, pair.pseudoMri)
        ]
        np.testing.assert_allclose(*matrices)
        normals.append(np.abs(matrices[0][:3, 2]).argmax())
    assert normals == [2, 1, 0]
    section.onTranslated(slicer.util.getNode("US"), slicer.util.getNode("*(DDIC)"))
    assert len(CompareLayout.shownPlanes()) == 1


@pytest.mark.parametrize("geometry", volumes.GEOMETRIES)
def test_views_are_fitted_to_the_head(section: Any, geometry: str) -> None:
    """Where the record says that it is: all of it is seen, and it fills one side of the view."""
    ultrasound = volumes.add_volume("Head US", np.ones((1, 120, 160), np.float32), geometry)
    ellipse = {"centre_mm": [24.0, 50.0], "semi_axes_mm": [15.0, 12.0], "angle_rad": 0.5}
    record = {
        "warnings": [],
        "parameters": {"head": ellipse},
        "input": {"grid": {"spacing": ultrasound.GetSpacing()}},
    }
    result = Result(SimpleNamespace(array=np.ones((1, 120, 160), np.float32)), record)
    output = OutputNodes.publish(result, OutputNodes.OutputLocation(ultrasound))
    section.onTranslated(ultrasound, output)
    outline = headPoints(output)
    assert outline is not None
    for view in VIEWS:
        slice_node = CompareLayout.sliceLogicOf(view).GetSliceNode()
        to_view = np.linalg.inv(slicer.util.arrayFromVTKMatrix(slice_node.GetXYToRAS()))
        places = np.c_[outline, np.ones(len(outline))] @ to_view.T
        size = np.array(slice_node.GetDimensions()[:2])
        extent = np.ptp(places[:, :2], axis=0) / size
        assert 0.8 < extent.max() < 0.9
        middle = (places[:, :2].max(0) + places[:, :2].min(0)) / 2
        np.testing.assert_allclose(middle, (size - 1) / 2, atol=1)


@pytest.mark.parametrize("geometry", volumes.GEOMETRIES)
def test_slice_is_shown_as_it_was_taken(section: Any, geometry: str) -> None:
    """The first voxel lies top left, rows run to the right, whatever the plane and transform."""
    node = volumes.add_volume("oblique", np.ones(SHAPE, np.float32), geometry)
    node.SetAndObserveTransformNodeID(volumes.add_transform(np.diag([1.0, -1, 1, 1])).GetID())
    section.ui.ultrasoundSelector.setCurrentNode(node)
    section.ui.compareButton.click()
    slice_node = CompareLayout.sliceLogicOf(OVERLAY).GetSliceNode()
    to_view = np.linalg.inv(slicer.util.arrayFromVTKMatrix(slice_node.GetXYToRAS()))

    def view_place(i: int, j: int) -> np.ndarray:
        return (to_view @ [*volumes.world_position(node, (i, j, 0)), 1])[:3]

    first, right, below = view_place(0, 0), view_place(59, 0), view_place(0, 39)
    assert right[0] > first[0]
    assert below[1] < first[1]
    np.testing.assert_allclose([right[1], below[0]], [first[1], first[0]], atol=1e-6)
    np.testing.assert_allclose([first[2], right[2], below[2]], 0, atol=1e-6)
    assert CompareLayout.horizontalAxis(node) == 0
