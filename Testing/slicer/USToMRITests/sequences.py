"""Sequences in the scene: the volume that shows one time point, and all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from USToMRIModule.Logic import USToMRILogic
from USToMRIModule.Scene.PixelSize import lacksPixelSize
from USToMRIModule.Scene.Sequences import sequenceOf
from USToMRIModule.Scene.VolumeNodes import Result
from USToMRIModule.Worker.WorkerClient import Handlers

from USToMRILib import ImageSequence, InputError, Volume

from . import volumes
from .scene_case import FunctionWorker, SceneCase, halved, logic_with


class SequenceTest(SceneCase):
    """Volumes that change in time."""

    def test_the_current_frame_is_a_volume(self) -> None:
        """Without being asked for all time points, only the one that is shown is translated."""
        _, node = add_sequence()
        output = logic_with(halved).translate(node)
        self.assertEqual(slicer.util.arrayFromVolume(output).max(), 5)
        self.assertIsNone(sequenceOf(output))

    def test_a_dicom_cine_without_calibration_is_known(self) -> None:
        """The volume that shows a time point has the attribute that the DICOM module gave it."""
        browser, node = add_sequence()
        self.assertFalse(lacksPixelSize(node))
        sequence: Any = sequenceOf(node)
        slicer.mrmlScene.RemoveNode(node)
        for frame in sequence.frameNodes():
            frame.SetAttribute("DICOM.instanceUIDs", "1.2.3")
        show(browser, 2)
        self.assertTrue(lacksPixelSize(browser.GetProxyNode(sequence.node)))

    def test_all_time_points_are_translated(self) -> None:
        """The output follows the browser of the input, synthetic at every time point."""
        browser, node = add_sequence()
        output = logic_with(halved).translate(node, allFrames=True)
        for index, value in enumerate((0.0, 5.0, 10.0)):
            show(browser, index)
            self.assertTrue((slicer.util.arrayFromVolume(output) == value).all())
            self.assertEqual(output.GetName(), f"{node.GetName()} SYNTHETIC MRI (PIX2PIX2D)")
            self.assertEqual(output.GetAttribute("USToMRI.synthetic"), "true")
            np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))
        sequence: Any = sequenceOf(output)
        self.assertIs(sequence.browser, browser)
        self.assertEqual(sequence.node.GetNthIndexValue(2), "80")
        self.assertEqual(sequence.node.GetIndexUnit(), "ms")

    def test_a_cine_is_one_task_with_its_times(self) -> None:
        """So that the head is followed; colours, and a pixel of 1 mm, make no difference."""
        _, node = add_sequence()
        seen: list[dict[str, Any]] = []

        class Looking(FunctionWorker):
            def send(self, task: str, arguments: dict[str, Any], handlers: Handlers) -> int:
                cine = ImageSequence.read(arguments["input"])
                seen.append({"frame": arguments["frame"], "cine": cine})
                return super().send(task, arguments, handlers)

        sequence: Any = sequenceOf(node)
        for scale in (1.0, 0.2):
            for frame in sequence.frameNodes():
                frame.SetSpacing(scale, scale, 1)
            USToMRILogic(worker=Looking(halved)).translate(node, allFrames=True)
            self.assertEqual(seen[-1]["frame"], "all")
            cine = seen[-1]["cine"]
            np.testing.assert_allclose(cine.seconds, (0, 0.04, 0.08))
            self.assertEqual(cine.grid.spacing[:2], (scale, scale))
            np.testing.assert_array_equal(cine.array[:, 0, 0, 0], (0, 10, 20))
        self.assertEqual(len(seen), 2)

    def test_time_points_that_go_meanwhile_are_an_error(self) -> None:
        """No result is shown at a time that is not its own."""
        _, node = add_sequence()
        sequence: Any = sequenceOf(node)

        def losing(volume: Volume, **options: Any) -> Result:
            if sequence.node.GetNumberOfDataNodes() == 3:
                sequence.node.RemoveDataNodeAtValue("40")
            return halved(volume, **options)

        before = slicer.mrmlScene.GetNumberOfNodes()
        with self.assertRaisesRegex(ValueError, "removed"):
            logic_with(losing).translate(node, allFrames=True)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)

    def test_all_time_points_are_translated_again(self) -> None:
        """Into the same output: its time points are overwritten, and no sequence is added."""
        browser, node = add_sequence()
        output = logic_with(halved).translate(node, allFrames=True)
        before = slicer.mrmlScene.GetNumberOfNodes()
        frames: Any = sequenceOf(node)
        slicer.util.arrayFromVolume(frames.node.GetNthDataNode(2))[:] = 30
        self.assertIs(logic_with(halved).translate(node, output, allFrames=True), output)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)
        for index, value in enumerate((0.0, 5.0, 15.0)):
            show(browser, index)
            self.assertTrue((slicer.util.arrayFromVolume(output) == value).all())

    def test_a_time_point_is_no_output_by_itself(self) -> None:
        """It would be gone with the next one that is shown; nor of another browser's sequence."""
        _, node = add_sequence()
        logic = logic_with(halved)
        output = logic.translate(node, allFrames=True)
        self.assertEqual(logic.reasonNotReady(node, output, "ddic", allFrames=True), "")
        self.assertIn("a time point", logic.reasonNotReady(node, output, "ddic"))
        other = add_sequence()[1]
        self.assertIn("a time point", logic.reasonNotReady(other, output, "ddic", allFrames=True))
        for given, all_frames in ((node, False), (other, True)):
            with self.assertRaisesRegex(InputError, "a time point"):
                logic.translate(given, output, allFrames=all_frames)

    def test_several_samples_of_all_time_points_are_refused(self) -> None:
        """Before the work: a sequence shows one picture of each."""
        started: list[str] = []

        def count(volume: Volume, method: str, **options: Any) -> Result:
            started.append(method)
            return halved(volume, method)

        _, node = add_sequence()
        with self.assertRaisesRegex(InputError, "one sample"):
            logic_with(count).translate(node, allFrames=True, samples=2)
        self.assertEqual(started, [])
        logic_with(count).translate(node, allFrames=True, samples=1)
        self.assertGreater(len(started), 1)


def add_sequence() -> tuple[Any, Any]:
    """Add a sequence of three slices; return its browser and the volume that shows one."""
    scene = slicer.mrmlScene
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Cine")
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("ms")
    for index in range(3):
        frame = slicer.vtkMRMLScalarVolumeNode()
        slicer.util.updateVolumeFromArray(frame, np.full((1, 4, 5), 10.0 * index, np.float32))
        frame.SetOrigin(1, 2, 3)
        sequence.SetDataNodeAtValue(frame, str(40 * index))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    show(browser, 1)
    return browser, browser.GetProxyNode(sequence)


def show(browser: Any, index: int) -> None:
    """Show a time point."""
    browser.SetSelectedItemNumber(index)
    slicer.app.applicationLogic().GetModuleLogic("Sequences").UpdateProxyNodesFromSequences(browser)
