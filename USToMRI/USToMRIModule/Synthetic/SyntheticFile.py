"""What an image file says of itself: whether networks made it, and how."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, NamedTuple, Optional

# Every file of a pseudo-MRI has these words in its description, those of the library too; that of
# a residual or an uncertainty begins with what it is: "RESIDUAL of a SYNTHETIC pseudo-MRI, ...".
DESCRIPTION_KEY = "description"
DESCRIPTION = "SYNTHETIC pseudo-MRI, USToMRI, not for diagnosis"
_MARK = b"SYNTHETIC pseudo-MRI"
_MAPS = ("RESIDUAL", "UNCERTAINTY")

# Where a description may lie: a header is at the beginning, the text of a TIFF at the end.
_HEAD_BYTES, _TAIL_BYTES = 2**20, 2**16


class FileRecord(NamedTuple):
    """What a file says of a synthetic image.

    provenance - how it was made; empty where the format had no room and no record lies beside it
    mapName - "RESIDUAL" or "UNCERTAINTY" where it is no pseudo-MRI but a map of one
    """

    provenance: dict[str, Any]
    mapName: str


def readRecord(path: Path) -> Optional[FileRecord]:
    """Return what a file says, None where it does not call itself synthetic.

    Looks at little of the file, and imports nothing where that does not have the mark.
    """
    try:
        ends = _ends(path)
    except (OSError, EOFError):
        return None  # a folder, gone, or not compressed as its name says
    if _MARK not in ends:
        return None
    provenance = _fromHeader(path) or _fromSidecar(path) or {}
    maps = [name for name in _MAPS if name.encode() + b" of a " + _MARK in ends]
    return FileRecord(provenance, maps[0] if maps else "")


def _ends(path: Path) -> bytes:
    if path.suffix.lower() == ".gz":
        with gzip.open(path) as stream:
            return stream.read(_HEAD_BYTES)
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        file.seek(max(len(head), path.stat().st_size - _TAIL_BYTES))
        return head + file.read()


def _fromHeader(path: Path) -> Optional[dict[str, Any]]:
    from USToMRILib import InputError
    from USToMRILib.image.itk_files import open_header
    from USToMRILib.provenance import HEADER_KEY

    try:
        reader = open_header(path)
    except InputError:
        return None  # a picture
    return _parsed(reader.GetMetaData(HEADER_KEY) if reader.HasMetaDataKey(HEADER_KEY) else "")


def _fromSidecar(path: Path) -> Optional[dict[str, Any]]:
    from USToMRILib.files import sidecar_path

    try:
        return _parsed(sidecar_path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def _parsed(text: str) -> Optional[dict[str, Any]]:
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
