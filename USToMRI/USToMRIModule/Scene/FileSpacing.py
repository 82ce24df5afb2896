"""What the file of a single image says of the size of its pixels, and what Slicer made of that."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Optional

import slicer

from .Sequences import sequenceOf
from .VolumeNodes import DICOM_ATTRIBUTE

# Formats of pictures. Some state a resolution: that of a print (96 dpi), not of the ultrasound.
_TIFF_SUFFIXES = (".tif", ".tiff")
_PICTURE_SUFFIXES = (*_TIFF_SUFFIXES, ".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif")

# What Slicer takes where a file says nothing, in mm.
_UNSTATED = (1.0, 1.0)

# DICOM files that Slicer reads without its DICOM module.
_DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")

_MM_PER_INCH = 25.4


def overlookedSpacing(node: Any) -> Optional[tuple[float, float]]:
    """Return the size of a pixel (mm) that the file of a volume states and Slicer overlooks.

    That is the calibration of DICOM's ultrasound regions, and that of TIFF. That a pixel measures
    1 mm to the last digit is not believed.
    """
    path = _fileOf(node)
    candidates = [_dicomFileOf(node)]
    if path.lower().endswith((*_TIFF_SUFFIXES, *_DICOM_SUFFIXES)) or _isFromDicom(node):
        candidates.insert(0, path)
    found = (_stated(each, _changed(each)) for each in candidates)
    return next(filter(None, found), None)


def inventedSpacings(node: Any) -> list[tuple[float, float]]:
    """Return the spacings (mm) that a reader may have taken for an image."""
    path = _fileOf(node)
    changed = _changed(path)
    if path.lower().endswith(_PICTURE_SUFFIXES):
        printed = _printed(path, changed)
        return [_UNSTATED, printed] if printed else [_UNSTATED]
    isUnstated = _isFromDicom(node) or (changed and _lacksStatement(path, changed))
    return [_UNSTATED] if isUnstated else []


def _fileOf(node: Any) -> str:
    """Return the file that a volume, or the sequence that it shows, was read from; or nothing."""
    sequence = sequenceOf(node)
    storages = [each.GetStorageNode() for each in (node, *([sequence.node] if sequence else []))]
    names = [storage.GetFullNameFromFileName() or "" for storage in storages if storage]
    return next(filter(None, names), "")


def _dicomFileOf(node: Any) -> str:
    """Return the file of Slicer's DICOM database that a volume was read from; or nothing."""
    instances = (node.GetAttribute(DICOM_ATTRIBUTE) or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if not instances or database is None or not database.isOpen:
        return ""
    return str(database.fileForInstance(instances[0]) or "")


def _changed(path: str) -> int:
    """Return when a file was changed last, by the clock of its disk; 0 where there is none."""
    file = Path(path)
    return file.stat().st_mtime_ns if path and file.is_file() else 0


def _isFromDicom(node: Any) -> bool:
    """Return whether a volume was read from DICOM files: by the DICOM module, or one by itself."""
    isFile = _fileOf(node).lower().endswith(_DICOM_SUFFIXES)
    return isFile or bool(node.GetAttribute(DICOM_ATTRIBUTE))


def _lacksStatement(path: str, changed: int) -> bool:
    """Return whether a file is known not to say how large its pixels are."""
    from USToMRILib import InputError

    try:
        return not _statesPixelSize(path, changed)
    except InputError:  # for example, as long as a package is not installed
        return False


@functools.lru_cache(maxsize=64)
def _stated(path: str, changed: int) -> Optional[tuple[float, float]]:
    """Return the size of a pixel (mm) that a DICOM file or a TIFF states."""
    if not changed:
        return None
    from USToMRILib import InputError
    from USToMRILib.image.picture_size import stated_pixel_size

    try:
        stated = stated_pixel_size(Path(path))
    except (InputError, OSError):  # damaged, or of several sizes
        return None
    return None if stated == _UNSTATED else stated


@functools.lru_cache(maxsize=64)
def _statesPixelSize(path: str, changed: int) -> bool:
    from USToMRILib.image.formats import states_pixel_size

    return states_pixel_size(Path(path))


@functools.lru_cache(maxsize=64)
def _printed(path: str, changed: int) -> Optional[tuple[float, float]]:
    """Return the spacing (mm) of a picture at its printing resolution, where it states one."""
    if not changed:
        return None
    from PIL import Image

    try:
        with Image.open(path) as picture:
            dots = picture.info.get("dpi")
    except (OSError, ValueError, SyntaxError):
        return None
    if not dots or min(dots) <= 0:
        return None
    return _MM_PER_INCH / float(dots[0]), _MM_PER_INCH / float(dots[1])
