"""Pseudo-MRIs as nodes of the scene: where they lie, how they look, and that they are synthetic."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Optional

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from ..Scene.DisplayableNodes import removeDisplayable
from ..Scene.VolumeNodes import (
    ATTRIBUTE_PREFIX,
    MAP,
    PSEUDO_MRI,
    SYNTHETIC_ATTRIBUTE,
    Result,
    isPseudoMri,
    isSynthetic,
)
from .SyntheticFile import DESCRIPTION, DESCRIPTION_KEY
from .SyntheticMark import addLegend, markAsSynthetic
from .TissueNodes import publishTissues

PROVENANCE_ROLE = "USToMRI.provenance"
RESIDUAL_ROLE, UNCERTAINTY_ROLE = "USToMRI.residual", "USToMRI.uncertainty"

# Pseudo-MRI values are the papers' 8-bit scale, so that one window fits all of them.
_WINDOW, _LEVEL = 255.0, 127.5


class OutputLocation(NamedTuple):
    """Where a result lies: on the input's grid, from one of its voxels on.

    start - (i, j, k) in the input of the result's first voxel where a region was translated; None
        where all of the input was
    """

    inputNode: Any
    start: Optional[tuple[int, int, int]] = None


def syntheticName(inputName: str, method: str) -> str:
    """Return the name of an output. Slicer prints it in every slice view, so it is a mark too."""
    name = f"{inputName} SYNTHETIC MRI"
    return f"{name} ({method.upper()})" if method else name


def warningsOf(outputNode: Any) -> list[str]:
    """Return what the user should know about an output, one sentence each."""
    record = recordOf(outputNode.GetNodeReference(PROVENANCE_ROLE))
    sentences: list[str] = record.get("warnings", [])
    return sentences


def recordOf(textNode: Any) -> dict[str, Any]:
    """Return the record that a text node holds."""
    record: dict[str, Any] = json.loads(textNode.GetText())
    return record


def publish(
    result: Result, location: OutputLocation, outputNode: Optional[Any] = None, method: str = "ddic"
) -> Any:
    """Put a result into the scene, where its input lies, and return the output node.

    :param result: or anything else with a ``volume`` and a ``provenance``.
    :param outputNode: scalar volume to overwrite; a new one where it is None.
    :raises ValueError: the result does not fit its place. The scene is then as it was.
    """
    _checkSize(result.volume.array, location)
    created: list[Any] = []
    try:
        outputNode = outputNode or _addNode("vtkMRMLScalarVolumeNode", created)
        wasSynthetic = isSynthetic(outputNode)
        _setDisplay(outputNode, created)  # before the image: Slicer would measure it for a window
        fillNode(outputNode, result, location)
        outputNode.SetAndObserveTransformNodeID(location.inputNode.GetTransformNodeID())
        _setName(outputNode, syntheticName(location.inputNode.GetName(), method))
        # The file of a scan is not one for a synthetic image.
        _setStorage(outputNode, wasSynthetic, created)
        _setText(outputNode, dict(result.provenance), created)
        for node in (outputNode, outputNode.GetNodeReference(PROVENANCE_ROLE)):
            moveBeside(location.inputNode, node)
        markAsSynthetic(outputNode, created)
        _publishMaps(result, location, outputNode, created)
    except Exception:
        for node in reversed(created):
            slicer.mrmlScene.RemoveNode(node)
        raise
    return outputNode


def completeOutput(outputNode: Any) -> None:
    """Give a pseudo-MRI that came into the scene without them what :func:`publish` gives one.

    It has its attributes already; a window that somebody chose, and a record, are left alone. So
    is all of a map but the way in which it is saved.
    """
    from USToMRILib.provenance import HEADER_KEY

    _setStorage(outputNode, True, [])
    if not isPseudoMri(outputNode):
        return
    provenance = json.loads(outputNode.GetAttribute(HEADER_KEY) or "{}")
    _setName(outputNode, syntheticName(outputNode.GetName(), provenance.get("method", "")))
    display = outputNode.GetDisplayNode()
    if display is None or display.GetAutoWindowLevel():
        _setDisplay(outputNode, [])
    if outputNode.GetNodeReference(PROVENANCE_ROLE) is None:
        _setText(outputNode, provenance, [])
        moveBeside(outputNode, outputNode.GetNodeReference(PROVENANCE_ROLE))
    markAsSynthetic(outputNode, [])


def _publishMaps(
    result: Result, location: OutputLocation, outputNode: Any, created: list[Any]
) -> None:
    """Put the maps into the scene that there are; take older ones away."""
    maps = getattr(result, "maps", {})
    for name, role in (("residual", RESIDUAL_ROLE), ("uncertainty", UNCERTAINTY_ROLE)):
        node = outputNode.GetNodeReference(role)
        if node is not None and isPseudoMri(node):  # somebody chose it as an output since
            node = None
        if name not in maps:
            outputNode.SetNodeReferenceID(role, None)
            if node:
                removeDisplayable(node)
            continue
        if node is None:
            node = _addNode("vtkMRMLScalarVolumeNode", created)
            outputNode.SetNodeReferenceID(role, node.GetID())
        _setDisplay(node, created, "vtkMRMLColorTableNodeIron")
        fillNode(node, Result(maps[name], result.provenance), location, name.upper())
        node.SetAndObserveTransformNodeID(location.inputNode.GetTransformNodeID())
        node.SetName(_("{name} {map}").format(name=outputNode.GetName(), map=name))
        _setStorage(node, True, created)
        moveBeside(location.inputNode, node)
        if name == "uncertainty":
            _showSpread(node, created)
    publishTissues(maps.get("tissues"), result.provenance, outputNode, created)


def _showSpread(node: Any, created: list[Any]) -> None:
    """Colour an uncertainty from none to the most that there is, with a legend."""
    most = max(float(node.GetImageData().GetScalarRange()[1]), 1.0)
    node.GetDisplayNode().SetWindowLevel(most, most / 2)
    addLegend(node, _("Spread, grey levels\nnot an error"), created)


def _checkSize(array: np.ndarray, location: OutputLocation) -> None:
    image = location.inputNode.GetImageData()
    size = image.GetDimensions() if image else (0, 0, 0)
    ends = tuple(first + n for first, n in zip(location.start or (0, 0, 0), array.shape[::-1]))
    fits = all(end <= n for end, n in zip(ends, size)) if location.start else ends == tuple(size)
    if not fits:
        raise ValueError(_("The pseudo-MRI does not have the size of its input."))


def _addNode(className: str, created: list[Any]) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass(className)
    created.append(node)
    return node


def fillNode(node: Any, result: Result, location: OutputLocation, mapName: str = "") -> None:
    """Give a volume node, in the scene or not, a result's voxels, geometry and provenance.

    :param mapName: see :func:`setAttributes`.
    """
    with slicer.util.NodeModify(node):
        if getattr(result, "image", None):
            node.SetAndObserveImageData(result.image)
        else:
            slicer.util.updateVolumeFromArray(node, result.volume.array)
        # Copied, not computed from the result's grid: the bits stay the same.
        node.CopyOrientation(location.inputNode)
        if location.start:
            matrix = vtk.vtkMatrix4x4()
            location.inputNode.GetIJKToRASMatrix(matrix)
            node.SetOrigin(matrix.MultiplyPoint([*location.start, 1])[:3])
        setAttributes(node, result.provenance, mapName)


def _setName(outputNode: Any, name: str) -> None:
    """Name an output, unless the name that the user gave it says SYNTHETIC MRI already."""
    if "SYNTHETIC MRI" not in outputNode.GetName().replace("_", " "):
        outputNode.SetName(slicer.mrmlScene.GenerateUniqueName(name))


def _setDisplay(
    outputNode: Any, created: list[Any], colours: str = "vtkMRMLColorTableNodeGrey"
) -> None:
    isNew = outputNode.GetDisplayNode() is None
    outputNode.CreateDefaultDisplayNodes()
    display = outputNode.GetDisplayNode()
    if isNew:
        created.append(display)
    display.SetAndObserveColorNodeID(colours)
    display.AutoWindowLevelOff()
    display.SetWindowLevel(_WINDOW, _LEVEL)


def _setStorage(outputNode: Any, keepsFile: bool, created: list[Any]) -> None:
    """Have an output saved with its attributes, which Slicer's usual storage node leaves out.

    :param keepsFile: whether it goes on being saved into the NRRD that it came from.
    """
    before = outputNode.GetStorageNode()
    file = (before.GetFileName() or "") if before and keepsFile else ""
    if before and before.IsA("vtkMRMLNRRDStorageNode"):
        before.SetFileName(file)
        return
    storage = _addNode("vtkMRMLNRRDStorageNode", created)
    if file.lower().endswith((".nrrd", ".nhdr")):
        storage.SetFileName(file)
    outputNode.SetAndObserveStorageNodeID(storage.GetID())
    if before:
        slicer.mrmlScene.RemoveNode(before)


def setAttributes(node: Any, provenance: dict[str, Any], mapName: str = "") -> None:
    """Write the provenance as attributes of a node, in the place of any that were there.

    The description and the whole record are under the names that the library gives them in a
    file's header: an NRRD holds the attributes of its node, so both write the same fields.

    :param mapName: "RESIDUAL" or "UNCERTAINTY" where the node is no pseudo-MRI but a map of one.
    """
    from USToMRILib.provenance import HEADER_KEY

    for name in list(node.GetAttributeNames()):
        if name.startswith(ATTRIBUTE_PREFIX):
            node.RemoveAttribute(name)
    node.SetAttribute(SYNTHETIC_ATTRIBUTE, MAP if mapName else PSEUDO_MRI)
    node.SetAttribute(DESCRIPTION_KEY, f"{mapName} of a {DESCRIPTION}" if mapName else DESCRIPTION)
    node.SetAttribute(HEADER_KEY, json.dumps(provenance))
    for key, value in provenance.items():
        text = value if isinstance(value, str) else json.dumps(value)
        node.SetAttribute(ATTRIBUTE_PREFIX + key, text)


def _setText(outputNode: Any, provenance: dict[str, Any], created: list[Any]) -> None:
    """Write the provenance into a text node that the output refers to."""
    textNode = outputNode.GetNodeReference(PROVENANCE_ROLE)
    if textNode is None:
        textNode = _addNode("vtkMRMLTextNode", created)
        outputNode.SetNodeReferenceID(PROVENANCE_ROLE, textNode.GetID())
    textNode.SetName(_("{name} provenance").format(name=outputNode.GetName()))
    textNode.SetText(json.dumps(provenance, indent=2, ensure_ascii=False))


def moveBeside(inputNode: Any, node: Any) -> None:
    """Put a node into the subject hierarchy folder of another one."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    inputItem = hierarchy.GetItemByDataNode(inputNode)
    if not inputItem:
        return
    folder = hierarchy.GetItemParent(inputItem)
    item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(folder, node)
    hierarchy.SetItemParent(item, folder)
