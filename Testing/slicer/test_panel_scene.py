"""The choices of the panel in scenes that are saved and opened, by other versions too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
    press_translate,
)

slicer_host.start(panel=True)


def test_choices_are_saved_with_the_scene(section: Any) -> None:
    """What is set in the panel stands in the parameter node, and the other way round."""
    choose_method(section, "ddib")
    section.options.fields["steps"].value = 12
    section.ui.deviceSelector.currentIndex = 1
    node = slicer.mrmlScene.GetSingletonNode("USToMRI", "vtkMRMLScriptedModuleNode")
    assert json.loads(node.GetParameter("options")) == {"ddib": {"steps": 12}}
    assert node.GetParameter("device") == "CPU"
    node.SetParameter("method", "pix2pix3d")
    assert section.ui.methodSelector.currentData == "pix2pix3d"


def test_another_scene_begins_with_the_last_choices(section: Any) -> None:
    """Quality and device of the last translation; a method that was chosen by hand is not kept."""
    ui = section.ui
    ui.inputSelector.setCurrentNode(add_ultrasound())
    ui.qualitySelector.currentIndex = 0
    ui.deviceSelector.currentIndex = 1
    press_translate(section)
    slicer.mrmlScene.Clear(0)
    assert (ui.qualitySelector.currentIndex, ui.deviceSelector.currentIndex) == (0, 1)
    ui.inputSelector.setCurrentNode(add_ultrasound())
    choose_method(section, "ddib")
    press_translate(section)
    slicer.mrmlScene.Clear(0)
    assert ui.qualitySelector.currentIndex == 0


def test_leaving_and_entering(panel: Any, section: Any) -> None:
    """A panel that is not shown does not follow the scene; it catches up when shown again."""
    node = slicer.mrmlScene.GetSingletonNode("USToMRI", "vtkMRMLScriptedModuleNode")
    panel.exit()
    before = section.ui.methodSelector.currentData
    node.SetParameter("method", "ddib")
    node.SetParameter("device", "CPU")
    assert section.ui.methodSelector.currentData == before != "ddib"
    assert section.ui.deviceSelector.currentIndex == 0
    panel.enter()
    assert section.ui.methodSelector.currentData == "ddib"
    assert section.ui.deviceSelector.currentIndex == 1


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


@pytest.mark.parametrize(
    ("named", "solver"),
    [("DDIM", {"solver": "ddim"}), ("DPMPP_2M", {"solver": "dpm++2m"}), ("HEUN", {})],
)
def test_a_scene_of_the_last_version_opens_with_its_choices(
    module: Any, named: str, solver: dict[str, str]
) -> None:
    """Each of its parameters is an option of the methods now; a solver that is gone the default."""
    node = slicer.vtkMRMLScriptedModuleNode()
    node.SetSingletonTag("USToMRI")
    node.SetName("USToMRI")
    old = {
        "method": "DDIC",
        "steps": "40",
        "solver": named,
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
    assert section.options.values() == {
        "steps": 40,
        **solver,
        "similarity": "mutual-information",
        "median_kernel": 1,
        "gain": "recorded",
        "axis": "j",
        "residual": True,
    }
    panel.cleanup()


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
