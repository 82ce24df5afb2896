"""The panel, on a strict stand-in for PythonQt, with a process that stands in for the networks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_panel()

import slicer  # noqa: E402
from slicer_host.waiting import own_time, wait_until  # noqa: E402
from USToMRITests import volumes  # noqa: E402

from USToMRILib import METHODS, Volume, translate  # noqa: E402
from USToMRILib.fetal_bridge import DEFAULT_SOLVER  # noqa: E402

slicer_host.start(panel=True)
slicer_host.add_module_folder(Path(__file__).parent.parent / "USToMRI")

import qt  # noqa: E402
from USToMRIModule import VolumeNodes  # noqa: E402

MODULE = Path(__file__).parent.parent / "USToMRI" / "USToMRI.py"
WORKER = Path(slicer_host.__file__).with_name("fake_worker.py")


@pytest.fixture(name="module")
def fixture_module() -> Any:
    """Give every test the module in an empty scene."""
    slicer_host.new_scene()
    yield slicer_host.load_module(MODULE)
    slicer_host.close_scene()


@pytest.fixture(name="panel")
def fixture_panel(module: Any) -> Any:
    """Give the module's panel with a worker that does well."""
    panel = slicer_host.open_panel(module)
    panel.sections[0].logic = worker(module, "good")
    yield panel
    panel.cleanup()
    panel.parent.deleteLater()


@pytest.fixture(name="section")
def fixture_section(panel: Any) -> Any:
    """Give the part of the panel that translates."""
    return panel.sections[0]


def worker(module: Any, manner: str) -> Any:
    """Return a logic whose process behaves in a chosen manner."""
    return module.USToMRILogic(command=[sys.executable, str(WORKER), manner])


def add_ultrasound(slices: int = 1) -> Any:
    """Add an ultrasound to the scene."""
    array = np.random.default_rng(1).random((slices, 5, 6)).astype(np.float32)
    return volumes.add_volume("US", array)


def outputs() -> list[Any]:
    """Return the synthetic volumes in the scene."""
    return [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        if node.GetAttribute("USToMRI.synthetic")
    ]


def test_module_describes_itself(module: Any) -> None:
    """Title, category, and both papers in the acknowledgement."""
    described = slicer.modules.ustomri
    assert described.title
    assert described.categories == ["Image Synthesis"]
    assert "synthetic" in described.helpText
    assert "BrainVoxGen" in described.acknowledgementText
    assert "Dual Diffusion Imposed Correlation" in described.acknowledgementText


def test_translate_says_why_it_cannot_run(section: Any) -> None:
    """Without a volume the button is disabled; the reason stands beside it and in its tooltip."""
    assert not section.ui.translateButton.enabled
    assert section.ui.translateButton.toolTip == "Choose the ultrasound volume to translate."
    assert section.ui.statusLabel.text == section.ui.translateButton.toolTip
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    assert section.ui.translateButton.enabled
    assert section.ui.statusLabel.text == ""


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
    section.ui.methodSelector.currentIndex = 2
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
    roi.SetCenterWorld(volumes.world_position(node, (3, 2, 4)))
    roi.SetSize(2, 2, 3)
    assert section.ui.translateButton.enabled
    assert section.ui.statusLabel.text == ""
    curve = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode", "Outline")
    section.ui.headSelector.setCurrentNode(curve)
    assert section.ui.statusLabel.text == "Outline needs at least three points."
    slicer.mrmlScene.RemoveNode(curve)
    assert section.ui.translateButton.enabled


def test_choices_that_have_no_effect_are_disabled(section: Any) -> None:
    """Steps and head are of the bridges, the axis of volumes, the pixel size of a slice."""
    ui = section.ui
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    assert ui.stepsSpinBox.enabled
    assert ui.pixelSizeSpinBox.enabled
    assert not ui.axisSelector.enabled
    ui.methodSelector.currentIndex = 1
    assert not ui.similaritySelector.enabled
    ui.inputSelector.setCurrentNode(add_ultrasound(slices=8))
    assert ui.axisSelector.enabled
    assert not ui.pixelSizeSpinBox.enabled
    ui.methodSelector.currentIndex = 2
    for control in (ui.stepsSpinBox, ui.solverSelector, ui.headSelector, ui.findHeadButton):
        assert not control.enabled


