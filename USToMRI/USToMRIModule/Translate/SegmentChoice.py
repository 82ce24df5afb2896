"""Choosing the segment of a segmentation that is the region to translate."""

from __future__ import annotations

from typing import Any, Optional

from ..Scene.RegionVoxels import Region


class SegmentChoice:
    """Keeps a combo box and the parameter ``segment`` in step; hidden where none is needed."""

    def __init__(self, comboBox: Any) -> None:
        """Follow the user's choices in the box."""
        self._comboBox = comboBox
        self._parameterNode: Any = None
        self._segmentIds: list[str] = []
        self._filling = False
        comboBox.visible = False
        comboBox.connect("currentIndexChanged(int)", self._onChosen)

    def setParameterNode(self, parameterNode: Optional[Any]) -> None:
        """Follow a parameter node from now on; none where it is None."""
        self._parameterNode = parameterNode

    def region(self) -> Optional[Region]:
        """Return the region that the parameters describe, None for the whole image."""
        chosen = self._parameterNode
        return Region(chosen.region, chosen.segment) if chosen.region else None

    def update(self) -> None:
        """Show the segments of the chosen segmentation; its first where none is chosen."""
        node = self._parameterNode.region
        isSegmentation = node is not None and node.IsA("vtkMRMLSegmentationNode")
        self._comboBox.visible = isSegmentation
        if not isSegmentation:
            return
        segmentation = node.GetSegmentation()
        numbers = range(segmentation.GetNumberOfSegments())
        self._segmentIds = [segmentation.GetNthSegmentID(n) for n in numbers]
        self._filling = True
        self._comboBox.clear()
        for n in numbers:
            self._comboBox.addItem(segmentation.GetNthSegment(n).GetName())
        if self._parameterNode.segment in self._segmentIds:
            self._comboBox.currentIndex = self._segmentIds.index(self._parameterNode.segment)
        self._filling = False
        self._onChosen(self._comboBox.currentIndex)

    def _onChosen(self, index: int) -> None:
        if self._filling or self._parameterNode is None:
            return
        segmentId = self._segmentIds[index] if 0 <= index < len(self._segmentIds) else ""
        if segmentId != self._parameterNode.segment:
            self._parameterNode.segment = segmentId
