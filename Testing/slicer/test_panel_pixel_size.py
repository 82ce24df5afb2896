"""The size of the pixels, where an image does not state it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
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
    outputs,
    press_translate,
)
from slicer_host.waiting import wait_until  # noqa: E402
from USToMRITests import volumes  # noqa: E402

from Testing.image.dicom_files import GREY, dicom_image, save, us_region  # noqa: E402

slicer_host.start(panel=True)
slicer_host.add_module_folder(MODULE.parent)

from USToMRIModule.Scene.HeldImage import volumeFromNode  # noqa: E402
from USToMRIModule.Synthetic import TissueNodes  # noqa: E402


def add_picture() -> Any:
    """Add a picture that does not say how large its pixels are."""
    node = volumes.add_volume("picture", np.ones((1, 120, 100), np.float32), "aligned")
    node.SetSpacing(1, 1, 1)
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetFileName("head.png")
    return node


def test_pixel_size_is_asked_for(section: Any) -> None:
    """Beside the image, and only where the image does not say it."""
    ui = section.ui
    ui.inputSelector.setCurrentNode(add_ultrasound())
    assert ui.pixelSizeWaySelector.isHidden()
    ui.inputSelector.setCurrentNode(add_picture())
    assert not ui.pixelSizeWaySelector.isHidden()
    assert "does not say how large" in ui.statusLabel.text
    assert not ui.translateButton.enabled
    assert not ui.findHeadButton.enabled
    ui.pixelSizeSpinBox.value = 0.14
    assert ui.translateButton.enabled
    assert ui.findHeadButton.enabled
    assert ui.pixelSizeResultLabel.text == "A pixel is 0.1400 mm wide."


def test_two_marks_of_the_scale_give_the_pixel_size(section: Any) -> None:
    """Two clicks and the length between them; dragged or changed, the size follows."""
    ui, node = section.ui, add_picture()
    ui.inputSelector.setCurrentNode(node)
    ui.pixelSizeWaySelector.currentIndex = 1
    ui.rulerButton.click()
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    ruler = section.logic.getParameterNode().rulerLine
    for ijk in ((50, 10, 0), (50, 110, 0)):
        ruler.AddControlPointWorld(volumes.world_position(node, ijk))
    assert not ui.rulerButton.checked
    assert section.logic.getParameterNode().pixelSize == pytest.approx(0.5)
    ui.rulerLengthSpinBox.value = 20
    assert section.logic.getParameterNode().pixelSize == pytest.approx(0.2)
    ruler.SetNthControlPointPositionWorld(1, volumes.world_position(node, (50, 60, 0)))
    assert section.logic.getParameterNode().pixelSize == pytest.approx(0.4)
    assert ui.translateButton.enabled
    ui.inputSelector.setCurrentNode(add_picture())
    assert ruler.GetScene() is None
    assert not ui.translateButton.enabled


def test_giving_up_the_two_marks(section: Any) -> None:
    """Esc, another press or another image: no line stays, and no click makes one."""
    ui, scene = section.ui, slicer.mrmlScene
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    giving_up = (
        interaction.SwitchToViewTransformMode,  # what Esc does
        ui.rulerButton.click,
        lambda: ui.inputSelector.setCurrentNode(add_picture()),
    )
    for give_up in giving_up:
        ui.inputSelector.setCurrentNode(add_picture())
        ui.pixelSizeWaySelector.currentIndex = 1
        ui.rulerButton.click()
        give_up()
        wait_until(lambda: not ui.rulerButton.checked)
        assert interaction.GetCurrentInteractionMode() != interaction.Place
        wait_until(lambda: scene.GetNumberOfNodesByClass("vtkMRMLMarkupsLineNode") == 0)


def test_a_known_circumference_gives_the_pixel_size(section: Any) -> None:
    """The head is found in the picture, whatever its scale."""
    ui, node = section.ui, add_picture()
    ui.inputSelector.setCurrentNode(node)
    ui.pixelSizeWaySelector.currentIndex = 2
    assert not ui.circumferenceButton.enabled
    ui.knownCircumferenceSpinBox.value = 10
    ui.circumferenceButton.click()
    wait_until(lambda: ui.translateButton.enabled)
    # At the trial scale, 130 mm for 120 pixels, the process says 4.7 mm.
    assert section.logic.getParameterNode().pixelSize == pytest.approx(130 / 120 * 10 / 4.7, 1e-6)


def test_the_pixel_size_can_be_written_into_the_volume(section: Any) -> None:
    """It is then the volume's own, and not asked for again."""
    ui, node = section.ui, add_picture()
    ui.inputSelector.setCurrentNode(node)
    ui.pixelSizeSpinBox.value = 0.14
    ui.writePixelSizeButton.click()
    assert node.GetSpacing()[:2] == (0.14, 0.14)
    assert ui.pixelSizeWaySelector.isHidden()
    assert ui.translateButton.enabled


