"""What all nodes that views draw have in common."""

from __future__ import annotations

from typing import Any

import slicer


def removeDisplayable(node: Any) -> None:
    """Remove a node with its display nodes, without which views would go on drawing it."""
    # The last first: a colour legend refers to the display node before it.
    for display in [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())][::-1]:
        slicer.mrmlScene.RemoveNode(display)
    slicer.mrmlScene.RemoveNode(node)
