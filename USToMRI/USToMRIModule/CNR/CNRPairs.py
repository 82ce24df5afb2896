"""The pairs of regions whose contrast is measured: each a node, saved with the scene."""

from __future__ import annotations

from typing import Any, Optional

import slicer
from slicer.i18n import tr as _

from ..Scene.DisplayableNodes import removeDisplayable
from ..Scene.RegionVoxels import Region

PAIR_ATTRIBUTE = "USToMRI.cnrPair"

# Marks the regions that this module placed, and that it may remove with their pair.
PLACED_ATTRIBUTE = "USToMRI.placedRegion"

# The two regions of a pair; also the names of the node references.
REGION, BACKGROUND = "region", "background"
ROLES = (REGION, BACKGROUND)


def presetNames() -> list[str]:
    """Return names of pairs that are often measured in the fetal head."""
    return [
        _("Proximal lateral ventricle"),
        _("Distal lateral ventricle"),
        _("Sylvian fissures"),
    ]


class Pair:
    """A named region and its background. Two objects are equal if they show the same node."""

    def __init__(self, node: Any) -> None:
        """Show a pair's node."""
        self.node = node

    def __eq__(self, other: object) -> bool:
        """Compare the nodes."""
        return isinstance(other, Pair) and self.node is other.node

    @property
    def name(self) -> str:
        """The name that the user gave it."""
        name: str = self.node.GetName()
        return name

    def region(self, role: str) -> Optional[Region]:
        """Return one of the two regions; None where none is chosen, or it left the scene."""
        node = self.node.GetNodeReference(role)
        return Region(node, self.node.GetParameter(f"{role}.segment")) if node else None

    def regionName(self, role: str) -> str:
        """Return the name of a region that is placed for it; what it is comes first."""
        text = _("Region of {pair}") if role == REGION else _("Background of {pair}")
        return text.format(pair=self.name)

    def setRegion(self, role: str, node: Optional[Any], segmentId: str = "") -> None:
        """Choose one of the two regions; of a segmentation its first segment by default."""
        if node is not None and node.IsA("vtkMRMLSegmentationNode") and not segmentId:
            segmentId = node.GetSegmentation().GetNthSegmentID(0) or ""
        with slicer.util.NodeModify(self.node):
            self.node.SetNodeReferenceID(role, node.GetID() if node else None)
            self.node.SetParameter(f"{role}.segment", segmentId)


def allPairs() -> list[Pair]:
    """Return the pairs of the scene in the order in which they were made."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
    return [Pair(node) for node in nodes if node.GetAttribute(PAIR_ATTRIBUTE)]


def addPair(name: str) -> Pair:
    """Add a pair without regions; its name is made unique."""
    node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
    node.UnRegister(None)
    node.SetName(slicer.mrmlScene.GenerateUniqueName(name))
    node.SetAttribute(PAIR_ATTRIBUTE, "true")
    node.SetHideFromEditors(True)
    return Pair(slicer.mrmlScene.AddNode(node))


def removePair(pair: Pair) -> None:
    """Remove a pair, and the regions that were placed for it and that no other pair uses."""
    regions = [pair.node.GetNodeReference(role) for role in ROLES]
    slicer.mrmlScene.RemoveNode(pair.node)
    inUse = [other.node.GetNodeReference(role) for other in allPairs() for role in ROLES]
    for node in regions:
        if node is not None and node.GetAttribute(PLACED_ATTRIBUTE) and node not in inUse:
            removeDisplayable(node)
