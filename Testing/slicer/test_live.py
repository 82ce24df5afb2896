"""Live mode in the panel: the pseudo-MRI follows a volume that changes."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer_host

slicer_host.require_panel()

import slicer  # noqa: E402
from slicer_host.panel import (  # noqa: E402
    add_ultrasound,
    fixture_module,  # noqa: F401
    fixture_panel,  # noqa: F401
    outputs,
    worker,
)
from slicer_host.sections import Sections  # noqa: E402
from slicer_host.waiting import let_pass, own_time, wait_until  # noqa: E402
from USToMRITests import volumes  # noqa: E402

from Testing.made_cine import frame_of, head_at, made_cine  # noqa: E402
from USToMRILib import Volume  # noqa: E402

slicer_host.start(panel=True)
slicer_host.add_module_folder(Path(__file__).parents[2] / "USToMRI")

from USToMRIModule.Compare import CompareLayout  # noqa: E402
from USToMRIModule.Live.LiveSection import LiveSection  # noqa: E402
from USToMRIModule.Worker.WorkerClient import sharedWorker, stopWorkers  # noqa: E402


@pytest.fixture(name="sections")
def fixture_sections(module: Any) -> Any:
    """The section on its own, with a worker that gives back what it gets."""
    sections = Sections(LiveSection)
    sections.all[0].logic = worker(module, "good")
    yield sections
    sections.close()
    stopWorkers()


@pytest.fixture(name="section")
def fixture_section(sections: Any) -> Any:
    return sections.all[0]


@pytest.fixture(name="ultrasound")
def fixture_ultrasound(sections: Any) -> Any:
    node = add_ultrasound()
    sections.parameter_node.inputVolume = node
    return node


def show(node: Any, value: float) -> None:
    """Let a volume show another image."""
    array = np.random.default_rng(2).random(slicer.util.arrayFromVolume(node).shape)
    slicer.util.updateVolumeFromArray(node, (value * array).astype(np.float32))


def shown(node: Any) -> np.ndarray:
    return np.array(slicer.util.arrayFromVolume(node))


def worker_of(section: Any) -> Any:
    """The client of the process that translates."""
    return sharedWorker(section.logic.libraryCommand())


def start(section: Any) -> Any:
    """Press the button and wait for the first picture."""
    section.ui.liveButton.click()
    wait_until(lambda: "frames a second" in section.ui.liveStatusLabel.text)
    (output,) = outputs()
    return output


def test_the_picture_follows(section: Any, ultrasound: Any) -> None:
    """Voxels and place; the views show both; the rate and the delay are told."""
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    output = start(section)
    for value in (2.0, 3.0):
        show(ultrasound, value)
        wait_until(lambda: np.array_equal(shown(output), shown(ultrasound)))
    ultrasound.SetOrigin(5.0, 6.0, 7.0)
    wait_until(lambda: output.GetOrigin() == (5.0, 6.0, 7.0))
    np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(ultrasound))
    assert output.GetAttribute("USToMRI.synthetic") == "true"
    assert len(outputs()) == 1
    view = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")[0]
    assert view.GetForegroundVolumeID() == output.GetID()
    assert view.GetForegroundOpacity() == 0.5
    words = section.ui.liveStatusLabel.text.split()
    assert float(words[0]) >= 0
    assert 0 < float(words[4]) < 60


def test_tissues_follow_too(
    section: Any, ultrasound: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """As a label map in the views, as synthetic as the picture; without a head there are none."""
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    section.ui.liveTissuesCheckBox.checked = True
    section.ui.liveButton.click()
    wait_until(lambda: "frames a second" in section.ui.liveStatusLabel.text)
    (labels,) = slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode")
    for value in (2.0, 3.0):
        show(ultrasound, value)
        expected = shown(ultrasound) > shown(ultrasound).mean()
        wait_until(lambda expected=expected: np.array_equal(shown(labels) > 0, expected))
    np.testing.assert_array_equal(volumes.ijk_to_ras(labels), volumes.ijk_to_ras(ultrasound))
    assert shown(labels).dtype == np.uint8
    assert labels.GetAttribute("USToMRI.synthetic") == "map"
    view = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")[0]
    assert view.GetLabelVolumeID() == labels.GetID()
    assert labels.GetDisplayNode().GetColorNode().GetColorName(2) == "ventricles and cavum"
    show(ultrasound, 0.0)
    wait_until(lambda: "No fetal head was found" in section.ui.liveStatusLabel.text)
    assert shown(labels).max() == 0
    assert "ERR|" not in capfd.readouterr().err  # of MRML


def test_the_parent_transform_is_followed(section: Any, ultrasound: Any) -> None:
    """Where a tracked probe is put under a transform, taken away from it, or put under another."""
    section.ui.liveTissuesCheckBox.checked = True
    section.ui.liveButton.click()
    wait_until(lambda: "frames a second" in section.ui.liveStatusLabel.text)
    (output,) = (node for node in outputs() if node.GetAttribute("USToMRI.synthetic") == "true")
    (labels,) = slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode")
    for name in ("ProbeToReference", "ReferenceToWorld"):
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
        ultrasound.SetAndObserveTransformNodeID(transform.GetID())
        assert output.GetTransformNodeID() == labels.GetTransformNodeID() == transform.GetID()
    ultrasound.SetAndObserveTransformNodeID(None)
    assert output.GetTransformNodeID() is None
    assert labels.GetTransformNodeID() is None


def test_the_panel_shows_both_side_by_side(panel: Any) -> None:
    """As after a translation; where there is no head its view is empty, with the tissues'."""
    section, node = panel.sections[5], add_ultrasound()
    section.logic = panel.sections[0].logic
    panel.sections[0].ui.inputSelector.setCurrentNode(node)
    section.ui.liveTissuesCheckBox.checked = True
    section.ui.liveButton.click()
    wait_until(lambda: "frames a second" in section.ui.liveStatusLabel.text)
    let_pass(0.3)  # until the panel has followed all that changed
    (output,) = (each for each in outputs() if each.GetAttribute("USToMRI.synthetic") == "true")
    assert CompareLayout.isShown()
    views = (CompareLayout.ULTRASOUND_VIEW, CompareLayout.PSEUDO_MRI_VIEW)
    left, right = map(CompareLayout.compositeOf, views)
    assert left.GetBackgroundVolumeID() == right.GetBackgroundVolumeID() == node.GetID()
    assert left.GetForegroundVolumeID() is None
    assert right.GetForegroundVolumeID() == output.GetID()
    assert right.GetForegroundOpacity() == 1
    (labels,) = slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode")
    assert left.GetLabelVolumeID() == right.GetLabelVolumeID() == labels.GetID()
    show(node, 0.0)
    wait_until(lambda: "No fetal head was found" in section.ui.liveStatusLabel.text)
    assert right.GetForegroundOpacity() == 1
    assert shown(output).max() == shown(labels).max() == 0
    show(node, 2.0)
    wait_until(lambda: np.array_equal(shown(output), shown(node)))
    assert left.GetForegroundVolumeID() is None


