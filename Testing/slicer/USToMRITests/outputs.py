"""What a pseudo-MRI is in the scene: its place, its folder, its record, its frames."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import slicer
from USToMRIModule.ReaderStudy import ScenePairs
from USToMRIModule.Scene import RegionVoxels
from USToMRIModule.Scene.HeldImage import gridFromNode
from USToMRIModule.Scene.VolumeNodes import Result
from USToMRIModule.Synthetic import OutputNodes, SyntheticMark
from USToMRIModule.Translate import HeadCurve

from USToMRILib import InputError, Volume
from USToMRILib.fetal.ellipse import Ellipse

from . import volumes
from .scene_case import NOTICE, TABLE, SceneCase, add_ultrasound, halved, logic_with

HEAD = Ellipse((20.0, 15.0), (12.0, 9.0), 0.4)
FOUND = dataclasses.asdict(HEAD)


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


def with_residual(volume: Volume, method: str, residual: bool = False) -> Result:
    """Stand in for networks that also make a residual map."""
    made = halved(volume, method)
    return made._replace(maps={"residual": made.volume}) if residual else made
