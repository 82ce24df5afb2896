"""What comes with a pseudo-MRI into the scene: tissues, uncertainty, samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from USToMRIModule.CNR import TissuePair
from USToMRIModule.Scene import RegionVoxels
from USToMRIModule.Scene.Sequences import sequenceOf
from USToMRIModule.Scene.VolumeNodes import Result
from USToMRIModule.Synthetic import OutputNodes, SampleNodes, SyntheticMark, TissueNodes

from USToMRILib import Volume

from . import volumes
from .scene_case import TABLE, SceneCase, add_ultrasound, halved, logic_with
from .sequences import show


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
        width, height, _ = node.GetSpacing()
        self.assertAlmostEqual(table.GetValue(1, 1).ToDouble(), 24 * 0.3**2 * height / width)
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
