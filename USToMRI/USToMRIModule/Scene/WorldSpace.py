"""Where the voxels of a volume node lie in the world, its parent transforms applied."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk

# mm; what two grids may differ by and still show the same voxels.
_SAME_PLACE = 1e-3


def worldFromIjk(volumeNode: Any) -> Any:
    """Return the transform from voxel indices (i, j, k) to world positions (RAS, mm)."""
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        volumeNode.GetParentTransformNode(), None, transform
    )
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    transform.PreMultiply()
    transform.Concatenate(matrix)
    return transform


def worldAxes(volumeNode: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return where the first voxel lies (RAS, mm), and the steps to its neighbours as columns."""
    toWorld = worldFromIjk(volumeNode)
    origin = np.array(toWorld.TransformPoint(0.0, 0.0, 0.0))
    neighbours = [toWorld.TransformPoint(*np.eye(3)[axis]) for axis in range(3)]
    return origin, (np.array(neighbours) - origin).T


def worldSpacing(volumeNode: Any) -> tuple[float, float, float]:
    """Return the distances of neighbouring voxels (mm) in the world.

    A linear transform above the volume may scale it: SlicerIGT keeps the pixel size of live
    ultrasound there. One that is not linear is left out, as it has no one scale.
    """
    spacing = np.array(volumeNode.GetSpacing())
    if volumeNode.GetParentTransformNode() is not None and not isBent(volumeNode):
        scaled = np.linalg.norm(worldAxes(volumeNode)[1], axis=0)
        if not np.allclose(scaled, spacing, rtol=1e-6, atol=0):
            spacing = scaled
    i, j, k = (float(distance) for distance in spacing)
    return i, j, k


def isBent(volumeNode: Any) -> bool:
    """Return whether a volume lies under a transform that is not linear."""
    parent = volumeNode.GetParentTransformNode()
    return parent is not None and not parent.IsTransformToWorldLinear()


def onSameGrid(first: Any, second: Any) -> bool:
    """Return whether the voxels of two volumes lie in the same places of the world."""
    size = first.GetImageData().GetDimensions()
    if size != second.GetImageData().GetDimensions():
        return False
    corners = np.array(np.meshgrid(*[(0.0, n - 1.0) for n in size])).reshape(3, -1).T
    transforms = [worldFromIjk(node) for node in (first, second)]
    places = [
        np.array([transform.TransformPoint(*corner) for corner in corners])
        for transform in transforms
    ]
    return bool(np.abs(places[0] - places[1]).max() <= _SAME_PLACE)