def test_the_views_go_along_with_a_tracked_probe(panel: Any) -> None:
    """Which moves the image by its parent transform or, as PLUS may, by its own geometry."""
    section, node = panel.sections[5], add_ultrasound()
    section.logic = panel.sections[0].logic
    panel.sections[0].ui.inputSelector.setCurrentNode(node)
    probe = volumes.add_transform(np.eye(4))
    node.SetAndObserveTransformNodeID(probe.GetID())
    output = start(section)
    let_pass(0.3)  # until the views are fitted
    views = (CompareLayout.ULTRASOUND_VIEW, CompareLayout.PSEUDO_MRI_VIEW)
    slices = [CompareLayout.sliceLogicOf(view).GetSliceNode() for view in views]

    def seen_from(each: Any) -> np.ndarray:
        """Where the first two pixels of the image lie in a view: along it, up, and off it."""
        to_world = slicer.util.arrayFromVTKMatrix(each.GetSliceToRAS())
        pixels = [volumes.world_position(node, (i, 0, 0)) for i in (0, 1)]
        return np.array([np.linalg.solve(to_world, [*pixel, 1]) for pixel in pixels])

    before = [seen_from(each) for each in slices]
    c, s = np.cos(0.4), np.sin(0.4)
    turned = np.array([[c, 0, s, 20], [0, 1, 0, -5], [-s, 0, c, 40], [0, 0, 0, 1]])
    probe.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(turned))
    node.SetOrigin(7.0, 8.0, 9.0)
    show(node, 2.0)
    wait_until(lambda: np.array_equal(shown(output), shown(node)))
    let_pass(0.1)
    for each, place in zip(slices, before):
        np.testing.assert_allclose(seen_from(each), place, atol=1e-6)


