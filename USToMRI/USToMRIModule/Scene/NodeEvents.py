"""When a node of the scene may hold other values than before."""

from __future__ import annotations

from typing import Any

import slicer
import vtk


def eventsOf(node: Any) -> list[int]:
    """Return the events after which a volume or a region may hold other values."""
    events = [vtk.vtkCommand.ModifiedEvent, slicer.vtkMRMLTransformableNode.TransformModifiedEvent]
    if node.IsA("vtkMRMLVolumeNode"):
        events.append(slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent)
    elif node.IsA("vtkMRMLSegmentationNode"):
        segmentation = slicer.vtkSegmentation
        events += [
            segmentation.SourceRepresentationModified,
            segmentation.SegmentAdded,
            segmentation.SegmentModified,
            segmentation.SegmentRemoved,
        ]
    else:
        markups = slicer.vtkMRMLMarkupsNode
        events += [
            markups.PointModifiedEvent,
            markups.PointPositionDefinedEvent,
            markups.PointPositionUndefinedEvent,
            markups.PointRemovedEvent,
        ]
    return events
