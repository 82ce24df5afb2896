"""Segments of a segmentation, drawn from voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy


def setSegment(segmentationNode: Any, segmentId: str, mask: np.ndarray, volumeNode: Any) -> None:
    """Let a segment be the voxels of a volume that a mask marks.

    ``slicer.util`` can do it too, and leaves nodes behind.

    :param segmentationNode: under the same transform as the volume.
    :param mask: boolean [k, j, i].
    """
    image, matrix = slicer.vtkOrientedImageData(), vtk.vtkMatrix4x4()
    image.SetDimensions(*mask.shape[::-1])
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    vtk_to_numpy(image.GetPointData().GetScalars())[:] = mask.ravel()
    volumeNode.GetIJKToRASMatrix(matrix)
    image.SetGeometryFromImageToWorldMatrix(matrix)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(image, segmentationNode, segmentId)
