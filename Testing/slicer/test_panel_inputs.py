"""What can be translated in the panel: volumes, regions, time points, and the head in them."""

from __future__ import annotations

import gc
import time
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_panel()

import slicer  # noqa: E402
from slicer_host.panel import (  # noqa: E402
    add_ultrasound,
    choose_method,
    fixture_module,  # noqa: F401
    fixture_panel,  # noqa: F401
    fixture_section,  # noqa: F401
    outputs,
    press_translate,
)
from slicer_host.waiting import wait_until  # noqa: E402
from USToMRITests import volumes  # noqa: E402

slicer_host.start(panel=True)


def test_first_volume_is_offered(module: Any) -> None:
    """A panel that opens on a scene with an ultrasound is ready."""
    node = add_ultrasound()
    panel = slicer_host.open_panel(module)
    section = panel.sections[0]
    assert section.ui.inputSelector.currentNode() is node
    assert section.ui.translateButton.enabled
    panel.cleanup()


def test_the_newest_ultrasound_is_taken(section: Any) -> None:
    """Whenever it is loaded, until the user chooses one."""
    first = add_ultrasound()
    wait_until(lambda: section.ui.inputSelector.currentNode() is first)
    second = add_ultrasound()
    wait_until(lambda: section.ui.inputSelector.currentNode() is second)
    section.ui.inputSelector.setCurrentNode(first)
    add_ultrasound()
    for _ in range(30):
        slicer.app.processEvents()
        time.sleep(0.01)
    assert section.ui.inputSelector.currentNode() is first


def test_a_real_mri_is_not_taken_for_the_ultrasound(section: Any) -> None:
    """One that was loaded from DICOM to compare with."""
    ultrasound, mri = add_ultrasound(), add_ultrasound(slices=8)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), mri)
    hierarchy.SetItemAttribute(item, "DICOM.Modality", "MR")
    wait_until(section.ui.inputSelector.currentNode)
    assert section.ui.inputSelector.currentNode() is ultrasound


def test_nothing_is_chosen_in_the_place_of_what_is_deleted(section: Any) -> None:
    """Slicer's selectors would choose their next node: a scan as the output, to be overwritten."""
    ui, nodes = section.ui, [add_ultrasound() for _ in range(4)]
    ui.inputSelector.setCurrentNode(nodes[0])
    ui.outputSelector.setCurrentNode(nodes[2])
    slicer.mrmlScene.RemoveNode(nodes[2])
    assert ui.outputSelector.currentNode() is None
    assert section.logic.getParameterNode().outputVolume is None
    slicer.mrmlScene.RemoveNode(nodes[0])
    assert ui.inputSelector.currentNode() is None


def test_a_deleted_volume_leaves_the_memory(section: Any) -> None:
    """No observer of the panel keeps it."""
    node = add_ultrasound()
    section.ui.inputSelector.setCurrentNode(node)
    gone: list[str] = []
    node.GetImageData().AddObserver("DeleteEvent", lambda caller, event: gone.append(event))
    slicer.mrmlScene.RemoveNode(node)
    del node
    wait_until(lambda: (gc.collect(), gone)[1])


def test_label_maps_are_no_ultrasound(section: Any) -> None:
    """The selector offers scalar and colour volumes, the output selector scalar ones only."""
    for kind in ("LabelMap", "Vector", "Scalar"):
        slicer.mrmlScene.AddNewNodeByClass(f"vtkMRML{kind}VolumeNode", kind)
    for selector, offered in (
        (section.ui.inputSelector, ["Vector", "Scalar"]),
        (section.ui.outputSelector, ["Scalar"]),
    ):
        for kind in ("LabelMap", "Vector", "Scalar"):
            selector.setCurrentNode(slicer.util.getNode(kind))
            chosen = selector.currentNode()
            assert (chosen is not None and chosen.GetName() == kind) == (kind in offered)