def test_calibrated_dicom_is_not_asked_for(section: Any, tmp_path: Path) -> None:
    """Scanners write the calibration of a region, which Slicer reads as 1 mm: the file is asked."""
    region = [us_region(0.016, 0.024)]
    path = save(dicom_image(GREY, SequenceOfUltrasoundRegions=region), tmp_path / "us.dcm")
    logic = slicer.app.applicationLogic().GetModuleLogic("Volumes")
    node = logic.AddArchetypeVolume(str(path), "us", 0)
    assert node.GetSpacing() == (1, 1, 1)
    ui = section.ui
    ui.inputSelector.setCurrentNode(node)
    assert ui.translateButton.enabled
    assert ui.pixelSizeWaySelector.isHidden()
    assert ui.pixelSizeResultLabel.text == "A pixel is 0.1600 mm wide, as its file says."
    assert not ui.pixelSizeResultLabel.isHidden()
    assert volumeFromNode(node).grid.spacing == pytest.approx((0.16, 0.24, 1))
    ui.writePixelSizeButton.click()
    assert node.GetSpacing() == pytest.approx((0.16, 0.24, 1))
    wait_until(ui.pixelSizeResultLabel.isHidden)
    assert ui.translateButton.enabled


def test_calibrated_dicom_of_the_database(
    section: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The DICOM module notes the instance, whose file has no suffix; the volume has none."""
    region = [us_region(0.016, 0.016)]
    path = save(dicom_image(GREY, SequenceOfUltrasoundRegions=region), tmp_path / "0001")

    file_of = {"1.2.3.4": str(path)}.get
    database = SimpleNamespace(isOpen=True, fileForInstance=lambda instance: file_of(instance, ""))
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    for instance, asked in (("1.2.3.4", False), ("1.2.3.5", True)):
        node = add_picture()
        node.GetStorageNode().SetFileName("")
        node.SetAttribute("DICOM.instanceUIDs", instance)
        section.ui.inputSelector.setCurrentNode(node)
        assert section.ui.pixelSizeWaySelector.isHidden() is not asked
        assert section.ui.translateButton.enabled is not asked


def test_pixels_of_pictures_may_be_oblong(section: Any) -> None:
    """The resolution of a print is no pixel size, but it says what shape the pixels are."""
    ui, node = section.ui, add_picture()
    node.SetSpacing(1, 2, 1)
    ui.inputSelector.setCurrentNode(node)
    ui.pixelSizeWaySelector.currentIndex = 1
    ui.rulerButton.click()
    ruler = section.logic.getParameterNode().rulerLine
    for ijk in ((50, 10, 0), (50, 110, 0)):
        ruler.AddControlPointWorld(volumes.world_position(node, ijk))
    # 50 mm for 100 pixels that are twice as high as wide.
    assert section.logic.getParameterNode().pixelSize == pytest.approx(0.25)
    spacing = volumeFromNode(node, 0.25).grid.spacing
    assert spacing == pytest.approx((0.25, 0.5, 1))
    ui.writePixelSizeButton.click()
    assert node.GetSpacing() == pytest.approx((0.25, 0.5, 1))


def test_the_size_of_oblong_pixels_by_the_circumference(section: Any) -> None:
    """Nothing of the picture is larger than the width at which a head is looked for."""
    ui, node = section.ui, add_picture()
    node.SetSpacing(1, 2, 1)
    ui.inputSelector.setCurrentNode(node)
    ui.pixelSizeWaySelector.currentIndex = 2
    ui.knownCircumferenceSpinBox.value = 10
    ui.circumferenceButton.click()
    wait_until(lambda: section.logic.getParameterNode().pixelSize > 0)
    assert section.logic.getParameterNode().pixelSize == pytest.approx(130 / 240 * 10 / 4.7, 1e-6)


def test_what_was_made_of_a_picture_gets_its_pixel_size_too(section: Any) -> None:
    """A pseudo-MRI goes on lying on its ultrasound when that is given its size."""
    ui, node = section.ui, add_picture()
    ui.inputSelector.setCurrentNode(node)
    ui.pixelSizeSpinBox.value = 0.14
    ui.qualitySelector.currentIndex = 0
    press_translate(section)
    (output,) = outputs()
    segmentation = output.GetNodeReference(TissueNodes.TISSUES_ROLE)
    before, after = np.zeros(6), np.zeros(6)
    segmentation.GetRASBounds(before)
    ui.writePixelSizeButton.click()
    np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))
    segmentation.GetRASBounds(after)
    np.testing.assert_allclose(np.diff(after)[:3:2], 0.14 * np.diff(before)[:3:2], rtol=1e-3)


def test_a_size_is_not_taken_for_another_image(section: Any) -> None:
    """One that was chosen while the head was looked for in the first."""
    ui = section.ui
    ui.inputSelector.setCurrentNode(add_picture())
    ui.pixelSizeWaySelector.currentIndex = 2
    ui.knownCircumferenceSpinBox.value = 10
    ui.circumferenceButton.click()
    ui.inputSelector.setCurrentNode(add_picture())
    wait_until(lambda: "no longer the chosen one" in ui.statusLabel.text)
    assert section.logic.getParameterNode().pixelSize == 0


def test_a_pixel_size_is_not_kept_for_the_next_image(section: Any) -> None:
    """That of one picture would give another one a wrong head circumference."""
    section.ui.pixelSizeSpinBox.value = 0.14  # may be set before an image is chosen
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    assert section.ui.pixelSizeSpinBox.value == 0.14
    section.ui.deviceSelector.currentIndex = 1
    assert section.ui.pixelSizeSpinBox.value == 0.14
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    assert section.ui.pixelSizeSpinBox.value == 0
