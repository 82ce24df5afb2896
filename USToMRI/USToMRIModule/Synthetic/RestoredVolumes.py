"""Volumes that came back from a file without the marks of a synthetic image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..Scene.VolumeNodes import isPseudoMri, isSynthetic
from .OutputNodes import completeOutput, setAttributes
from .SyntheticFile import readRecord
from .SyntheticMark import markOf


def restoreVolume(node: Any) -> None:
    """Give a volume of the scene what a pseudo-MRI has there, if it is one and lacks it.

    Slicer's usual reader of volumes takes the voxels and leaves the other fields of the header.
    """
    if node.GetImageData() is None or node.IsA("vtkMRMLLabelMapVolumeNode"):
        return
    if isSynthetic(node):
        if isPseudoMri(node) and markOf(node) is None:  # a copy, or a time point of a sequence
            completeOutput(node)
        return
    record = readRecord(_fileOf(node))
    # What was changed since may be another image, about to be written over that file.
    if record is not None and not node.GetModifiedSinceRead():
        setAttributes(node, record.provenance, record.mapName)
        completeOutput(node)


def _fileOf(node: Any) -> Path:
    storage = node.GetStorageNode()
    return Path(storage.GetFullNameFromFileName() or "" if storage else "")