def test_volumes_that_cannot_be_translated_are_told_before_the_press(section: Any) -> None:
    """Sheared axes, and vectors that are no colours."""
    sheared = add_ultrasound(slices=8)
    sheared.SetIJKToRASDirections(1, 0.2, 0, 0, 1, 0, 0, 0, 1)
    section.ui.inputSelector.setCurrentNode(sheared)
    section.ui.subjectSelector.currentIndex = 1
    assert "sheared" in section.ui.statusLabel.text
    assert not section.ui.translateButton.enabled
    sheared.SetIJKToRASDirections(1, 0, 0, 0, 1, 0, 0, 0, 1)
    wait_until(lambda: section.ui.translateButton.enabled)
    vectors = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Flow")
    slicer.util.updateVolumeFromArray(vectors, np.ones((2, 4, 5, 2), np.uint8))
    section.ui.inputSelector.setCurrentNode(vectors)
    assert "2 values a voxel" in section.ui.statusLabel.text
    assert not section.ui.translateButton.enabled


def test_region_must_be_usable(section: Any) -> None:
    """A region that is not placed yet is said at once; the button follows what becomes of it."""
    node = add_ultrasound(slices=8)
    section.ui.inputSelector.setCurrentNode(node)
    section.ui.subjectSelector.currentIndex = 1
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Box")
    section.ui.regionSelector.setCurrentNode(roi)
    assert section.ui.statusLabel.text == "Box has not been placed yet."
    assert not section.ui.translateButton.enabled
    roi.SetSize(2, 2, 3)
    roi.SetCenterWorld(300, 0, 0)
    wait_until(lambda: "Box holds no voxel of the ultrasound" in section.ui.statusLabel.text)
    assert not section.ui.translateButton.enabled
    roi.SetCenterWorld(volumes.world_position(node, (3, 2, 4)))
    wait_until(lambda: section.ui.translateButton.enabled)
    assert section.ui.statusLabel.text == ""
    choose_method(section, "ddic")  # one that looks for a head
    curve = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode", "Outline")
    section.ui.headSelector.setCurrentNode(curve)
    assert section.ui.statusLabel.text == "Outline needs at least three points."
    slicer.mrmlScene.RemoveNode(curve)
    assert section.ui.translateButton.enabled


def test_region_and_its_segment_are_chosen(section: Any) -> None:
    """The segments of a segmentation are offered; an ROI needs no such choice."""
    section.ui.advancedCollapsibleButton.collapsed = False
    node = add_ultrasound(slices=4)
    section.ui.inputSelector.setCurrentNode(node)
    choose_method(section, "pix2pix3d")
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Parts")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(node)
    mask = np.zeros((4, 5, 6), np.uint8)
    for name, part in (("skull", slice(0, 2)), ("brain", slice(1, 4))):
        segmentId = segmentation.GetSegmentation().AddEmptySegment(name, name)
        mask[:] = 0
        mask[part, 1:4, 2:5] = 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, segmentId, node)
    section.ui.regionSelector.setCurrentNode(segmentation)
    assert not section.ui.segmentSelector.isHidden()
    assert [section.ui.segmentSelector.itemText(n) for n in range(2)] == ["skull", "brain"]
    section.ui.segmentSelector.currentIndex = 1
    press_translate(section)
    assert slicer.util.arrayFromVolume(outputs()[-1]).shape == (3, 3, 3)
    assert section.logic.getParameterNode().segment == "brain"
    section.ui.regionSelector.setCurrentNode(None)
    assert section.ui.segmentSelector.isHidden()


def test_all_time_points_are_offered_for_a_sequence(section: Any) -> None:
    """And only there."""
    section.ui.advancedCollapsibleButton.collapsed = False
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    assert section.ui.allFramesCheckBox.isHidden()
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "Cine")
    for index in range(2):
        sequence.SetDataNodeAtValue(add_ultrasound(), str(index))
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    slicer.app.applicationLogic().GetModuleLogic("Sequences").UpdateProxyNodesFromSequences(browser)
    proxy = browser.GetProxyNode(sequence)
    section.ui.inputSelector.setCurrentNode(proxy)
    assert not section.ui.allFramesCheckBox.isHidden()
    section.ui.allFramesCheckBox.checked = True
    press_translate(section)
    (output,) = outputs()
    assert browser.GetSequenceNode(output).GetNumberOfDataNodes() == 2


