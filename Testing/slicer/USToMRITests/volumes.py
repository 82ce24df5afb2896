"""Volume nodes for tests, with geometry that shows every mistake."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

# IJK to RAS, rows x y z: every case has its own spacing along each axis and an origin off zero.
GEOMETRIES = {
    "aligned": [[0.5, 0, 0, -12.25], [0, 0.7, 0, 30.1], [0, 0, 2.5, 7.7]],
    "left-handed": [[-0.5, 0, 0, 40.3], [0, 0.7, 0, -3.3], [0, 0, 2.5, 1.1]],
    "swapped axes": [[0, 0, 3.1, 5.5], [-0.4, 0, 0, 21.7], [0, 0.9, 0, -8.2]],
    "rotated": [
        [0.5 * 0.36, 0.7 * 0.48, 2.5 * -0.8, 11.3],
        [0.5 * -0.8, 0.7 * 0.6, 0.0, -45.6],
        [0.5 * 0.48, 0.7 * 0.64, 2.5 * 0.6, 2.2],
    ],
}


def add_volume(
    name: str,
    array: np.ndarray,
    geometry: str = "rotated",
    colour: bool = False,
    kind: str = "Scalar",
) -> Any:
    """Add a volume node with voxels [k, j, i], or [k, j, i, 3], and one of the geometries."""
    kind = "Vector" if colour else kind
    node = slicer.mrmlScene.AddNewNodeByClass(f"vtkMRML{kind}VolumeNode", name)
    slicer.util.updateVolumeFromArray(node, array)
    node.SetIJKToRASMatrix(
        slicer.util.vtkMatrixFromArray(np.array([*GEOMETRIES[geometry], [0, 0, 0, 1]], float))
    )
    return node


def add_transform(matrix: np.ndarray) -> Any:
    """Add a linear transform node with a 4x4 matrix."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Table")
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    return node


def ijk_to_ras(node: Any) -> np.ndarray:
    """Return the 4x4 matrix of a volume node, its parent transform left out."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return np.array(slicer.util.arrayFromVTKMatrix(matrix))


def world_position(node: Any, ijk: tuple[int, int, int]) -> np.ndarray:
    """Return where a voxel lies in the world (RAS, mm), parent transforms applied."""
    import vtk

    to_world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        node.GetParentTransformNode(), None, to_world
    )
    ras = ijk_to_ras(node) @ [*ijk, 1]
    return np.array(to_world.TransformPoint(ras[:3]))


def scene_contents() -> list[str]:
    """Return id, name and time of change of the scene's nodes, to compare before and after."""
    # Views and the hierarchy are the application's, which changes them when it likes.
    return sorted(
        f"{node.GetID()} {node.GetName()} {node.GetMTime()}"
        for node in slicer.util.getNodesByClass("vtkMRMLNode")
        if not node.GetSingletonTag() and not node.IsA("vtkMRMLSubjectHierarchyNode")
    )
