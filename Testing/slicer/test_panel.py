"""The choices of the panel, on a strict stand-in for PythonQt."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from types import SimpleNamespace
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

from USToMRILib.methods import METHODS, Method, register  # noqa: E402
from USToMRILib.options import option  # noqa: E402

slicer_host.start(panel=True)

import qt  # noqa: E402


def test_translate_says_why_it_cannot_run(section: Any) -> None:
    """Without a volume the button is disabled; the reason stands beside it and in its tooltip."""
    assert not section.ui.translateButton.enabled
    assert section.ui.translateButton.toolTip == "Choose the ultrasound volume to translate."
    assert section.ui.statusLabel.text == section.ui.translateButton.toolTip
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    assert section.ui.translateButton.enabled
    assert section.ui.statusLabel.text == ""


def add_picture() -> Any:
    """Add a picture that does not say how large its pixels are."""
    node = volumes.add_volume("picture", np.ones((1, 120, 100), np.float32), "aligned")
    node.SetSpacing(1, 1, 1)
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetFileName("head.png")
    return node


def test_first_volume_is_offered(module: Any) -> None:
    """A panel that opens on a scene with an ultrasound is ready."""
    node = add_ultrasound()
    panel = slicer_host.open_panel(module)
    section = panel.sections[0]
    assert section.ui.inputSelector.currentNode() is node
    assert section.ui.translateButton.enabled
    panel.cleanup()


def test_method_must_fit_the_volume(section: Any) -> None:
    """Pix2Pix needs a volume: the button follows every choice."""
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    choose_method(section, "pix2pix3d")
    assert not section.ui.translateButton.enabled
    assert "needs a volume" in section.ui.statusLabel.text
    section.ui.inputSelector.setCurrentNode(add_ultrasound(slices=8))
    assert section.ui.translateButton.enabled


def test_region_must_be_usable(section: Any) -> None:
    """A region that is not placed yet is said at once; the button follows what becomes of it."""
    node = add_ultrasound(slices=8)
    section.ui.inputSelector.setCurrentNode(node)
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Box")
    section.ui.regionSelector.setCurrentNode(roi)
    assert section.ui.statusLabel.text == "Box has not been placed yet."
    assert not section.ui.translateButton.enabled
    roi.SetSize(2, 2, 3)
    roi.SetCenterWorld(300, 0, 0)
    assert "Box holds no voxel of the ultrasound" in section.ui.statusLabel.text
    assert not section.ui.translateButton.enabled
    roi.SetCenterWorld(volumes.world_position(node, (3, 2, 4)))
    assert section.ui.translateButton.enabled
    assert section.ui.statusLabel.text == ""
    curve = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode", "Outline")
    section.ui.headSelector.setCurrentNode(curve)
    assert section.ui.statusLabel.text == "Outline needs at least three points."
    slicer.mrmlScene.RemoveNode(curve)
    assert section.ui.translateButton.enabled


def test_volumes_that_cannot_be_translated_are_told_before_the_press(section: Any) -> None:
    """Sheared axes, and vectors that are no colours."""
    sheared = add_ultrasound(slices=8)
    sheared.SetIJKToRASDirections(1, 0.2, 0, 0, 1, 0, 0, 0, 1)
    section.ui.inputSelector.setCurrentNode(sheared)
    assert "sheared" in section.ui.statusLabel.text
    assert not section.ui.translateButton.enabled
    sheared.SetIJKToRASDirections(1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert section.ui.translateButton.enabled
    vectors = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Flow")
    slicer.util.updateVolumeFromArray(vectors, np.ones((2, 4, 5, 2), np.uint8))
    section.ui.inputSelector.setCurrentNode(vectors)
    assert "2 values a voxel" in section.ui.statusLabel.text
    assert not section.ui.translateButton.enabled


def test_fields_are_those_of_the_method(section: Any) -> None:
    """One for every option and map that the library knows of it; the axis is of volumes."""
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    for name, method in METHODS.items():
        choose_method(section, name)
        expected = {option.name for option in method.option_list} | set(method.offers)
        assert set(section._options.fields) == expected
        assert all(field.toolTip for field in section._options.fields.values())
    choose_method(section, "ddib")
    assert not section._options.fields["axis"].enabled
    section.ui.inputSelector.setCurrentNode(add_ultrasound(slices=8))
    choose_method(section, "ddib")
    assert section._options.fields["axis"].enabled
    choose_method(section, "pix2pix3d")
    for control in (section.ui.headSelector, section.ui.findHeadButton):
        assert not control.enabled


def test_a_method_of_a_test_is_found_in_the_panel(module: Any) -> None:
    """Nothing but the registry knows the methods: one that is added there can be chosen."""

    @dataclasses.dataclass(frozen=True)
    class ToyOptions:
        """A number, a choice and a switch."""

        strength: float = option(0.5, "how strong", least=0, most=2)
        kind: str = option("plain", "of what kind", choices=("plain", "fancy"))
        twice: bool = option(False, "whether to do it again")

    toy = Method("toy", "Toy", "For a test.", "none", ("slice",), ToyOptions, (), print)
    register(toy)
    try:
        panel = slicer_host.open_panel(module)
        section = panel.sections[0]
        choose_method(section, "toy")
        fields = section._options.fields
        fields["strength"].value = 1.5
        fields["kind"].currentIndex = 1
        fields["twice"].checked = True
        assert section._options.values() == {"strength": 1.5, "kind": "fancy", "twice": True}
        fields["twice"].checked = False
        assert section._options.values() == {"strength": 1.5, "kind": "fancy"}
        panel.exit()
        panel.enter()
        assert section._options.fields["strength"].value == 1.5
        panel.cleanup()
    finally:
        del METHODS["toy"]


def test_axis_of_a_volume_reaches_the_worker(section: Any) -> None:
    """Every method takes volumes; the slices' axis is chosen under Advanced."""
    section.ui.inputSelector.setCurrentNode(add_ultrasound(slices=8))
    section._options.fields["axis"].currentIndex = 2
    press_translate(section)
    assert outputs()[-1].GetAttribute("USToMRI.axis") == "j"


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


