"""Regions of a scene against brute force: which voxels they hold, and what is measured there."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from USToMRIModule.Scene.RegionVoxels import Region, measureContrast, voxelsOf

from USToMRILib import InputError

from . import volumes
from .scene_case import SceneCase

SHAPE = (7, 12, 14)  # k, j, i
WHOLE = (slice(0, 7), slice(0, 12), slice(0, 14))


class VoxelsTest(SceneCase):
    """Which voxels a region holds."""

    def test_turned_roi_under_transforms_is_slicers(self) -> None:
        """Slicer's own test of every voxel agrees, with ROI and volume under transforms."""
        for geometry in volumes.GEOMETRIES:
            volume = add_volume(geometry)
            volume.SetAndObserveTransformNodeID(volumes.add_transform(turn(5)).GetID())
            for seed, ijk in ((10, (6, 5, 3)), (20, (1, 1, 1)), (30, (13, 11, 6))):
                with self.subTest(geometry, seed=seed):
                    roi = add_roi(volume, ijk, (4.0, 3.1, 9.0), seed)
                    expected = brute_force(volume, roi.IsPointInROIWorld)
                    self.assertTrue(expected.any())
                    np.testing.assert_array_equal(mask_of(roi, volume), expected)

    def test_stretched_roi_is_the_box_that_slicer_draws(self) -> None:
        """Under a transform that stretches, what counts is the size that is shown."""
        volume = add_volume("aligned")
        stretch = volumes.add_transform(np.diag([2.0, 1.5, 0.8, 1]))
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Region")
        roi.SetAndObserveTransformNodeID(stretch.GetID())
        centre = volumes.world_position(volume, (6, 5, 3))
        roi.SetCenterWorld(centre)
        roi.SetSize(1.4, 2.2, 9.0)
        shown = [0.0, 0.0, 0.0]
        roi.GetSizeWorld(shown)
        np.testing.assert_allclose(shown, [2.8, 3.3, 7.2])
        half = np.array(shown) / 2
        expected = brute_force(volume, lambda place: (np.abs(place - centre) <= half).all())
        self.assertGreater(expected.sum(), 10)
        np.testing.assert_array_equal(mask_of(roi, volume), expected)

    def test_volume_under_a_bending_transform(self) -> None:
        """A thin-plate spline on the volume: voxels count where they are shown."""
        volume = add_volume("aligned")
        spline = vtk.vtkThinPlateSplineTransform()
        before, after = vtk.vtkPoints(), vtk.vtkPoints()
        for corner in np.ndindex(2, 2, 2):
            place = volumes.world_position(volume, tuple(np.array(corner) * [13, 11, 6]))
            before.InsertNextPoint(place)
            after.InsertNextPoint(place + np.random.default_rng(sum(corner)).normal(size=3))
        spline.SetSourceLandmarks(before)
        spline.SetTargetLandmarks(after)
        spline.SetBasisToR()
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "Bend")
        node.SetAndObserveTransformToParent(spline)
        volume.SetAndObserveTransformNodeID(node.GetID())
        roi = add_roi(volume, (6, 5, 3), (3.0, 4.0, 6.0))
        expected = brute_force(volume, roi.IsPointInROIWorld)
        self.assertTrue(expected.any())
        np.testing.assert_array_equal(mask_of(roi, volume), expected)

    def test_closed_curve_is_a_polygon_on_its_slice(self) -> None:
        """The outline as Slicer draws it, on the fourth slice of a transformed volume."""
        volume = add_volume()
        volume.SetAndObserveTransformNodeID(volumes.add_transform(turn(3)).GetID())
        curve = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode", "Curve")
        for i, j in ((2, 2), (10, 1), (11, 9), (5, 7)):
            curve.AddControlPointWorld(volumes.world_position(volume, (i, j, 3)))
        parent = slicer.util.arrayFromTransformMatrix(volume.GetParentTransformNode())
        to_index = np.linalg.inv(parent @ volumes.ijk_to_ras(volume))
        drawn = slicer.util.arrayFromMarkupsCurvePoints(curve, world=True)
        corners = (np.column_stack([drawn, np.ones(len(drawn))]) @ to_index.T)[:, :2]
        expected = np.zeros(SHAPE[1:], bool)
        for j, i in np.ndindex(*expected.shape):
            expected[j, i] = is_inside((i, j), corners)
        mask = mask_of(curve, volume)
        self.assertGreater(expected.sum(), 30)
        np.testing.assert_array_equal(mask[3], expected)
        self.assertEqual(mask.sum(), mask[3].sum())

    def test_segment_counts_where_it_is_shown(self) -> None:
        """On its own grid its own voxels; elsewhere and under a transform the nearest ones."""
        volume = add_volume("aligned")
        segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Segments")
        segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        mask = np.zeros(SHAPE, bool)
        mask[2:5, 3:8, 2:9] = True
        region = Region(segmentation, add_segment(segmentation, volume, mask, "ventricle"))
        np.testing.assert_array_equal(mask_of(region, volume), mask)
        shift = np.eye(4)
        shift[:3, 3] = [0.5, 0.7, 0]  # one voxel along i and j
        segmentation.SetAndObserveTransformNodeID(volumes.add_transform(shift).GetID())
        np.testing.assert_array_equal(mask_of(region, volume), np.roll(mask, (1, 1), (1, 2)))
        volume.SetAndObserveTransformNodeID(segmentation.GetTransformNodeID())
        np.testing.assert_array_equal(mask_of(region, volume), mask)