def test_the_head_is_measured(section: Any) -> None:
    """Sizes and age in words, the diameters as lines; where they are dragged, the words follow."""
    ui = section.ui
    assert ui.biometryLabel.isHidden()
    node = add_ultrasound()
    ui.inputSelector.setCurrentNode(node)
    ui.findHeadButton.click()
    wait_until(lambda: not ui.biometryLabel.isHidden())
    assert "<b>HC 170 mm</b>, BPD 47 mm, OFD 61 mm" in ui.biometryLabel.text
    assert "19.6 weeks (18.1 to 21.1), Hadlock 1984" in ui.biometryLabel.text
    assert "outer to outer" in ui.biometryLabel.toolTip
    chosen = section.logic.getParameterNode()
    lines = (chosen.biparietalLine, chosen.occipitofrontalLine)
    assert [line.GetNthControlPointLabel(0) for line in lines] == ["BPD", "OFD"]
    assert not any(line.GetDisplayNode().GetPropertiesLabelVisibility() for line in lines)
    ellipse = ((1.2, lines[0]), (1.8, lines[1]))  # as the process says
    for length, line in ellipse:
        assert line.GetLineLengthWorld() == pytest.approx(length)
    for line, length in zip(lines, (48.0, 60.0)):
        start = np.array(line.GetNthControlPointPositionWorld(0))
        axis = np.array(line.GetNthControlPointPositionWorld(1)) - start
        end = start + axis / np.linalg.norm(axis) * length
        line.SetNthControlPointPositionWorld(1, end)
    assert "<b>HC 170 mm</b>, BPD 48 mm, OFD 60 mm, cephalic index 80 %" in ui.biometryLabel.text
    assert "to the outer edge" in ui.biometryLabel.toolTip
    ui.inputSelector.setCurrentNode(add_ultrasound())
    assert ui.biometryLabel.isHidden()
    line.SetNthControlPointPositionWorld(1, end + axis)  # of the other image
    assert ui.biometryLabel.isHidden()


def test_the_head_is_looked_for_in_one_slice(section: Any) -> None:
    """A volume has many; its button is disabled."""
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    assert section.ui.findHeadButton.enabled
    section.ui.inputSelector.setCurrentNode(add_ultrasound(slices=8))
    assert not section.ui.findHeadButton.enabled


def test_the_head_of_another_image_is_not_used(section: Any) -> None:
    """An outline that was corrected in one image is no hint for the next."""
    first, second = add_ultrasound(), add_ultrasound()
    section.ui.inputSelector.setCurrentNode(first)
    section.ui.findHeadButton.click()
    wait_until(section.ui.headSelector.currentNode)
    curve = section.ui.headSelector.currentNode()
    curve.SetNthControlPointPosition(0, np.array(curve.GetNthControlPointPosition(0)) * 1.01)
    assert section.ui.translateButton.enabled
    section.ui.inputSelector.setCurrentNode(second)
    assert section.ui.statusLabel.text.startswith("Head of US is of another image;")
    assert not section.ui.translateButton.enabled
    choose_method(section, "pix2pix3d")
    assert "another image" not in section.ui.statusLabel.text
    choose_method(section, "ddic")
    moved = [list(curve.GetNthControlPointPosition(n)) for n in range(3)]
    section.ui.findHeadButton.click()
    wait_until(lambda: section.ui.headSelector.currentNode() is not curve)
    assert section.ui.headSelector.currentNode().GetName() == "Head of US_1"
    assert [list(curve.GetNthControlPointPosition(n)) for n in range(3)] == moved
    assert section.ui.translateButton.enabled