def test_axis_of_a_volume_reaches_the_worker(section: Any) -> None:
    """Every method takes volumes; the slices' axis is chosen under Advanced."""
    section.ui.inputSelector.setCurrentNode(add_ultrasound(slices=8))
    section.ui.axisSelector.currentIndex = 2
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


def test_button_makes_a_pseudo_mri(section: Any) -> None:
    """The choices reach the command line, progress is shown, and the output appears."""
    node = add_ultrasound()
    node.SetAndObserveTransformNodeID(volumes.add_transform(np.diag([2.0, 1, 1, 1])).GetID())
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    section.ui.inputSelector.setCurrentNode(node)
    section.ui.methodSelector.currentIndex = 1
    section.ui.stepsSpinBox.value = 20
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
    assert section.ui.statusLabel.text == (
        "Made US SYNTHETIC MRI (DDIB). The GPU was full; the CPU did it."
    )


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
    assert "ustomri:" not in section.ui.statusLabel.text
    section.ui.seedSpinBox.value = 5
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
    assert "removed" in section.ui.statusLabel.text
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
    section.ui.stepsSpinBox.value = 4
    section.ui.translateButton.click()
    wait_until(lambda: section.ui.translateButton.enabled)
    (output,) = outputs()
    expected = translate(VolumeNodes.volumeFromNode(node), steps=4, device="cpu")
    # The file between the two processes keeps the spacing to its last digit but one.
    np.testing.assert_allclose(
        slicer.util.arrayFromVolume(output), expected.volume.array, atol=0.01
    )
    np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))


def test_choices_are_saved_with_the_scene(section: Any) -> None:
    """What is set in the panel stands in the parameter node, and the other way round."""
    section.ui.seedSpinBox.value = 12
    section.ui.deviceSelector.currentIndex = 1
    node = slicer.mrmlScene.GetSingletonNode("USToMRI", "vtkMRMLScriptedModuleNode")
    assert node.GetParameter("seed") == "12"
    assert node.GetParameter("device") == "CPU"
    node.SetParameter("method", "PIX2PIX3D")
    assert section.ui.methodSelector.currentIndex == 2


def test_leaving_and_entering(panel: Any, section: Any) -> None:
    """A panel that is not shown does not follow the scene; it catches up when shown again."""
    node = slicer.mrmlScene.GetSingletonNode("USToMRI", "vtkMRMLScriptedModuleNode")
    panel.exit()
    node.SetParameter("method", "DDIB")
    assert section.ui.methodSelector.currentIndex == 0
    panel.enter()
    assert section.ui.methodSelector.currentIndex == 1


