"""Contrast-to-noise ratios of the scene's pairs of regions, as a table, a chart and text."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

import slicer
import vtk
from slicer.i18n import tr as _

from ..Scene.RegionVoxels import measureContrast
from .CNRPairs import BACKGROUND, REGION, Pair, allPairs

if TYPE_CHECKING:
    from USToMRILib.image.cnr import Cnr

TABLE_ATTRIBUTE = "USToMRI.cnrTable"
ULTRASOUND_ROLE, PSEUDO_MRI_ROLE = "USToMRI.ultrasound", "USToMRI.pseudoMri"
PAIR_ROLE = "USToMRI.cnrPair"

_NOT_COMPUTED = float("nan")


class Measurement(NamedTuple):
    """What was measured in one image: a ratio, or one sentence that says why there is none."""

    cnr: Optional[Cnr]
    reason: str = ""


class PairMeasurement(NamedTuple):
    """What was measured at one pair in both images."""

    pair: Pair
    ultrasound: Measurement
    pseudoMri: Measurement

    @property
    def ratio(self) -> float:
        """The pseudo-MRI's contrast-to-noise ratio over the ultrasound's; NaN where unknown."""
        before, after = self.ultrasound.cnr, self.pseudoMri.cnr
        if before is None or after is None or before.cnr == 0:
            return _NOT_COMPUTED
        return after.cnr / before.cnr


def measurePair(pair: Pair, ultrasound: Any, pseudoMri: Any) -> PairMeasurement:
    """Measure a pair in both images; either of them may be None."""
    return PairMeasurement(pair, _measure(pair, ultrasound), _measure(pair, pseudoMri))


def measureAll(ultrasound: Any, pseudoMri: Any) -> list[PairMeasurement]:
    """Measure every pair of the scene."""
    return [measurePair(pair, ultrasound, pseudoMri) for pair in allPairs()]


def _measure(pair: Pair, volumeNode: Any) -> Measurement:
    from USToMRILib import InputError

    region, background = pair.region(REGION), pair.region(BACKGROUND)
    if region is None:
        return Measurement(None, _("Place the region, or choose one."))
    if background is None:
        return Measurement(None, _("Place the background, or choose one."))
    if volumeNode is None:
        return Measurement(None, _("No image is chosen."))
    try:
        return Measurement(measureContrast(volumeNode, region, background))
    except InputError as error:
        return Measurement(None, str(error))


def columnNames() -> list[str]:
    """Return the heads of the table's columns; the first holds names, the others numbers."""
    return [_("Pair"), *ratioNames(), _("Ratio of the CNRs"), *_statisticNames()]


def ratioNames() -> list[str]:
    """Return the heads of the two columns that the chart shows."""
    return [_("CNR ultrasound"), _("CNR pseudo-MRI")]


def _statisticNames() -> list[str]:
    names = []
    for image in (_("Ultrasound"), _("Pseudo-MRI")):
        for part in (_("region"), _("background")):
            for quantity in (_("mean"), _("SD"), _("voxels")):
                names.append(f"{image} {part} {quantity}")
    return names


def rowOf(measured: PairMeasurement) -> list[Any]:
    """Return a row of the table, NaN where nothing could be computed."""
    row: list[Any] = [measured.pair.name]
    images = (measured.ultrasound.cnr, measured.pseudoMri.cnr)
    row += [cnr.cnr if cnr else _NOT_COMPUTED for cnr in images]
    row.append(measured.ratio)
    for cnr in images:
        for part in (cnr.roi, cnr.background) if cnr else (None, None):
            if part is None:
                row += [_NOT_COMPUTED] * 3
            else:
                row += [part.mean, part.standard_deviation, part.voxels]
    return row


def asText(measured: list[PairMeasurement], separator: str = ",") -> str:
    """Return the table as lines of separated values, empty where nothing could be computed.

    The last columns say why, in words.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=separator, lineterminator="\n")
    writer.writerow([*columnNames(), _("Ultrasound note"), _("Pseudo-MRI note")])
    for each in measured:
        cells = ["" if cell != cell else cell for cell in rowOf(each)]  # NaN differs from itself
        writer.writerow([*cells, each.ultrasound.reason, each.pseudoMri.reason])
    return buffer.getvalue()


def tableNode() -> Optional[Any]:
    """Return the scene's table of contrast-to-noise ratios, if it has one."""
    for node in slicer.util.getNodesByClass("vtkMRMLTableNode"):
        if node.GetAttribute(TABLE_ATTRIBUTE):
            return node
    return None


def updateTable(measured: list[PairMeasurement], ultrasound: Any, pseudoMri: Any) -> Any:
    """Write the measurements into the scene's table, and return it; made where it is missing.

    The table refers to the two images and to the pairs, and is saved with the scene.
    """
    node = tableNode()
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", _("Contrast-to-noise ratios"))
        node.SetAttribute(TABLE_ATTRIBUTE, "true")
        _useNamesAsHeads(node)
    rows = [rowOf(each) for each in measured]
    table = vtk.vtkTable()
    for index, name in enumerate(columnNames()):
        table.AddColumn(_column(name, [row[index] for row in rows], isText=index == 0))
    with slicer.util.NodeModify(node):
        node.SetAndObserveTable(table)
        for role, image in ((ULTRASOUND_ROLE, ultrasound), (PSEUDO_MRI_ROLE, pseudoMri)):
            node.SetNodeReferenceID(role, image.GetID() if image else None)
        node.RemoveNodeReferenceIDs(PAIR_ROLE)
        for each in measured:
            node.AddNodeReferenceID(PAIR_ROLE, each.pair.node.GetID())
    return node


def _useNamesAsHeads(node: Any) -> None:
    """Let table views show the columns' names; the method was renamed after Slicer 5.8."""
    renamed = getattr(node, "SetUseColumnTitleAsColumnHeader", None)
    (renamed or node.SetUseColumnNameAsColumnHeader)(True)


def _column(name: str, cells: list[Any], isText: bool) -> Any:
    column = vtk.vtkStringArray() if isText else vtk.vtkDoubleArray()
    column.SetName(name)
    for cell in cells:
        column.InsertNextValue(cell)
    return column