def test_choices_are_saved_with_the_scene(section: Any) -> None:
    """What is set in the panel stands in the parameter node, and the other way round."""
    choose_method(section, "ddib")
    section._options.fields["steps"].value = 12
    section.ui.deviceSelector.currentIndex = 1
    node = slicer.mrmlScene.GetSingletonNode("USToMRI", "vtkMRMLScriptedModuleNode")
    assert json.loads(node.GetParameter("options")) == {"ddib": {"steps": 12}}
    assert node.GetParameter("device") == "CPU"
    node.SetParameter("method", "pix2pix3d")
    assert section.ui.methodSelector.currentData == "pix2pix3d"


def test_leaving_and_entering(panel: Any, section: Any) -> None:
    """A panel that is not shown does not follow the scene; it catches up when shown again."""
    node = slicer.mrmlScene.GetSingletonNode("USToMRI", "vtkMRMLScriptedModuleNode")
    panel.exit()
    before = section.ui.methodSelector.currentData
    node.SetParameter("method", "ddib")
    assert section.ui.methodSelector.currentData == before != "ddib"
    panel.enter()
    assert section.ui.methodSelector.currentData == "ddib"


def test_stand_in_is_strict() -> None:
    """What Slicer's PythonQt refuses, or would pass over in silence, raises here."""
    button = qt.QPushButton()
    with pytest.raises(AttributeError):
        button.foo = 1
    with pytest.raises(AttributeError):
        button.setTooltip("wrong letter")
    with pytest.raises(ValueError, match="no signal"):
        button.connect("clickedd()", print)
    with pytest.raises(AttributeError):
        qt.QNoSuchWidget  # noqa: B018
    with pytest.raises(AttributeError, match="not a name in Slicer"):
        slicer.app.noSuchName  # noqa: B018


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


