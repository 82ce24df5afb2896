"""Which voxels of a volume node a region of the scene holds, and their contrast-to-noise ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, NamedTuple

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from .VolumeNodes import greyOf, holdsImage
from .WorldSpace import worldFromIjk

if TYPE_CHECKING:
    from USToMRILib.image.cnr import Cnr
    from USToMRILib.image.regions import Voxels


class Region(NamedTuple):
    """A region of the scene: a markups ROI, a closed curve, or a segment of a segmentation."""

    node: Any
    segmentId: str = ""


def measureContrast(volumeNode: Any, region: Any, background: Any) -> Cnr:
    """Return the contrast-to-noise ratio of two regions in a volume.

    :param volumeNode: scalar or colour volume, under any transform.
    :param region: a :class:`Region`, or a markups ROI or closed curve node.
    :param background: likewise.
    :raises USToMRILib.InputError: one sentence that says why there is nothing to measure.
    """
    from USToMRILib.image.cnr import contrast_to_noise
    from USToMRILib.image.regions import common_block

    first, second = (voxelsOf(each, volumeNode) for each in (region, background))
    block = common_block(first, second)
    intensities = greyOf(slicer.util.arrayFromVolume(volumeNode)[block])
    return contrast_to_noise(intensities, first.within(block), second.within(block))


def voxelsOf(region: Any, volumeNode: Any) -> Voxels:
    """Return the voxels of a volume whose centres lie in a region, both where they are shown.

    :param region: a :class:`Region`, or a markups ROI or closed curve node.
    :raises USToMRILib.InputError: the volume or the region is not ready; says what to do.
    """
    from USToMRILib import InputError

    if not isinstance(region, Region):
        region = Region(region)
    if not holdsImage(volumeNode):
        raise InputError(_("The volume {name} holds no image.").format(name=volumeNode.GetName()))
    reason = reasonNotUsable(region)
    if reason:
        raise InputError(reason)
    if region.node.IsA("vtkMRMLSegmentationNode"):
        return _segmentVoxels(region, volumeNode)
    if region.node.IsA("vtkMRMLMarkupsROINode"):
        return _boxVoxels(region.node, volumeNode)
    return _curveVoxels(region.node, volumeNode)


def maskOf(region: Any, volumeNode: Any) -> np.ndarray:
    """Return the voxels of :func:`voxelsOf` as a mask of the whole volume, boolean [k, j, i]."""
    mask = np.zeros(_shape(volumeNode), bool)
    voxels = voxelsOf(region, volumeNode)
    mask[voxels.block] = voxels.inside
    return mask


def reasonNotUsable(region: Region) -> str:
    """Return why a region cannot hold voxels of any volume, in words; empty where it can."""
    node, text = region.node, ""
    if node.IsA("vtkMRMLSegmentationNode"):
        if node.GetSegmentation().GetSegment(region.segmentId) is None:
            text = _("Choose a segment of {name}.")
    elif node.IsA("vtkMRMLMarkupsROINode"):
        if node.GetNumberOfDefinedControlPoints() == 0:
            text = _("{name} has not been placed yet.")
        elif node.GetInsideOut():
            text = _("{name} is turned inside out; turn that off in the Markups module.")
    elif node.IsA("vtkMRMLMarkupsClosedCurveNode"):
        if node.GetNumberOfDefinedControlPoints() < 3:
            text = _("{name} needs at least three points.")
    else:
        text = _("{name} is no region; choose an ROI, a closed curve or a segment.")
    return text.format(name=node.GetName())


def reasonBeside(region: Region, volumeNode: Any) -> str:
    """Return that a usable region lies far from a volume, in words; empty where it does not.

    By the boxes around both: a region whose own box meets the volume's may still hold no voxel.
    """
    first, second = np.zeros(6), np.zeros(6)
    region.node.GetRASBounds(first)
    volumeNode.GetRASBounds(second)
    apart = (first[1::2] < second[::2]) | (second[1::2] < first[::2])
    return noVoxelIn(region) if apart.any() else ""


def noVoxelIn(region: Region) -> str:
    """Return the sentence about a region beside the ultrasound."""
    text = _("The region {name} holds no voxel of the ultrasound; move it there.")
    return str(text.format(name=region.node.GetName()))


def _boxVoxels(roiNode: Any, volumeNode: Any) -> Voxels:
    from USToMRILib.image.regions import Box

    toWorld = slicer.util.arrayFromVTKMatrix(roiNode.GetObjectToWorldMatrix())
    box = Box(toWorld[:3, 3], toWorld[:3, :3], np.array(roiNode.GetSize()))
    transform = worldFromIjk(volumeNode)
    maps = _pointMap(transform), _pointMap(transform.GetInverse())
    isAffine = slicer.vtkMRMLTransformNode.IsGeneralTransformLinear(transform)
    return box.voxels(_shape(volumeNode), *maps, affine=isAffine)


def _curveVoxels(curveNode: Any, volumeNode: Any) -> Voxels:
    from USToMRILib.image.regions import polygon_voxels

    points = vtk_to_numpy(curveNode.GetCurvePointsWorld().GetData())
    toIndex = _pointMap(worldFromIjk(volumeNode).GetInverse())
    return polygon_voxels(toIndex(points), _shape(volumeNode))


def _segmentVoxels(region: Region, volumeNode: Any) -> Voxels:
    """Return a segment's voxels; a segment drawn on another grid is taken at the nearest voxel."""
    from USToMRILib import InputError
    from USToMRILib.image.regions import Voxels

    segment = slicer.vtkOrientedImageData()
    # Read, not converted: converting would change the user's segmentation.
    if not region.node.GetBinaryLabelmapRepresentation(region.segmentId, segment):
        text = _("The segments of {name} are not drawn as binary labelmaps; convert them.")
        raise InputError(text.format(name=region.node.GetName()))
    onVolume = slicer.vtkOrientedImageData()
    grid, matrix = slicer.vtkOrientedImageData(), vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    grid.SetExtent(volumeNode.GetImageData().GetExtent())
    grid.SetGeometryFromImageToWorldMatrix(matrix)
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        region.node.GetParentTransformNode(), volumeNode.GetParentTransformNode(), transform
    )
    resample = slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage
    scalars = None
    if resample(segment, grid, onVolume, False, False, transform):
        scalars = onVolume.GetPointData().GetScalars()
    if scalars is None:  # an empty segment
        return Voxels.from_mask(np.zeros(_shape(volumeNode), bool))
    return Voxels.from_mask(vtk_to_numpy(scalars).reshape(_shape(volumeNode)) > 0)


def _shape(volumeNode: Any) -> tuple[int, int, int]:
    i, j, k = volumeNode.GetImageData().GetDimensions()
    return k, j, i


def _pointMap(transform: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Return a transform as a function from positions [..., 3] to positions [..., 3]."""

    def apply(positions: np.ndarray) -> np.ndarray:
        flat = np.ascontiguousarray(positions, float).reshape(-1, 3)
        before, after = vtk.vtkPoints(), vtk.vtkPoints()
        before.SetData(numpy_to_vtk(flat))
        after.SetDataTypeToDouble()
        transform.TransformPoints(before, after)
        return vtk_to_numpy(after.GetData()).reshape(np.shape(positions))

    return apply
