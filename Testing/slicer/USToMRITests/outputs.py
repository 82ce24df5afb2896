"""What a pseudo-MRI is in the scene: its place, its folder, its record, its frames."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import slicer
import vtk
from USToMRIModule.CNR import TissuePair
from USToMRIModule.Logic import USToMRILogic
from USToMRIModule.ReaderStudy import ScenePairs
from USToMRIModule.Scene import RegionVoxels
from USToMRIModule.Scene.PixelSize import lacksPixelSize
from USToMRIModule.Scene.Sequences import sequenceOf
from USToMRIModule.Scene.VolumeNodes import Result, gridFromNode
from USToMRIModule.Synthetic import OutputNodes, SampleNodes, SyntheticMark, TissueNodes
from USToMRIModule.Translate import HeadCurve
from USToMRIModule.Worker.WorkerClient import Handlers

from USToMRILib import ImageSequence, InputError, Volume
from USToMRILib.fetal.ellipse import Ellipse

from . import volumes
from .scene_case import NOTICE, TABLE, FunctionWorker, SceneCase, halved, logic_with

RNG = np.random.default_rng(11)
HEAD = Ellipse((20.0, 15.0), (12.0, 9.0), 0.4)
FOUND = dataclasses.asdict(HEAD)


def add_ultrasound(*shape: int) -> Any:
    """Add an ultrasound of a shape (k, j, i)."""
    return volumes.add_volume("US", RNG.random(shape).astype(np.float32))


class RecordTest(SceneCase):
    """Folder, record, residual map."""

    def test_output_is_in_the_inputs_folder(self) -> None:
        """And so is its record."""
        node = add_ultrasound(2, 3, 4)
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Patient 7")
        hierarchy.CreateItem(folder, node)
        output = logic_with(halved).translate(node)
        for made in (output, output.GetNodeReference(OutputNodes.PROVENANCE_ROLE)):
            parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(made))
            self.assertEqual(parent, folder)

    def test_residual_map_lies_on_its_pseudo_mri(self) -> None:
        """It goes with its output, and away when the output is made again without one."""
        node = add_ultrasound(2, 3, 4)
        node.SetAndObserveTransformNodeID(volumes.add_transform(TABLE).GetID())
        logic = logic_with(with_residual)
        output = logic.translate(node, residual=True)
        residual = output.GetNodeReference(OutputNodes.RESIDUAL_ROLE)
        self.assertEqual(residual.GetName(), "US SYNTHETIC MRI (PIX2PIX2D) residual")
        self.assertEqual(residual.GetAttribute("USToMRI.synthetic"), "map")
        np.testing.assert_array_equal(
            volumes.world_position(residual, (3, 2, 1)), volumes.world_position(node, (3, 2, 1))
        )
        logic.translate(node, output)
        self.assertIsNone(output.GetNodeReference(OutputNodes.RESIDUAL_ROLE))
        self.assertIsNone(residual.GetScene())

    def test_an_output_that_was_a_residual_map_is_kept(self) -> None:
        """The user chose it as an output: it goes no longer with the pseudo-MRI that it was of."""
        node = add_ultrasound(2, 3, 4)
        logic = logic_with(with_residual)
        output = logic.translate(node, residual=True)
        chosen = logic.translate(node, output.GetNodeReference(OutputNodes.RESIDUAL_ROLE))
        logic.translate(node, output, residual=True)
        self.assertIsNot(output.GetNodeReference(OutputNodes.RESIDUAL_ROLE), chosen)
        logic.translate(node, output)
        self.assertTrue(slicer.mrmlScene.IsNodePresent(chosen))
        self.assertIsNone(output.GetNodeReference(OutputNodes.RESIDUAL_ROLE))

    def test_a_residual_map_is_no_pair_of_a_reader_study(self) -> None:
        """Nor is anything said about it."""
        node = add_ultrasound(2, 3, 4)
        logic_with(with_residual).translate(node, residual=True)
        _, problems = ScenePairs.scenePairs()
        self.assertEqual(len(problems), 1)  # the pseudo-MRI: this record names no ultrasound
        self.assertNotIn("residual", problems[0])

    def test_record_of_a_removed_output_is_no_trouble(self) -> None:
        """An output may be overwritten after its record and its mark were deleted."""
        node = add_ultrasound(2, 3, 4)
        logic = logic_with(halved)
        output = logic.translate(node)
        slicer.mrmlScene.RemoveNode(output.GetNodeReference(OutputNodes.PROVENANCE_ROLE))
        slicer.mrmlScene.RemoveNode(SyntheticMark.markOf(output))
        self.assertIs(logic.translate(node, output), output)
        record = output.GetNodeReference(OutputNodes.PROVENANCE_ROLE)
        self.assertEqual(json.loads(record.GetText())["notice"], NOTICE)
        self.assertIsNotNone(SyntheticMark.markOf(output))

    def test_a_result_of_another_place_is_refused(self) -> None:
        """A result that does not fit into its input is never shown."""
        node = add_ultrasound(2, 3, 4)
        grid = dataclasses.replace(gridFromNode(node), size=(1, 1, 1))
        result = Result(Volume(np.ones((1, 1, 1), np.float32), grid), {})
        with self.assertRaisesRegex(ValueError, "size"):
            OutputNodes.publish(result, OutputNodes.OutputLocation(node, (4, 0, 0)))
        node.SetAndObserveImageData(None)  # meanwhile
        with self.assertRaisesRegex(ValueError, "size"):
            OutputNodes.publish(result, OutputNodes.OutputLocation(node, (0, 0, 0)))


class SavedTest(SceneCase):
    """What is left after saving and opening again; files without a scene are in reopened.py."""

    def test_scene_bundle_keeps_everything(self) -> None:
        """Transform, window, colour, record, mark and reference are in the reopened MRB."""
        node = add_ultrasound(2, 3, 4)
        node.SetAndObserveTransformNodeID(volumes.add_transform(TABLE).GetID())
        output = logic_with(halved).translate(node)
        voxels = slicer.util.arrayFromVolume(output).copy()
        position = volumes.world_position(output, (3, 2, 1))
        path = self.folder() / "scene.mrb"
        self.assertTrue(slicer.mrmlScene.WriteToMRB(str(path)))
        self.empty_scene()
        self.assertTrue(slicer.mrmlScene.ReadFromMRB(str(path)))
        output = slicer.util.getNode("US SYNTHETIC MRI (PIX2PIX2D)")
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(output), voxels)
        np.testing.assert_allclose(volumes.world_position(output, (3, 2, 1)), position, atol=1e-6)
        self.assertEqual(output.GetAttribute("USToMRI.synthetic"), "true")
        self.assertEqual(output.GetAttribute("USToMRI.notice"), NOTICE)
        self.assertEqual(OutputNodes.warningsOf(output), ["Be careful."])
        display = output.GetDisplayNode()
        self.assertEqual((display.GetWindow(), display.GetLevel()), (255, 127.5))
        self.assertEqual(display.GetColorNode().GetName(), "Grey")
        mark = SyntheticMark.markOf(output)
        self.assertTrue(mark.GetTitleText().startswith("SYNTHETIC MRI"))


class RegionTest(SceneCase):
    """Only a part is translated."""

    def test_a_rotated_region_is_translated_in_its_box(self) -> None:
        """The output holds the box of whole voxels around it, in the same place of the world."""
        node = add_ultrasound(6, 9, 10)
        node.SetAndObserveTransformNodeID(volumes.add_transform(TABLE).GetID())
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
        roi.SetCenterWorld(*volumes.world_position(node, (5, 4, 3)))
        roi.SetSize(2.1, 2.1, 3.0)
        output = logic_with(halved).translate(node, region=roi)
        whole = tuple(slice(0, n) for n in (6, 9, 10))
        inside = np.argwhere(RegionVoxels.voxelsOf(roi, node).within(whole))  # type: ignore[arg-type]
        low, high = inside.min(axis=0), inside.max(axis=0)
        expected = slicer.util.arrayFromVolume(node)[tuple(map(slice, low, high + 1))] / 2
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(output), expected)
        self.assertTrue(1 < expected.size < node.GetImageData().GetNumberOfPoints())
        i, j, k = (int(n) for n in low[::-1])
        np.testing.assert_allclose(
            volumes.world_position(output, (0, 0, 0)),
            volumes.world_position(node, (i, j, k)),
            atol=1e-9,
        )

    def test_a_segment_is_a_region(self) -> None:
        """Its box is translated."""
        node = add_ultrasound(4, 5, 6)
        segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        segmentation.CreateDefaultDisplayNodes()
        segmentation.SetReferenceImageGeometryParameterFromVolumeNode(node)
        segment_id = segmentation.GetSegmentation().AddEmptySegment("brain")
        mask = np.zeros((4, 5, 6), np.uint8)
        mask[1:3, 2:5, 3:5] = 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, segment_id, node)
        region = RegionVoxels.Region(segmentation, segment_id)
        output = logic_with(halved).translate(node, region=region)
        expected = slicer.util.arrayFromVolume(node)[1:3, 2:5, 3:5] / 2
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(output), expected)

    def test_a_region_may_begin_at_the_first_voxel(self) -> None:
        """It is a part there too."""
        node = add_ultrasound(4, 5, 6)
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
        roi.SetCenterWorld(*volumes.world_position(node, (0, 0, 0)))
        roi.SetSize(2.1, 2.1, 3.0)
        output = logic_with(halved).translate(node, region=roi)
        made = slicer.util.arrayFromVolume(output)
        expected = slicer.util.arrayFromVolume(node)[tuple(slice(0, n) for n in made.shape)] / 2
        np.testing.assert_array_equal(made, expected)
        self.assertLess(made.size, node.GetImageData().GetNumberOfPoints())
        np.testing.assert_array_equal(volumes.ijk_to_ras(output), volumes.ijk_to_ras(node))

    def test_a_region_beside_the_image_is_refused(self) -> None:
        """In one sentence, and nothing is added."""
        node = add_ultrasound(4, 5, 6)
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Elsewhere")
        roi.SetCenterWorld(500, 500, 500)
        roi.SetSize(2, 2, 2)
        before = volumes.scene_contents()
        with self.assertRaisesRegex(InputError, "Elsewhere holds no voxel"):
            logic_with(halved).translate(node, region=roi)
        self.assertEqual(volumes.scene_contents(), before)


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


class HeadTest(SceneCase):
    """The head's outline as a curve."""

    def test_the_heads_outline_is_a_curve_where_the_head_is(self) -> None:
        """Its inside is the ellipse's, to the voxels on the edge, under a transform too."""
        node = add_ultrasound(1, 70, 90)
        node.SetAndObserveTransformNodeID(volumes.add_transform(TABLE).GetID())
        curve = HeadCurve.showEllipse(FOUND, node, 0.0)
        whole = (slice(0, 1), slice(0, 70), slice(0, 90))
        inside = RegionVoxels.voxelsOf(curve, node).within(whole)
        expected = HEAD.mask((70, 90), node.GetSpacing()[:2])
        self.assertLess((inside[0] != expected).sum(), 0.03 * expected.sum())

    def test_a_found_outline_is_a_hint_only_once_it_was_moved(self) -> None:
        """Then its inside goes to the library as the head's mask."""
        node = add_ultrasound(1, 70, 90)
        curve = HeadCurve.showEllipse(FOUND, node, 0.0)
        self.assertFalse(HeadCurve.isEdited(curve))
        curve.SetNthControlPointPosition(0, np.array(curve.GetNthControlPointPosition(0)) + 2)
        self.assertTrue(HeadCurve.isEdited(curve))
        seen: dict[str, Any] = {}

        def look(volume: Volume, method: str, head: Volume) -> Result:
            seen.update(head=head, grid=volume.grid)
            return halved(volume, method)

        logic_with(look).translate(node, head=curve)
        self.assertGreater(seen["head"].array.sum(), 100)
        self.assertEqual(seen["head"].grid, seen["grid"])
        self.assertIs(HeadCurve.showEllipse(FOUND, node, 0.0, curve), curve)
        self.assertFalse(HeadCurve.isEdited(curve))


