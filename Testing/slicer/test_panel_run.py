"""What the panel's buttons start, with a process that stands in for the networks."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_panel()

import slicer  # noqa: E402
from slicer_host.panel import (  # noqa: E402
    add_ultrasound,
    alive,
    choose_method,
    fixture_module,  # noqa: F401
    fixture_panel,  # noqa: F401
    fixture_section,  # noqa: F401
    outputs,
    press_translate,
    start_slow,
    worker,
)
from slicer_host.waiting import own_time, wait_until  # noqa: E402
from USToMRITests import volumes  # noqa: E402

import USToMRILib  # noqa: E402
from USToMRILib import Volume, translate  # noqa: E402

slicer_host.start(panel=True)
slicer_host.add_module_folder(Path(__file__).parents[2] / "USToMRI")

from USToMRIModule.Scene.HeldImage import volumeFromNode  # noqa: E402


def test_button_makes_a_pseudo_mri(section: Any) -> None:
    """The choices reach the command line, progress is shown, and the output appears."""
    node = add_ultrasound()
    node.SetAndObserveTransformNodeID(volumes.add_transform(np.diag([2.0, 1, 1, 1])).GetID())
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    section.ui.inputSelector.setCurrentNode(node)
    choose_method(section, "ddib")
    section.options.fields["steps"].value = 20
    seen: list[int] = []
    section.ui.progressBar.connect("valueChanged(int)", seen.append)
    section.ui.translateButton.click()
    assert not section.ui.translateButton.enabled
    assert section.ui.cancelButton.enabled
    wait_until(outputs)
    (output,) = outputs()
    np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))
    np.testing.assert_array_equal(
        slicer.util.arrayFromVolume(output), slicer.util.arrayFromVolume(node)
    )
    assert output.GetTransformNodeID() == node.GetTransformNodeID()
    options = {
        name: output.GetAttribute(f"USToMRI.{name}") for name in ("method", "steps", "device")
    }
    assert options == {"method": "ddib", "steps": "20", "device": "auto"}
    assert {1, 4} <= set(seen)
    view = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")[0]
    assert view.GetBackgroundVolumeID() == node.GetID()
    assert view.GetForegroundVolumeID() == output.GetID()
    assert section.ui.translateButton.enabled
    assert not section.ui.cancelButton.enabled
    assert section.ui.statusLabel.text.startswith("Made US SYNTHETIC MRI (DDIB).")
    assert section.ui.cautionButton.toolTip == "The GPU was full; the CPU did it."


def test_progress_is_told_in_words(
    section: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Phase, step and remaining time stand beside the bar."""
    start_slow(section, monkeypatch, tmp_path)
    assert section.ui.statusLabel.text == "Noise to MRI: step 2 of 4, about 60 s left"
    assert (section.ui.progressBar.value, section.ui.progressBar.maximum) == (
        2,
        4,
    )


def test_every_phase_of_the_library_has_words(section: Any) -> None:
    """They can be translated; the library's own words for its phases are not shown."""
    reporters = {"phase", "track", "within", "_walk"}
    phases = {
        argument.value
        for path in Path(USToMRILib.__file__).parent.rglob("*.py")
        if path.parent.name not in ("batch", "evaluation")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) in reporters
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }
    assert {"load", "head", "encode", "decode", "generate", "windows"} <= phases
    for phase in phases:
        event = {"phase": phase, "step": 1, "of": 2, "frame": 1, "frames": 1}
        section.run.showProgress(event)
        assert not section.ui.statusLabel.text.startswith(f"{phase}:"), phase


@pytest.mark.parametrize(
    ("manner", "message"),
    [
        ("unusable", "No head was found; draw it."),
        ("broken", "failed (ZeroDivisionError"),
        ("memory", "memory did not suffice"),
        ("crash", "unexpectedly"),
        ("silent", "could not be read"),
    ],
)
def test_failure_is_a_message(section: Any, module: Any, manner: str, message: str) -> None:
    """Whatever becomes of the process, the scene is as it was and the panel ready again."""
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    section.logic = worker(module, manner)
    before = slicer.mrmlScene.GetNumberOfNodes()
    section.ui.translateButton.click()
    wait_until(lambda: section.ui.translateButton.enabled)
    assert message in section.ui.statusLabel.text
    for unknown in ("ustomri:", "input.mhd"):  # to a user of Slicer
        assert unknown not in section.ui.statusLabel.text
    section.ui.rulerLengthSpinBox.value = 5
    assert message in section.ui.statusLabel.text
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_missing_python_is_a_message(section: Any, module: Any) -> None:
    """A program that cannot be started leaves the panel ready."""
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    section.logic = module.USToMRILogic(command=["no-such-program"])
    section.ui.translateButton.click()
    wait_until(lambda: section.ui.translateButton.enabled)
    assert "could not be started" in section.ui.statusLabel.text


