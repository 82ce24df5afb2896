"""The bar chart of the contrast-to-noise ratios."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from ..Compare import CompareLayout
from .CNRLogic import columnNames, ratioNames

CHART_ROLE = "USToMRI.cnrChart"

# Told apart by colour-blind readers, on a light and on a dark background.
_COLOURS = ((0.34, 0.71, 0.91), (0.90, 0.62, 0.0))


def chartOf(tableNode: Any) -> Any:
    """Return the chart node of a table, which follows it; made where it is missing."""
    chart = tableNode.GetNodeReference(CHART_ROLE)
    if chart is None:
        chart = slicer.mrmlScene.AddNewNodeByClass(
            "vtkMRMLPlotChartNode", _("Contrast-to-noise ratios")
        )
        chart.SetTitle(_("Contrast-to-noise ratio"))
        chart.SetYAxisTitle(_("CNR"))
        chart.SetXAxisTitle("")
        chart.SetGridVisibility(True)
        # From zero: bars that start elsewhere make small differences look large.
        chart.SetYAxisRangeAuto(False)
        for column, colour in zip(ratioNames(), _COLOURS):
            chart.AddAndObservePlotSeriesNodeID(_bars(tableNode, column, colour).GetID())
        tableNode.SetNodeReferenceID(CHART_ROLE, chart.GetID())
    _fitAxis(chart, tableNode)
    return chart


def _bars(tableNode: Any, column: str, colour: tuple[float, float, float]) -> Any:
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", column)
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeBar)
    series.SetAndObserveTableNodeID(tableNode.GetID())
    series.SetYColumnName(column)
    series.SetLabelColumnName(columnNames()[0])
    series.SetColor(*colour)
    return series


def _fitAxis(chart: Any, tableNode: Any) -> None:
    highest = 0.0
    for name in ratioNames():
        column = tableNode.GetTable().GetColumnByName(name)
        values = [column.GetValue(row) for row in range(column.GetNumberOfTuples())]
        highest = max([highest, *(value for value in values if value == value)])  # NaN left out
    chart.SetYAxisRange(0, 1.1 * highest if highest else 1)


def showChart(tableNode: Any) -> None:
    """Show a table's chart: below the comparison, or in a layout of Slicer's with a plot view."""
    chart = chartOf(tableNode)
    if not CompareLayout.isShown():
        slicer.modules.plots.logic().ShowChartInLayout(chart)
        return
    CompareLayout.show(withChart=True)  # of which the logic of plots knows nothing
    applicationLogic = slicer.app.applicationLogic()
    applicationLogic.GetSelectionNode().SetActivePlotChartID(chart.GetID())
    applicationLogic.PropagatePlotChartSelection()