class TissueTest(SceneCase):
    """Tissues and uncertainty as nodes of the scene."""

    def test_tissues_are_a_segmentation(self) -> None:
        """Named, coloured and coded segments on the output's voxels, and a table of their areas."""
        node = add_ultrasound(1, 20, 24)
        node.SetAndObserveTransformNodeID(volumes.add_transform(TABLE).GetID())
        logic = logic_with(with_tissues)
        output = logic.translate(node, tissues=True)
        segmentation = output.GetNodeReference(TissueNodes.TISSUES_ROLE)
        segments = segmentation.GetSegmentation()
        self.assertEqual(segments.GetNumberOfSegments(), 3)
        ventricles = segments.GetSegment("VENTRICLES")
        np.testing.assert_allclose(ventricles.GetColor(), np.array([88, 106, 215]) / 255)
        entry = vtk.mutable("")
        self.assertTrue(ventricles.GetTag("TerminologyEntry", entry))
        self.assertIn("SCT^", str(entry))
        voxels = RegionVoxels.voxelsOf(RegionVoxels.Region(segmentation, "VENTRICLES"), output)
        self.assertEqual(int(voxels.inside.sum()), 24)
        table = output.GetNodeReference(TissueNodes.TABLE_ROLE).GetTable()
        pixel = float(np.prod(node.GetSpacing()[:2]))
        self.assertEqual(table.GetValue(1, 0).ToString(), "ventricles and cavum")
        self.assertAlmostEqual(table.GetValue(1, 1).ToDouble(), 24 * pixel)
        self.assertEqual(table.GetColumnName(2), "Width, SYNTHETIC")
        self.assertEqual(table.GetValue(0, 2).ToString(), "")
        self.assertIn("7.3, 6.1 \u00b1 0.6 mm", table.GetValue(1, 2).ToString())
        self.assertIn("24.0 mm (error not measured)", table.GetValue(2, 2).ToString())
        before = slicer.mrmlScene.GetNumberOfNodes()
        logic.translate(node, output, tissues=True)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)
        logic.translate(node, output)
        self.assertIsNone(output.GetNodeReference(TissueNodes.TISSUES_ROLE))
        self.assertIsNone(segmentation.GetScene())

    def test_uncertainty_is_a_coloured_map_with_a_legend(self) -> None:
        """Its colours go from none to the most that there is; its file says what it is."""
        node = add_ultrasound(1, 20, 24)
        output = logic_with(with_tissues).translate(node, uncertainty=True)
        spread = output.GetNodeReference(OutputNodes.UNCERTAINTY_ROLE)
        self.assertEqual(spread.GetName(), "US SYNTHETIC MRI (PIX2PIX2D) uncertainty")
        display = spread.GetDisplayNode()
        self.assertEqual(display.GetWindow(), 40)
        self.assertIn("Spread", SyntheticMark.markOf(spread).GetTitleText())
        self.assertTrue(spread.GetAttribute("description").startswith("UNCERTAINTY of a"))

    def test_samples_are_a_sequence_to_leaf_through(self) -> None:
        """Each is synthetic and lies where the output lies; the next run has its own, or none."""

        def drawing(volume: Volume, method: str, samples: int = 0) -> Result:
            made = halved(volume, method)
            drawn = [volume.with_array(np.float32(volume.array * n)) for n in range(samples)]
            return made._replace(samples=tuple(drawn))

        node = add_ultrasound(1, 20, 24)
        node.SetAndObserveTransformNodeID(volumes.add_transform(TABLE).GetID())
        logic = logic_with(drawing)
        before = slicer.mrmlScene.GetNumberOfNodes()
        output = logic.translate(node)
        without = slicer.mrmlScene.GetNumberOfNodes()
        for count in (3, 2):
            logic.translate(node, output, samples=count)
            shown = output.GetNodeReference(SampleNodes.SAMPLES_ROLE)
            self.assertEqual(shown.GetTransformNodeID(), node.GetTransformNodeID())
            np.testing.assert_array_equal(volumes.ijk_to_ras(shown), volumes.ijk_to_ras(node))
            sequence: Any = sequenceOf(shown)
            self.assertEqual(sequence.node.GetNumberOfDataNodes(), count)
            for number in range(count):
                show(sequence.browser, number)
                expected = slicer.util.arrayFromVolume(node) * np.float32(number)
                np.testing.assert_allclose(slicer.util.arrayFromVolume(shown), expected, rtol=1e-6)
                self.assertEqual(shown.GetAttribute("USToMRI.synthetic"), "true")
        logic.translate(node, output)
        self.assertIsNone(output.GetNodeReference(SampleNodes.SAMPLES_ROLE))
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), without)
        self.assertGreater(without, before)

    def test_ventricles_are_measured_against_what_lies_beside_them(self) -> None:
        """One pair of segments: all of the ventricles, and white matter within 5 mm of them."""
        output = logic_with(with_tissues).translate(add_ultrasound(1, 20, 24), tissues=True)
        self.assertTrue(TissuePair.hasTissues(output))
        pair = TissuePair.addTissuePair(output)
        region, background = pair.region("region"), pair.region("background")
        self.assertEqual(region.segmentId, "VENTRICLES")
        self.assertEqual(background.segmentId, TissuePair.BESIDE)
        inside = RegionVoxels.voxelsOf(background, output)
        j, i = np.indices((20, 24))
        ventricles = (i >= 12) & (i < 16) & (j >= 6) & (j < 12)
        cerebellum = (i >= 18) & (i < 22) & (j >= 14) & (j < 18)
        white = (i >= 12) & ~ventricles & ~cerebellum
        spacing = output.GetSpacing()
        gap = np.maximum(0, np.maximum(6 - j, j - 11)) * spacing[1]
        across = np.maximum(0, i - 15) * spacing[0]
        expected = white & (np.hypot(gap, across) <= 5)
        self.assertEqual(int(inside.inside.sum()), int(expected.sum()))
        self.assertEqual(TissuePair.addTissuePair(output), pair)

    def test_areas_are_of_the_pixel_size_that_was_given(self) -> None:
        """The node of a picture goes on saying 1 mm; areas and distances are measured as made."""
        node = add_ultrasound(1, 20, 24)
        output = logic_with(with_tissues).translate(node, pixelSize=0.3, tissues=True)
        table = output.GetNodeReference(TissueNodes.TABLE_ROLE).GetTable()
        self.assertAlmostEqual(table.GetValue(1, 1).ToDouble(), 24 * 0.3**2)
        background = TissuePair.addTissuePair(output).region("background")
        beside = int(RegionVoxels.voxelsOf(background, output).inside.sum())
        self.assertEqual(beside, 20 * 12 - 24 - 16)


