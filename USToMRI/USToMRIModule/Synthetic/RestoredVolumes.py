"""Volumes that came back from a file without the marks of a synthetic image."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import slicer

from ..Scene.VolumeNodes import DICOM_ATTRIBUTE, isPseudoMri, isSynthetic
from .OutputNodes import completeOutput, setAttributes
from .SyntheticFile import FileRecord, readRecord
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
    record = _recordOf(node)
    if record is not None:
        setAttributes(node, record.provenance, record.mapName)
        completeOutput(node)


def saysSynthetic(node: Any) -> bool:
    """Return whether a volume, in the scene or not, is synthetic by itself or by its file."""
    return isSynthetic(node) or _recordOf(node) is not None


def _recordOf(node: Any) -> Optional[FileRecord]:
    storage = node.GetStorageNode()
    name = storage.GetFullNameFromFileName() if storage else ""
    if name:
        # What was changed since may be another image, about to be written over that file.
        return None if node.GetModifiedSinceRead() else readRecord(Path(name))
    instances = (node.GetAttribute(DICOM_ATTRIBUTE) or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if not (instances and database):
        return None
    return readRecord(Path(database.fileForInstance(instances[0])))
