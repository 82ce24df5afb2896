"""The time points of a volume that shows a sequence."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

import slicer


class Sequence(NamedTuple):
    """A sequence, and the browser that shows one of its frames as a volume of the scene."""

    browser: Any
    node: Any

    def frameNodes(self) -> list[Any]:
        """Return the volumes of all time points."""
        return [self.node.GetNthDataNode(n) for n in range(self.node.GetNumberOfDataNodes())]


def sequenceOf(volumeNode: Any) -> Optional[Sequence]:
    """Return the sequence whose current frame a volume of the scene shows, if it does."""
    for browser in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode"):
        node = browser.GetSequenceNode(volumeNode)
        if node:
            return Sequence(browser, node)
    return None
