"""The time points of a volume that shows a sequence."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

import slicer

# The units of an index that is a time.
_SECONDS = {"s": 1.0, "ms": 0.001}


class Sequence(NamedTuple):
    """A sequence, and the browser that shows one of its frames as a volume of the scene."""

    browser: Any
    node: Any

    def frameNodes(self) -> list[Any]:
        """Return the volumes of all time points."""
        return [self.node.GetNthDataNode(n) for n in range(self.node.GetNumberOfDataNodes())]

    def seconds(self) -> list[float]:
        """Return when each time point was, from the first; empty where its index is no time."""
        unit = _SECONDS.get(self.node.GetIndexUnit())
        if unit is None:
            return []
        numbers = range(self.node.GetNumberOfDataNodes())
        try:
            times = [unit * float(self.node.GetNthIndexValue(n)) for n in numbers]
        except ValueError:
            return []
        return [time - times[0] for time in times]


def sequenceOf(volumeNode: Any) -> Optional[Sequence]:
    """Return the sequence whose current frame a volume of the scene shows, if it does."""
    for browser in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode"):
        node = browser.GetSequenceNode(volumeNode)
        if node:
            return Sequence(browser, node)
    return None