def with_tissues(
    volume: Volume, method: str, tissues: bool = False, uncertainty: bool = False
) -> Result:
    """Stand in for networks that see white matter on the right, ventricles and cerebellum in it."""
    made = halved(volume, method)
    labels = np.zeros(volume.array.shape, np.uint8)
    labels[:, :, 12:] = 1
    labels[:, 6:12, 12:16] = 2
    labels[:, 14:18, 18:22] = 3
    spread = np.zeros(volume.array.shape, np.float32)
    spread[:, 3, 4] = 40
    maps = {}
    error = {"median": 0.6, "percentile_90": 1.7}
    measured = {
        "lateral_ventricle_widths_mm": [7.3, 6.1],
        "lateral_ventricle_width_error_mm": error,
        "transcerebellar_diameter_mm": 24.0,
    }
    made.provenance["parameters"] = {"tissues_measured": measured}
    made.provenance["input"] = {"grid": {"spacing": list(volume.grid.spacing)}}
    if tissues:
        maps["tissues"] = volume.with_array(labels)
    if uncertainty:
        maps["uncertainty"] = volume.with_array(spread)
    return made._replace(maps=maps)


def with_residual(volume: Volume, method: str, residual: bool = False) -> Result:
    """Stand in for networks that also make a residual map."""
    made = halved(volume, method)
    return made._replace(maps={"residual": made.volume}) if residual else made


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