def test_declined_packages_are_a_clear_state(
    section: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No exception, no process; the panel says what happened and can be asked again."""
    (tmp_path / "requirements.txt").write_text("a-package-that-nobody-has>=1\n")
    section._resourcePath = lambda name: str(tmp_path / name)
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: False)
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *args, **options: False)
    section.ui.translateButton.click()
    assert "not installed" in section.ui.statusLabel.text
    assert section.ui.translateButton.enabled
    assert not section.ui.cancelButton.enabled


def test_opening_the_module_loads_nothing_heavy() -> None:
    """Slicer starts as fast as without the module: no torch, and not even the library.

    The time is this process's own, which a busy machine does not change.
    """
    code = (
        "import sys, pathlib, slicer_host; slicer_host.start(panel=True); slicer_host.new_scene();"
        "import time; before = set(sys.modules); start = time.process_time();"
        "module = slicer_host.load_module(pathlib.Path(sys.argv[1]));"
        "seconds = time.process_time() - start; slicer_host.open_panel(module);"
        "print(seconds, *{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    seconds, *loaded = subprocess.run(
        [sys.executable, "-c", code, str(MODULE)],
        cwd=MODULE.parent.parent / "Testing",
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert float(seconds) < 0.3
    assert "USToMRIModule" in loaded
    assert not {"torch", "USToMRILib", "SimpleITK", "scipy", "skimage", "monai"} & set(loaded)


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


def test_reload_reads_all_code_again(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slicer's Reload button drops the module's parts and the library, and nothing else."""
    from USToMRIModule.Reload import forgetModules

    names = ["USToMRI", "USToMRIModule", "USToMRIModule.Reload", "USToMRILib.grid", "numpy"]
    with monkeypatch.context() as patch:
        patch.setattr(sys, "modules", dict.fromkeys(names))
        forgetModules()
        left = list(sys.modules)
    assert left == ["USToMRI", "numpy"]


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
    assert outputs()[-1].GetAttribute("USToMRI.head-mask") is None
    curve.SetNthControlPointPosition(0, np.array(curve.GetNthControlPointPosition(0)) * 1.01)
    press_translate(section)
    assert outputs()[-1].GetAttribute("USToMRI.head-mask").endswith("head.mha")


def test_region_and_its_segment_are_chosen(section: Any) -> None:
    """The segments of a segmentation are offered; an ROI needs no such choice."""
    node = add_ultrasound(slices=4)
    section.ui.inputSelector.setCurrentNode(node)
    section.ui.methodSelector.currentIndex = 2
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
    """Until it is set, Translate says where."""
    node = add_ultrasound()
    node.SetSpacing(1, 1, 1)
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetFileName("head.png")
    section.ui.inputSelector.setCurrentNode(node)
    assert "Advanced" in section.ui.statusLabel.text
    assert not section.ui.translateButton.enabled
    section.ui.pixelSizeSpinBox.value = 0.14
    assert section.ui.translateButton.enabled


def test_all_time_points_are_offered_for_a_sequence(section: Any) -> None:
    """And only there."""
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


def test_the_median_filter_is_on_as_published_and_can_be_left_out(
    section: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On, the library's own width holds; off, there is no filter."""
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    asked: list[dict[str, Any]] = []

    def start(*_nodes: Any, **options: Any) -> Any:
        asked.append(options)
        return SimpleNamespace(running=False)

    monkeypatch.setattr(section.logic, "startTranslation", start)
    assert section.ui.medianCheckBox.checked
    section.ui.translateButton.click()
    section.ui.medianCheckBox.checked = False
    section.ui.translateButton.click()
    assert [options.get("median_kernel") for options in asked] == [None, 1]
    section.ui.methodSelector.currentIndex = 1
    assert not section.ui.medianCheckBox.enabled


def test_choices_are_the_librarys(section: Any) -> None:
    """Every method, solver, similarity and device of the library can be chosen, no other."""
    from USToMRIModule import USToMRIParameterNode as choices

    from USToMRILib.device import DEVICES
    from USToMRILib.fetal_volume import AXES
    from USToMRILib.similarity import SIMILARITIES
    from USToMRILib.solvers import SOLVERS

    offered = {
        choices.Method: METHODS,
        choices.Solver: SOLVERS,
        choices.Similarity: SIMILARITIES,
        choices.Device: DEVICES,
        choices.Axis: AXES,
    }
    for kind, library in offered.items():
        assert {member.value for member in kind} == set(library)
        assert all(member.label() for member in kind)
    defaults = section.logic.getParameterNode()
    assert defaults.solver.value == DEFAULT_SOLVER


def press_translate(section: Any) -> None:
    """Press the button and wait for the output."""
    before = len(outputs())
    section.ui.translateButton.click()
    wait_until(lambda: len(outputs()) > before and section.ui.translateButton.enabled)


def start_slow(
    section: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[list[int], Path]:
    """Start a translation that does not end; return its processes and its folder."""
    notes = tmp_path / "pids"
    monkeypatch.setenv("USTOMRI_FAKE_PIDS", str(notes))
    section.ui.inputSelector.setCurrentNode(add_ultrasound())
    section.logic = worker(sys.modules["USToMRI"], "slow")
    section.ui.translateButton.click()
    wait_until(lambda: "step 2" in section.ui.statusLabel.text)
    first, second, folder = notes.read_text().split(maxsplit=2)
    return [int(first), int(second)], Path(folder)


def alive(pid: int) -> bool:
    """Return whether a process runs (one that ended and was not yet waited for does not)."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