def test_another_size_is_followed(section: Any, ultrasound: Any) -> None:
    """As when the depth of the scanner is changed."""
    output = start(section)
    show(ultrasound, 2.0)
    for rows, columns in ((5, 9), (30, 2)):
        pixels = np.arange(1, rows * columns + 1, dtype=np.uint8).reshape(1, rows, columns)
        slicer.util.updateVolumeFromArray(ultrasound, pixels)
        wait_until(lambda: np.array_equal(shown(output), shown(ultrasound)))


def test_frames_that_nobody_waits_for_are_dropped(section: Any, ultrasound: Any) -> None:
    output = start(section)
    asked: list[dict[str, Any]] = []
    client = worker_of(section)
    send = client.send
    client.send = lambda task, arguments, handlers: (
        asked.append(arguments),
        send(task, arguments, handlers),
    )[1]
    for value in range(2, 32):
        show(ultrasound, value)
        slicer.app.processEvents()
    wait_until(lambda: np.array_equal(shown(output), shown(ultrasound)))
    assert 0 < len(asked) < 30
    count = len(asked)
    end = time.monotonic() + 0.3
    wait_until(lambda: time.monotonic() > end)
    assert len(asked) == count  # nothing changes, nothing is done
    del client.send


def test_without_a_head_the_ultrasound_is_shown(section: Any, ultrasound: Any) -> None:
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    output = start(section)
    show(ultrasound, 0.0)
    wait_until(lambda: "No fetal head was found" in section.ui.liveStatusLabel.text)
    assert "input.mhd" not in section.ui.liveStatusLabel.text
    assert shown(output).max() == 0
    view = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")[0]
    assert view.GetForegroundOpacity() == 0
    show(ultrasound, 1.0)
    wait_until(lambda: np.array_equal(shown(output), shown(ultrasound)))
    assert view.GetForegroundOpacity() == 0.5


def test_both_are_recorded(section: Any, ultrasound: Any) -> None:
    """With the frames without a head; the frames are those that were translated."""
    section.ui.recordButton.checked = True
    output = start(section)
    for value in (2.0, 0.0, 3.0):
        before = section.ui.liveStatusLabel.text
        show(ultrasound, value)
        wait_until(lambda text=before: section.ui.liveStatusLabel.text != text)
        wait_until(lambda: np.array_equal(shown(output), shown(ultrasound)))
    section.ui.liveButton.click()
    (browser,) = slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")
    ours, made = slicer.util.getNodesByClass("vtkMRMLSequenceNode")
    assert ours.GetNumberOfDataNodes() == made.GetNumberOfDataNodes() == 4
    assert browser.IsSynchronizedSequenceNode(made, True)
    times = [float(ours.GetNthIndexValue(n)) for n in range(4)]
    assert times[0] == 0
    assert times == sorted(times)
    for n in range(4):
        np.testing.assert_array_equal(shown(ours.GetNthDataNode(n)), shown(made.GetNthDataNode(n)))
        assert made.GetNthDataNode(n).GetAttribute("USToMRI.synthetic") == "true"
    peaks = [round(float(shown(ours.GetNthDataNode(n)).max())) for n in range(4)]
    assert peaks == [1, 2, 0, 3]


