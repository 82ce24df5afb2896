"""The tissues that a network saw, as a segmentation and a table of the scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from ..Scene.DisplayableNodes import removeDisplayable
from ..Scene.Segments import setSegment
from ..Scene.VolumeNodes import MAP, SYNTHETIC_ATTRIBUTE, isSlice
from ..Scene.WorldSpace import worldSpacing

if TYPE_CHECKING:
    from USToMRILib import Volume

TISSUES_ROLE, TABLE_ROLE = "USToMRI.tissues", "USToMRI.tissueTable"

_FILL_OPACITY = 0.25

# Of Slicer's terminology: category, type, and the lists that they are from.
_CATEGORIES = "Segmentation category and type - 3D Slicer General Anatomy list"
_TERMINOLOGY = (
    "{categories}~SCT^123037004^Anatomical Structure~{code}~^^"
    "~Anatomic codes - DICOM master list~^^~^^"
)


def publishTissues(
    labels: Optional[Volume], provenance: dict[str, Any], outputNode: Any, created: list[Any]
) -> None:
    """Put a label map into the scene as a segmentation with its table; else take older ones away.

    :param labels: numbers of :class:`USToMRILib.fetal.tissues.Tissue` on the output's grid.
    :param provenance: the record of the translation.
    :param outputNode: the pseudo-MRI, which refers to both.
    """
    for role in (TISSUES_ROLE, TABLE_ROLE):
        old = outputNode.GetNodeReference(role)
        outputNode.SetNodeReferenceID(role, None)
        if old is not None and role == TISSUES_ROLE:
            removeDisplayable(old)
        elif old is not None:
            slicer.mrmlScene.RemoveNode(old)
    if labels is None:
        return
    segmentation = _addSegmentation(np.rint(labels.array).astype(np.uint8), outputNode, created)
    outputNode.SetNodeReferenceID(TISSUES_ROLE, segmentation.GetID())
    table = _addTable(np.rint(labels.array).astype(int), provenance, outputNode, created)
    outputNode.SetNodeReferenceID(TABLE_ROLE, table.GetID())


def _addSegmentation(labels: np.ndarray, outputNode: Any, created: list[Any]) -> Any:
    from USToMRILib.fetal.tissue_codes import TISSUE_LABELS
    from USToMRILib.fetal.tissues import Tissue

    name = _("{name} tissues").format(name=outputNode.GetName())
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    created.append(node)
    node.SetAttribute(SYNTHETIC_ATTRIBUTE, MAP)
    node.CreateDefaultDisplayNodes()
    created.append(node.GetDisplayNode())
    node.SetReferenceImageGeometryParameterFromVolumeNode(outputNode)
    node.SetAndObserveTransformNodeID(outputNode.GetTransformNodeID())
    for tissue in Tissue:
        inside = labels == tissue
        if not inside.any():
            continue
        segmentId = node.GetSegmentation().AddEmptySegment(tissue.name, tissue.title)
        setSegment(node, segmentId, inside, outputNode)
        segment = node.GetSegmentation().GetSegment(segmentId)
        segment.SetColor(*(part / 255 for part in tissue.colour))
        code, meaning = TISSUE_LABELS[tissue].code
        entry = _TERMINOLOGY.format(categories=_CATEGORIES, code=f"SCT^{code}^{meaning}")
        segment.SetTag("TerminologyEntry", entry)
    node.GetDisplayNode().SetOpacity2DFill(_FILL_OPACITY)
    # The ultrasound would be seen through them, and has no mark that says SYNTHETIC.
    node.GetDisplayNode().SetVisibility(False)
    return node


def ventriclesOf(measured: dict[str, Any]) -> str:
    """Return the widths of the lateral ventricles with their error, in words; nothing without.

    :param measured: "tissues_measured" of a record.
    """
    widths = measured.get("lateral_ventricle_widths_mm", [])
    return _inWords(widths, measured.get("lateral_ventricle_width_error_mm"))


def cerebellumOf(measured: dict[str, Any]) -> str:
    """Return the transcerebellar diameter with its error, in words; nothing without.

    :param measured: "tissues_measured" of a record.
    """
    diameter = measured.get("transcerebellar_diameter_mm")
    error = measured.get("transcerebellar_diameter_error_mm")
    return _inWords([diameter] if diameter else [], error)


def _inWords(widths: list[float], error: Optional[dict[str, float]]) -> str:
    if not widths:
        return ""
    text = ", ".join(f"{width:.1f}" for width in widths)
    if not error:
        return str(_("{widths} mm (error not measured)").format(widths=text))
    told = _("{widths} \u00b1 {median:.1f} mm (on simulated pairs; 9 of 10 within {most:.1f} mm)")
    return str(told.format(widths=text, median=error["median"], most=error["percentile_90"]))


def recordedSpacing(provenance: dict[str, Any], outputNode: Any) -> tuple[float, ...]:
    """Return how large the voxels (i, j, k) of a pseudo-MRI are, in mm.

    It is what they were translated with: the size that a user gave is not that of the node.
    """
    spacing = provenance.get("input", {}).get("grid", {}).get("spacing")
    return tuple(spacing or worldSpacing(outputNode))


def _addTable(
    labels: np.ndarray, provenance: dict[str, Any], outputNode: Any, created: list[Any]
) -> Any:
    from USToMRILib.fetal.tissues import Tissue

    measured = provenance.get("parameters", {}).get("tissues_measured", {})
    spacing = np.array(recordedSpacing(provenance, outputNode))
    ofSlice = isSlice(outputNode)
    unit = float(np.prod(spacing[:2])) if ofSlice else float(np.prod(spacing)) / 1000
    names, sizes, widths = vtk.vtkStringArray(), vtk.vtkDoubleArray(), vtk.vtkStringArray()
    widths.SetName(_("Width, SYNTHETIC"))
    measuredWidths = {
        Tissue.VENTRICLES: ventriclesOf(measured),
        Tissue.CEREBELLUM: cerebellumOf(measured),
    }
    names.SetName(_("Tissue"))
    sizes.SetName(_("Area (mm2)") if ofSlice else _("Volume (ml)"))
    counts = np.bincount(labels.ravel(), minlength=len(Tissue) + 1)
    for tissue in Tissue:
        if counts[tissue]:
            names.InsertNextValue(tissue.title)
            sizes.InsertNextValue(counts[tissue] * unit)
            widths.InsertNextValue(measuredWidths.get(tissue, ""))
    name = _("{name} tissue sizes").format(name=outputNode.GetName())
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
    created.append(node)
    for column in (names, sizes, *([widths] if any(measuredWidths.values()) else [])):
        node.AddColumn(column)
    return node
