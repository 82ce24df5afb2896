"""Whether an image was computed by this software: by its header, or by the record beside it."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import InputError
from ..files import sidecar_path
from .sequence import ImageSequence
from .volume import Volume

# Every description of a pseudo-MRI has these words; that of a map of one, such as a residual, says
# what it is and goes on "of a SYNTHETIC pseudo-MRI, ...".
MARK = "SYNTHETIC pseudo-MRI"

_MOST_RECORD_BYTES = 2**22


def is_synthetic(volume: Volume | ImageSequence) -> bool:
    """Whether a volume is a pseudo-MRI or what goes with one."""
    in_header = any(MARK in value for value in volume.metadata.values())
    return in_header or (volume.source is not None and _has_record(volume.source))


def check_measured(volume: Volume | ImageSequence) -> None:
    """Raise InputError for an image that is itself synthetic."""
    if is_synthetic(volume):
        raise synthetic_input(str(volume.source or "The image"))


def synthetic_input(name: str) -> InputError:
    """Return the error for an image that is itself synthetic."""
    return InputError(
        f"{name} is itself synthetic, a pseudo-MRI or a map of one, not ultrasound; give the "
        "ultrasound, or insist with --allow-synthetic (allow_synthetic=True)."
    )


def _has_record(path: Path) -> bool:
    """Whether a record of this software lies beside a file."""
    record = sidecar_path(path)
    try:
        if not record.is_file() or record.stat().st_size > _MOST_RECORD_BYTES:
            return False
        content = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("tool") == "USToMRI"