def test_a_recording_lies_where_the_tracked_probe_was(section: Any, ultrasound: Any) -> None:
    """In the world, frame by frame; the live picture itself stays under the transform."""
    probe = volumes.add_transform(np.eye(4))
    ultrasound.SetAndObserveTransformNodeID(probe.GetID())
    section.ui.recordButton.checked = True
    output, places = None, []
    for value in (2.0, 3.0, 4.0):
        c, s = np.cos(0.2 * value), np.sin(0.2 * value)
        matrix = np.array([[c, -s, 0, 10 * value], [s, c, 0, -value], [0, 0, 1, 5], [0, 0, 0, 1]])
        probe.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
        places.append(matrix @ volumes.ijk_to_ras(ultrasound))
        show(ultrasound, value)
        output = output or start(section)
        wait_until(lambda made=output: np.array_equal(shown(made), shown(ultrasound)))
        assert output.GetTransformNodeID() == probe.GetID()
        np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(ultrasound))
    section.ui.liveButton.click()
    for sequence in slicer.util.getNodesByClass("vtkMRMLSequenceNode"):
        frames = [sequence.GetNthDataNode(n) for n in range(sequence.GetNumberOfDataNodes())]
        assert len(frames) == len(places)
        for frame, place in zip(frames, places):
            np.testing.assert_allclose(volumes.ijk_to_ras(frame), place, atol=1e-9)


def test_another_pixel_size_is_taken_up(section: Any, sections: Any) -> None:
    """While it runs, for the frame that is shown; not that of an image chosen meanwhile."""
    node = add_ultrasound()
    node.SetSpacing(1, 1, 1)
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetFileName("head.png")
    chosen = sections.parameter_node
    chosen.inputVolume, chosen.pixelSize = node, 0.5
    start(section)
    asked = sizes_asked_for(section)
    chosen.pixelSize = 0.25
    wait_until(lambda: asked == [0.25])
    chosen.inputVolume = add_ultrasound()
    chosen.pixelSize = 0.0
    show(node, 2.0)
    wait_until(lambda: len(asked) == 2)
    chosen.inputVolume = node  # of which the panel has forgotten the size
    show(node, 3.0)
    wait_until(lambda: len(asked) == 3)
    assert asked == [0.25] * 3


def test_another_scale_of_the_transform_is_taken_up(section: Any, ultrasound: Any) -> None:
    """There SlicerIGT keeps the pixel size; the image itself need not change."""
    probe = volumes.add_transform(np.eye(4))
    ultrasound.SetAndObserveTransformNodeID(probe.GetID())
    start(section)
    asked = sizes_asked_for(section)
    own = ultrasound.GetSpacing()[0]
    scale = np.diag([0.5, 0.5, 0.5, 1.0])
    probe.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(scale))
    wait_until(lambda: len(asked) == 1)
    assert asked == pytest.approx([0.5 * own])


def sizes_asked_for(section: Any) -> list[float]:
    """The width of the pixels of every frame that is sent from now on, in mm."""
    sizes: list[float] = []
    client = worker_of(section)
    send = client.send

    def counted(task: str, arguments: dict[str, Any], handlers: Any) -> Any:
        sizes.append(Volume.read(arguments["input"]).grid.spacing[0])
        return send(task, arguments, handlers)

    client.send = counted
    return sizes