def test_a_quality_chooses_the_method(section: Any) -> None:
    """Fast and best, by the kind of image; a method chosen by hand is no quality."""
    ui = section.ui
    ui.inputSelector.setCurrentNode(add_ultrasound())
    chosen = section.logic.getParameterNode()
    assert ui.qualitySelector.currentIndex == 1
    best = chosen.method
    assert best in ("ddic-guided", "ddic")
    ui.qualitySelector.currentIndex = 0
    assert chosen.method in ("pix2pix2d", "cyclegan")
    assert ui.qualitySelector.itemText(0).startswith("Fast: ")
    ui.inputSelector.setCurrentNode(add_ultrasound(slices=8))
    assert chosen.method == "pix2pix3d"
    choose_method(section, "ddib")
    assert chosen.method == "ddib"
    assert ui.qualitySelector.currentIndex == 2
    ui.qualitySelector.currentIndex = 1
    assert chosen.method == best


def test_a_scene_of_the_last_version_opens_with_its_choices(module: Any) -> None:
    """Each of its parameters is an option of the methods now."""
    node = slicer.vtkMRMLScriptedModuleNode()
    node.SetSingletonTag("USToMRI")
    node.SetName("USToMRI")
    old = {
        "method": "DDIC",
        "steps": "40",
        "solver": "DDIM",
        "similarity": "MUTUAL_INFORMATION",
        "medianFilter": "False",
        "evenGain": "False",
        "axis": "J",
        "residual": "True",
        "seed": "12",
        "device": "CPU",
    }
    for name, value in old.items():
        node.SetParameter(name, value)
    slicer.mrmlScene.AddNode(node)
    add_ultrasound()
    panel = slicer_host.open_panel(module)
    section = panel.sections[0]
    chosen = section.logic.getParameterNode()
    assert (chosen.method, chosen.device.value) == ("ddic", "cpu")
    assert section.ui.qualitySelector.currentIndex == 2
    assert section._options.values() == {
        "steps": 40,
        "solver": "ddim",
        "similarity": "mutual-information",
        "median_kernel": 1,
        "gain": "recorded",
        "axis": "j",
        "residual": True,
    }
    panel.cleanup()


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
    ellipse = ((1.2, lines[0]), (1.8, lines[1]))  # as the process says
    for length, line in ellipse:
        assert line.GetLineLengthWorld() == pytest.approx(length)
    for line, length in zip(lines, (48.0, 60.0)):
        start = np.array(line.GetNthControlPointPositionWorld(0))
        axis = np.array(line.GetNthControlPointPositionWorld(1)) - start
        end = start + axis / np.linalg.norm(axis) * length
        line.SetNthControlPointPositionWorld(1, end)
    assert "BPD 48 mm, OFD 60 mm, cephalic index 80 %" in ui.biometryLabel.text
    ui.inputSelector.setCurrentNode(add_ultrasound())
    assert ui.biometryLabel.isHidden()