class ContrastTest(SceneCase):
    """What is measured there."""

    def test_values_are_numpys_on_the_same_voxels(self) -> None:
        """Mean, deviation, number and ratio, for turned ROIs."""
        volume = add_volume()
        roi = add_roi(volume, (3, 5, 3), (3.0, 4.0, 9.0))
        background = add_roi(volume, (12, 6, 3), (2.5, 4.0, 7.0), seed=7)
        array = slicer.util.arrayFromVolume(volume).astype(float)
        inside, outside = (
            array[brute_force(volume, node.IsPointInROIWorld)] for node in (roi, background)
        )
        found = measureContrast(volume, roi, background)
        self.assertGreaterEqual(min(inside.size, outside.size), 10)
        voxels = (found.roi.voxels, found.background.voxels)
        self.assertEqual(voxels, (inside.size, outside.size))
        self.assertAlmostEqual(found.roi.mean, inside.mean(), delta=1e-6)
        deviation = found.background.standard_deviation
        self.assertAlmostEqual(deviation, outside.std(), delta=1e-6)
        expected = abs(inside.mean() - outside.mean()) / np.sqrt(inside.var() + outside.var())
        self.assertAlmostEqual(found.cnr, expected, delta=1e-6)

    def test_colour_is_measured_as_grey(self) -> None:
        """A grey image that is stored in colour has the same values."""
        volume = add_volume()
        roi = add_roi(volume, (3, 5, 3), (3.0, 4.0, 9.0))
        background = add_roi(volume, (12, 6, 3), (2.5, 4.0, 7.0), seed=7)
        grey = np.round(slicer.util.arrayFromVolume(volume)).astype(np.uint8)
        colour = volumes.add_volume("Colour", np.repeat(grey[..., None], 3, -1), colour=True)
        expected = grey[brute_force(volume, roi.IsPointInROIWorld)].mean()
        found = measureContrast(colour, roi, background)
        self.assertAlmostEqual(found.roi.mean, expected, delta=1e-6)

    def test_what_cannot_be_measured_is_said_in_words(self) -> None:
        """One sentence each, and no number."""
        volume = add_volume()
        good = add_roi(volume, (3, 5, 3), (3.0, 4.0, 9.0))
        outside = add_roi(volume, (300, 5, 3), (3.0, 4.0, 9.0))
        tiny = add_roi(volume, (11, 6, 3), (0.6, 0.8, 2.6), seed=7)
        empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Never placed")
        inverted = add_roi(volume, (11, 6, 3), (3.0, 4.0, 9.0))
        inverted.SetInsideOut(True)
        line = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode", "Curve")
        segments = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Segments")
        for background, words in (
            (good, "share"),
            (outside, "holds no voxel"),
            (tiny, "enlarge it to at least 10"),
            (empty, "Never placed has not been placed yet"),
            (inverted, "inside out"),
            (line, "three points"),
            (Region(segments, "none"), "Choose a segment of Segments"),
            (volume, "is no region"),
        ):
            with self.subTest(words), self.assertRaisesRegex(InputError, words):
                measureContrast(volume, good, background)
        nothing = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
        with self.assertRaisesRegex(InputError, "Empty holds no image"):
            measureContrast(nothing, good, tiny)


def turn(seed: int, shift: float = 5.0) -> np.ndarray:
    """Return a 4x4 matrix that turns and shifts."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * np.sign(np.linalg.det(rotation))
    matrix[:3, 3] = rng.normal(size=3) * shift
    return matrix


def add_volume(geometry: str = "rotated") -> Any:
    """Add an ultrasound with noise."""
    array = np.random.default_rng(1).normal(100, 20, SHAPE).astype(np.float32)
    return volumes.add_volume("US", array, geometry)


def add_roi(volume: Any, ijk: tuple[int, int, int], size: tuple[float, ...], seed: int = 0) -> Any:
    """Add an ROI around a voxel, turned, under a transform that turns it again."""
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Region")
    roi.SetAndObserveTransformNodeID(volumes.add_transform(turn(seed)).GetID())
    roi.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(turn(seed + 1)))
    roi.SetCenterWorld(volumes.world_position(volume, ijk))
    roi.SetSize(*size)
    return roi


def add_segment(segmentation: Any, volume: Any, mask: np.ndarray, name: str) -> str:
    """Draw a mask on a volume's grid as a segment; return its ID."""
    segment_id = segmentation.GetSegmentation().AddEmptySegment("", name)
    label = volumes.add_volume("label", mask.astype(np.uint8), "aligned", kind="LabelMap")
    label.CopyOrientation(volume)
    ids = vtk.vtkStringArray()
    ids.InsertNextValue(segment_id)
    logic = slicer.modules.segmentations.logic()
    logic.ImportLabelmapToSegmentationNode(label, segmentation, ids)
    slicer.mrmlScene.RemoveNode(label)
    return str(segment_id)


def brute_force(volume: Any, is_in_region: Any) -> np.ndarray:
    """Ask for every voxel whether its place in the world is inside."""
    mask = np.zeros(SHAPE, bool)
    for k, j, i in np.ndindex(*SHAPE):
        mask[k, j, i] = is_in_region(volumes.world_position(volume, (i, j, k)))
    return mask


def is_inside(point: tuple[int, int], corners: np.ndarray) -> bool:
    """Return whether a ray from a point crosses a polygon's edges an odd number of times."""
    x, y = point
    inside = False
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, 1, axis=0)):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside


def mask_of(region: Any, volume: Any) -> np.ndarray:
    """Return the voxels of a region as a mask of the whole volume."""
    return voxelsOf(region, volume).within(WHOLE)