def test_cancel_ends_the_process_tree(
    section: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Within a second, with its child and its files, and the scene is as it was."""
    pids, folder = start_slow(section, monkeypatch, tmp_path)
    before = slicer.mrmlScene.GetNumberOfNodes()
    start = own_time()
    section.ui.cancelButton.click()
    wait_until(lambda: not any(alive(pid) for pid in pids))
    assert own_time() - start < 1
    assert not folder.exists()
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert section.ui.translateButton.enabled
    assert section.ui.statusLabel.text == "Cancelled."


def test_closing_the_panel_ends_the_process(
    panel: Any, section: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is left running when the module goes."""
    pids, _ = start_slow(section, monkeypatch, tmp_path)
    panel.cleanup()
    wait_until(lambda: not any(alive(pid) for pid in pids))


def test_closing_the_scene_ends_the_process(
    section: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The input is gone, so nobody waits for the output."""
    pids, _ = start_slow(section, monkeypatch, tmp_path)
    slicer.mrmlScene.Clear()
    wait_until(lambda: not any(alive(pid) for pid in pids))
    assert outputs() == []


def test_input_may_be_deleted_meanwhile(section: Any) -> None:
    """Then there is no place for the output, which is said and nothing is added."""
    node = add_ultrasound()
    section.ui.inputSelector.setCurrentNode(node)
    section.ui.translateButton.click()
    slicer.mrmlScene.RemoveNode(node)
    wait_until(lambda: not section.ui.cancelButton.enabled)
    said = section.ui.statusLabel.text  # gone meanwhile, or before the work began
    assert "removed" in said or said == "Choose the ultrasound volume to translate."
    assert outputs() == []


def test_real_command_line(
    section: Any, module: Any, head_slice: Volume, tiny_models: Path
) -> None:
    """The library's own command line understands the panel, with networks of known answers."""
    node = volumes.add_volume("US", head_slice.array)
    node.SetSpacing(*head_slice.grid.spacing)
    section.logic = module.USToMRILogic(command=[sys.executable, "-m", "USToMRILib"])
    section.ui.inputSelector.setCurrentNode(node)
    section.ui.deviceSelector.currentIndex = 1
    method = section.logic.getParameterNode().method
    section.ui.translateButton.click()
    wait_until(outputs)
    (output,) = outputs()
    expected = translate(volumeFromNode(node), method, device="cpu")
    # The file between the two processes keeps the spacing to its last digit but one.
    np.testing.assert_allclose(
        slicer.util.arrayFromVolume(output), expected.volume.array, atol=0.01
    )
    np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))


def test_cancelled_job_never_reports(section: Any, module: Any) -> None:
    """Neither a result nor an error comes after a cancel."""
    reports: list[Any] = []
    job = section.logic.startTranslation(
        add_ultrasound(), onFinished=lambda *report: reports.append(report)
    )
    job.cancel()
    slicer.app.processEvents()
    assert not job.running
    assert reports == []
    job = section.logic.startTranslation(
        add_ultrasound(), onFinished=lambda *report: reports.append(report)
    )
    wait_until(lambda: reports)
    ((node, error),) = reports
    assert error is None
    assert node in outputs()


def test_memory_button_lists_the_devices(panel: Any, section: Any) -> None:
    """Names, and what is free on them where the system tells."""
    assert not section.ui.memoryLabel.visible
    section.ui.memoryButton.click()
    wait_until(lambda: section.ui.translateButton.enabled or section.ui.memoryLabel.text)
    assert section.ui.memoryLabel.text == "CPU: small\nGPU (CUDA): Big GPU, 78.0 GB free"
    box = section.ui.deviceSelector
    assert [box.itemText(index) for index in range(box.count)] == [
        "Automatic",
        "CPU",
        "GPU (CUDA), 78.0 GB free",
        "GPU (Apple), not on this computer",
    ]
    box.currentIndex = 2
    assert section.logic.getParameterNode().device.value == "cuda"
    assert section.ui.memoryButton.enabled
    panel.enter()  # the choices are filled in anew
    assert box.itemText(2) == "GPU (CUDA), 78.0 GB free"
    assert box.currentIndex == 2


def test_head_button_draws_a_curve_that_is_used_once_it_was_moved(section: Any) -> None:
    """Found again on the way where nobody touched it; a mask of its inside where somebody did."""
    node = volumes.add_volume("US", np.random.default_rng(1).random((1, 5, 6)).astype(np.float32))
    section.ui.inputSelector.setCurrentNode(node)
    section.ui.findHeadButton.click()
    wait_until(section.ui.headSelector.currentNode)
    curve = section.ui.headSelector.currentNode()
    assert curve.GetName() == "Head of US"
    assert "Drag" in section.ui.statusLabel.text
    press_translate(section)
    assert outputs()[-1].GetAttribute("USToMRI.head") == "null"
    curve.SetNthControlPointPosition(0, np.array(curve.GetNthControlPointPosition(0)) * 1.01)
    press_translate(section)
    assert outputs()[-1].GetAttribute("USToMRI.head").endswith("head.mhd")


@pytest.mark.parametrize("gone", ["image", "curve"])
def test_image_or_curve_may_go_while_the_head_is_looked_for(section: Any, gone: str) -> None:
    """A head without an image is not drawn; a curve that is gone is made anew."""
    node = add_ultrasound()
    section.ui.inputSelector.setCurrentNode(node)
    section.ui.findHeadButton.click()
    wait_until(section.ui.headSelector.currentNode)
    curve = section.ui.headSelector.currentNode()
    section.ui.findHeadButton.click()
    slicer.mrmlScene.RemoveNode(curve)
    if gone == "image":
        slicer.app.processEvents()
        wait_until(lambda: hasattr(section.run.job, "_worker"))
        slicer.mrmlScene.RemoveNode(node)
    wait_until(lambda: not section.ui.cancelButton.enabled)
    curves = slicer.util.getNodesByClass("vtkMRMLMarkupsClosedCurveNode")
    assert len(curves) == (gone == "curve")
    assert section.ui.headSelector.currentNode() is (curves[0] if curves else None)
    assert ("removed" in section.ui.statusLabel.text) == (gone == "image")
