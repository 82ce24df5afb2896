"""Giving an ultrasound another pixel size, together with what was made of it."""

from __future__ import annotations

from typing import Any

import slicer

from ..Scene.PixelSize import writePixelSize
from ..Scene.RegionVoxels import Region, maskOf
from ..Scene.Segments import setSegment
from ..Scene.Sequences import sequenceOf
from ..Scene.VolumeNodes import holdsImage, isSynthetic
from ..Scene.WorldSpace import onSameGrid
from .TissueNodes import TISSUES_ROLE


def resize(ultrasound: Any, pixelSize: float) -> None:
    """Write a pixel size into a single slice; pseudo-MRIs, maps and tissues stay in its place.

    :param pixelSize: in mm, as seen in the world.
    """
    made = [each for each in _synthetic() if onSameGrid(ultrasound, each)]
    segments = [part for each in made for part in _segmentsOf(each)]
    masks = [maskOf(segment, ultrasound) for segment in segments]
    for frame in _framesOf(ultrasound):
        writePixelSize(frame, pixelSize)
    writePixelSize(ultrasound, pixelSize)
    for each in made:
        for node in (each, *_framesOf(each)):
            node.CopyOrientation(ultrasound)
    for segment, mask in zip(segments, masks):
        setSegment(segment.node, segment.segmentId, mask, ultrasound)


def _synthetic() -> list[Any]:
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [node for node in nodes if isSynthetic(node) and holdsImage(node)]


def _segmentsOf(pseudoMri: Any) -> list[Region]:
    """Return the segments of the tissues that a pseudo-MRI refers to."""
    node = pseudoMri.GetNodeReference(TISSUES_ROLE)
    if node is None:
        return []
    segmentation = node.GetSegmentation()
    numbers = range(segmentation.GetNumberOfSegments())
    return [Region(node, segmentation.GetNthSegmentID(n)) for n in numbers]


def _framesOf(volumeNode: Any) -> list[Any]:
    """Return the time points or samples that a volume shows one of; none where it shows itself."""
    sequence = sequenceOf(volumeNode)
    return sequence.frameNodes() if sequence else []