def test_cautions_are_said_once(section: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then they are behind a button."""
    from USToMRIModule.Translate import Cautions

    monkeypatch.setattr(Cautions, "_said", set())
    ui = section.ui
    ui.inputSelector.setCurrentNode(add_ultrasound())
    assert ui.cautionButton.isHidden()
    press_translate(section)
    assert "The GPU was full" in ui.statusLabel.text
    assert not ui.cautionButton.isHidden()
    press_translate(section)
    assert "The GPU was full" not in ui.statusLabel.text
    ui.cautionButton.click()
    assert ui.statusLabel.text == "The GPU was full; the CPU did it."


def test_the_output_is_kept_on_request(section: Any) -> None:
    """Else the next run makes another one."""
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    press_translate(section)
    assert section.ui.outputSelector.currentNode() is None
    section.ui.keepOutputCheckBox.checked = True
    press_translate(section)
    assert section.ui.outputSelector.currentNode() is outputs()[-1]
    section.ui.translateButton.click()
    wait_until(lambda: section.ui.translateButton.enabled)
    assert len(outputs()) == 2


def test_a_long_message_does_not_widen_the_panel(panel: Any, section: Any) -> None:
    """Its size hint is that of a short one."""
    before = panel.parent.sizeHint().width()
    section.run.showMessage("A long warning about what networks do. " * 12)
    slicer.app.processEvents()
    assert panel.parent.sizeHint().width() == before


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


def test_only_what_was_changed_is_asked_for(section: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest are the library's own defaults."""
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    choose_method(section, "ddic")
    asked: list[dict[str, Any]] = []

    def start(*_nodes: Any, **options: Any) -> Any:
        asked.append(options)
        return SimpleNamespace(running=False)

    monkeypatch.setattr(section.logic, "startTranslation", start)
    section.ui.translateButton.click()
    wait_until(lambda: len(asked) == 1)
    section._options.fields["median_kernel"].value = 1
    section._options.fields["gain"].currentIndex = 1
    section._options.fields["residual"].checked = True
    section.ui.translateButton.click()
    wait_until(lambda: len(asked) == 2)
    named = [
        {name: options.get(name) for name in ("median_kernel", "gain", "residual")}
        for options in asked
    ]
    assert named[0] == dict.fromkeys(named[0])
    assert named[1] == {"median_kernel": 1, "gain": "recorded", "residual": True}
    assert asked[1]["method"] == "ddic"


def test_devices_are_the_librarys() -> None:
    """Every device of the library can be chosen, no other."""
    from USToMRIModule.ParameterNode import Device

    from USToMRILib.compute.device import DEVICES

    assert {member.value for member in Device} == set(DEVICES)
    assert all(member.label() for member in Device)


def test_a_pixel_size_is_not_kept_for_the_next_image(section: Any) -> None:
    """That of one picture would give another one a wrong head circumference."""
    section.ui.pixelSizeSpinBox.value = 0.14  # may be set before an image is chosen
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    assert section.ui.pixelSizeSpinBox.value == 0.14
    section.ui.deviceSelector.currentIndex = 1
    assert section.ui.pixelSizeSpinBox.value == 0.14
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    assert section.ui.pixelSizeSpinBox.value == 0


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


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("method", "LATER"), ("overlay", "LATER"), ("rulerLength", "x"), ("options", "x")],
)
def test_choices_of_another_version_are_the_defaults(
    module: Any, parameter: str, value: str
) -> None:
    """A scene that a later version has saved opens, with the image that was chosen there."""
    first, chosen = add_ultrasound(), add_ultrasound()
    slicer_host.open_panel(module).cleanup()
    node = slicer.mrmlScene.GetSingletonNode("USToMRI", "vtkMRMLScriptedModuleNode")
    node.SetNodeReferenceID("inputVolume", chosen.GetID())
    for name in ("later", parameter):
        node.SetParameter(name, value)
    panel = slicer_host.open_panel(module)
    section = panel.sections[0]
    assert section.ui.inputSelector.currentNode() is chosen is not first
    assert section.ui.qualitySelector.currentIndex == 1
    assert section.ui.methodSelector.currentData in ("ddic-guided", "ddic")
    assert section.ui.rulerLengthSpinBox.value == 50
    assert panel.sections[1].ui.overlaySelector.currentIndex == 0
    assert section.ui.translateButton.enabled
    panel.cleanup()


def test_a_scene_may_be_opened_while_the_panel_is(section: Any, tmp_path: Path) -> None:
    """Its choices are shown; the nodes that they name are read after them."""
    add_ultrasound()
    chosen = add_ultrasound()
    section.ui.inputSelector.setCurrentNode(chosen)
    section.ui.rulerLengthSpinBox.value = 7
    chosen.SetName("Second")
    path = str(tmp_path / "scene.mrb")
    assert slicer.mrmlScene.WriteToMRB(path)
    slicer.mrmlScene.Clear(0)
    assert not section.ui.translateButton.enabled
    assert slicer.mrmlScene.ReadFromMRB(path)
    assert section.ui.inputSelector.currentNode().GetName() == "Second"
    assert section.ui.rulerLengthSpinBox.value == 7
    assert section.ui.translateButton.enabled


def test_the_head_is_looked_for_in_one_slice(section: Any) -> None:
    """A volume has many; its button is disabled."""
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    assert section.ui.findHeadButton.enabled
    section.ui.inputSelector.setCurrentNode(add_ultrasound(slices=8))
    assert not section.ui.findHeadButton.enabled
