"""The words SYNTHETIC MRI in every slice view that shows a pseudo-MRI."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

# Amber, readable on black as on white.
_COLOUR = (1.0, 0.8, 0.2)


def markAsSynthetic(volumeNode: Any, created: list[Any]) -> None:
    """Give a volume a colour legend whose title says that the volume is synthetic.

    Slicer draws a volume's legend in each slice view where the volume is a layer, in every layout
    and without this module, and saves it with the scene.

    :param created: receives the nodes that are added to the scene.
    """
    legend = _legendOf(volumeNode, _("Synthetic mark"), created)
    with slicer.util.NodeModify(legend):
        legend.SetAndObservePrimaryDisplayNode(volumeNode.GetDisplayNode())
        legend.SetTitleText(_("SYNTHETIC MRI\nnot for diagnosis"))
        legend.GetTitleTextProperty().SetColor(*_COLOUR)
        legend.GetTitleTextProperty().SetBold(True)
        # At the top, where the data probe writes nothing; too short a bar to be seen.
        legend.SetOrientation(legend.Horizontal)
        legend.SetSize(0.08, 0.01)
        legend.SetPosition(0.5, 1.0)
        legend.SetNumberOfLabels(0)
        legend.SetVisibility(True)


def addLegend(volumeNode: Any, title: str, created: list[Any]) -> None:
    """Give a volume a colour legend with numbers, shown in each slice view where it is a layer."""
    legend = _legendOf(volumeNode, _("Legend"), created)
    with slicer.util.NodeModify(legend):
        legend.SetAndObservePrimaryDisplayNode(volumeNode.GetDisplayNode())
        legend.SetTitleText(title)
        legend.SetNumberOfLabels(3)
        legend.SetLabelFormat("%.0f")
        legend.SetVisibility(True)


def _legendOf(volumeNode: Any, name: str, created: list[Any]) -> Any:
    """Return the colour legend that a volume has, or a new one."""
    legend = markOf(volumeNode)
    if legend is None:
        legend = slicer.vtkMRMLColorLegendDisplayNode()
        legend.SetName(slicer.mrmlScene.GenerateUniqueName(name))
        slicer.mrmlScene.AddNode(legend)
        created.append(legend)
        volumeNode.AddAndObserveDisplayNodeID(legend.GetID())
    return legend


def markOf(volumeNode: Any) -> Any:
    """Return the colour legend of a volume, None where it has none."""
    for index in range(volumeNode.GetNumberOfDisplayNodes()):
        display = volumeNode.GetNthDisplayNode(index)
        if display and display.IsA("vtkMRMLColorLegendDisplayNode"):
            return display
    return None