def test_colour_is_followed_and_recorded(section: Any, sections: Any) -> None:
    """As a webcam or a frame grabber sends it: the ultrasound stays in colour."""
    colours = np.random.default_rng(3).integers(0, 255, (1, 5, 6, 3)).astype(np.uint8)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Webcam")
    slicer.util.updateVolumeFromArray(node, colours)
    sections.parameter_node.inputVolume = node
    section.ui.recordButton.checked = True
    output = start(section)
    assert shown(output).shape == (1, 5, 6)
    section.ui.liveButton.click()
    ours, made = slicer.util.getNodesByClass("vtkMRMLSequenceNode")
    assert ours.GetNthDataNode(0).IsA("vtkMRMLVectorVolumeNode")
    np.testing.assert_array_equal(shown(ours.GetNthDataNode(0)), colours)
    assert not made.GetNthDataNode(0).IsA("vtkMRMLVectorVolumeNode")


def test_it_stops_within_a_second(section: Any, ultrasound: Any, module: Any) -> None:
    """In the middle of a frame that takes long, too; then nothing changes any more."""
    output = start(section)
    section.logic = worker(module, "slow")
    section.ui.liveButton.click()
    assert section.ui.liveStatusLabel.text == "Stopped."
    before = shown(output)
    show(ultrasound, 9.0)
    section.ui.liveButton.click()
    wait_until(lambda: worker_of(section).processId)  # which a frame has started
    process = worker_of(section).processId
    begin = own_time()
    section.ui.liveButton.click()
    wait_until(lambda: worker_of(section).processId != process)
    assert own_time() - begin < 1
    np.testing.assert_array_equal(shown(output), before)


def test_a_volume_or_no_image_is_not_followed(section: Any, sections: Any) -> None:
    section.ui.liveButton.click()
    assert section.ui.liveStatusLabel.text == "Choose the ultrasound volume to follow."
    assert not section.ui.liveButton.checked
    sections.parameter_node.inputVolume = add_ultrasound(3)
    section.ui.liveButton.click()
    assert "not volumes" in section.ui.liveStatusLabel.text


@pytest.mark.parametrize("manner", ["crash", "removed", "output", "closed"])
def test_what_ends_it(section: Any, ultrasound: Any, module: Any, manner: str) -> None:
    if manner == "crash":
        section.logic = worker(module, "crash")
        section.ui.liveButton.click()
    else:
        output = start(section)
        if manner == "removed":
            slicer.mrmlScene.RemoveNode(ultrasound)
        elif manner == "output":
            slicer.mrmlScene.RemoveNode(output)
        else:
            slicer.mrmlScene.Clear(0)
    wait_until(lambda: not section.ui.liveButton.checked)
    words = {"crash": "unexpectedly", "closed": "Stopped"}
    assert words.get(manner, "was removed") in section.ui.liveStatusLabel.text


def test_the_library_follows_a_head(module: Any, sections: Any, tiny_models: Path) -> None:
    """With the library's own worker."""
    section = sections.all[0]
    section.logic = module.USToMRILogic(command=[sys.executable, "-m", "USToMRILib"])
    cine = [frame.array.astype(np.float32) for frame in made_cine(3)]
    node = volumes.add_volume("US", cine[0])
    node.SetSpacing(0.45, 0.45, 1.0)
    sections.parameter_node.inputVolume = node
    output = start(section)
    for number, frame in enumerate(cine[1:], start=1):
        before = shown(output)
        slicer.util.updateVolumeFromArray(node, frame)
        wait_until(lambda old=before: not np.array_equal(shown(output), old))
        inside = head_at(number).mask(frame.shape[1:], (0.45, 0.45))
        assert (shown(output)[0][~inside] > 0).mean() < 0.02
        assert (shown(output)[0][inside] > 0).mean() > 0.3
    slicer.util.updateVolumeFromArray(node, frame_of(None, 3)[None].astype(np.float32))
    wait_until(lambda: "No fetal head was found" in section.ui.liveStatusLabel.text)
    assert shown(output).max() == 0
