"""Volumes and their provenance, into and out of the MRML scene."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

import numpy as np
import slicer
import vtk

if TYPE_CHECKING:
    from USToMRILib import Volume
    from USToMRILib.grid import Grid

ATTRIBUTE_PREFIX = "USToMRI."
PROVENANCE_ROLE = "USToMRI.provenance"

# MRML stores positions in RAS, the library in LPS.
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])

# Pseudo-MRI values are the papers' 8-bit scale, so that one window fits all of them.
_WINDOW, _LEVEL = 255.0, 127.5


class Result(NamedTuple):
    """What a translation gives: a volume on the input's grid, and how it was made."""

    volume: Volume
    provenance: dict[str, Any]


def firstUltrasound() -> Optional[Any]:
    """Return the scene's first volume that may be an ultrasound: no label map, not synthetic."""
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        isLabelMap = node.IsA("vtkMRMLLabelMapVolumeNode")
        if not isLabelMap and not node.GetAttribute(ATTRIBUTE_PREFIX + "synthetic"):
            return node
    return None


def volumeFromNode(node: Any) -> Volume:
    """Return a volume with a copy of a node's voxels, on the node's own grid.

    The parent transform is not part of it: it is kept by placing the output under the same one.

    :param node: ``vtkMRMLScalarVolumeNode``; a ``vtkMRMLVectorVolumeNode`` is turned to grey.
    :raises InputError: the node has no image, no grey or colour image, or sheared axes.
    """
    from USToMRILib import InputError, Volume

    if node is None or node.GetImageData() is None or node.GetImageData().GetNumberOfPoints() == 0:
        raise InputError("The input volume holds no image; choose one that does.")
    array = np.array(slicer.util.arrayFromVolume(node))
    if array.ndim == 4:
        array = _grey(array)
    return Volume(array, gridFromNode(node))


def gridFromNode(node: Any) -> Grid:
    """Return where the voxels of a volume node lie (LPS, mm), its parent transform left out.

    :raises InputError: the axes are not orthonormal.
    """
    from USToMRILib.grid import Grid

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASDirectionMatrix(matrix)
    directions = _RAS_TO_LPS @ slicer.util.arrayFromVTKMatrix(matrix)[:3, :3]
    origin = _RAS_TO_LPS @ np.array(node.GetOrigin())
    size = node.GetImageData().GetDimensions()
    return Grid(size, node.GetSpacing(), tuple(origin), tuple(directions.ravel()))


def syntheticName(inputName: str, method: str) -> str:
    """Return the name of an output. Slicer prints it in every slice view, so it is the mark."""
    return f"{inputName} SYNTHETIC MRI ({method.upper()})"


def warningsOf(outputNode: Any) -> list[str]:
    """Return what the user should know about an output, one sentence each."""
    textNode = outputNode.GetNodeReference(PROVENANCE_ROLE)
    sentences: list[str] = json.loads(textNode.GetText()).get("warnings", [])
    return sentences


def publish(
    result: Result, inputNode: Any, outputNode: Optional[Any] = None, method: str = "ddic"
) -> Any:
    """Put a result into the scene, where its input lies, and return the output node.

    :param result: or anything else with a ``volume`` and a ``provenance``.
    :param outputNode: scalar volume to overwrite; a new one where it is None.
    :raises ValueError: the result is not on the input's grid. The scene is then as it was.
    """
    if result.volume.array.shape != slicer.util.arrayFromVolume(inputNode).shape[:3]:
        raise ValueError("The pseudo-MRI does not have the size of its input.")
    created: list[Any] = []
    try:
        outputNode = outputNode or _addNode("vtkMRMLScalarVolumeNode", created)
        _setVoxels(outputNode, result.volume.array, inputNode)
        _setName(outputNode, syntheticName(inputNode.GetName(), method))
        _setDisplay(outputNode, created)
        _setProvenance(outputNode, dict(result.provenance), created)
    except Exception:
        for node in reversed(created):
            slicer.mrmlScene.RemoveNode(node)
        raise
    return outputNode


def _addNode(className: str, created: list[Any]) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass(className)
    created.append(node)
    return node


def _grey(array: np.ndarray) -> np.ndarray:
    """Return the grey values [k, j, i] of a vector volume's array [k, j, i, components]."""
    from USToMRILib import InputError
    from USToMRILib.reading import luma

    components = array.shape[-1]
    if components not in (3, 4):
        raise InputError(
            f"The input volume has {components} components a voxel; choose a grey or colour image."
        )
    return luma(array)


def _setVoxels(outputNode: Any, array: np.ndarray, inputNode: Any) -> None:
    with slicer.util.NodeModify(outputNode):
        slicer.util.updateVolumeFromArray(outputNode, array)
        # Copied, not computed from the result's grid: the bits stay the same.
        outputNode.CopyOrientation(inputNode)
        outputNode.SetAndObserveTransformNodeID(inputNode.GetTransformNodeID())


def _setName(outputNode: Any, name: str) -> None:
    """Name an output, unless the name that the user gave it says SYNTHETIC MRI already."""
    if "SYNTHETIC MRI" not in outputNode.GetName():
        outputNode.SetName(slicer.mrmlScene.GenerateUniqueName(name))


def _setDisplay(outputNode: Any, created: list[Any]) -> None:
    isNew = outputNode.GetDisplayNode() is None
    outputNode.CreateDefaultDisplayNodes()
    display = outputNode.GetDisplayNode()
    if isNew:
        created.append(display)
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    display.AutoWindowLevelOff()
    display.SetWindowLevel(_WINDOW, _LEVEL)


def _setProvenance(outputNode: Any, provenance: dict[str, Any], created: list[Any]) -> None:
    """Write the provenance as node attributes and into a text node that the output refers to."""
    for name in list(outputNode.GetAttributeNames()):
        if name.startswith(ATTRIBUTE_PREFIX):
            outputNode.RemoveAttribute(name)
    outputNode.SetAttribute(ATTRIBUTE_PREFIX + "synthetic", "true")
    for key, value in provenance.items():
        text = value if isinstance(value, str) else json.dumps(value)
        outputNode.SetAttribute(ATTRIBUTE_PREFIX + key, text)
    textNode = outputNode.GetNodeReference(PROVENANCE_ROLE)
    if textNode is None:
        textNode = _addNode("vtkMRMLTextNode", created)
        outputNode.SetNodeReferenceID(PROVENANCE_ROLE, textNode.GetID())
    textNode.SetName(f"{outputNode.GetName()} provenance")
    textNode.SetText(json.dumps(provenance, indent=2, ensure_ascii=False))
