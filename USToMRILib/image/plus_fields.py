"""What PLUS and its kin write of each frame beside the voxels, in MetaImage and in NRRD."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

# A field of one frame of a sequence: ``Seq_Frame0012_Timestamp``.
_FRAME_FIELD = re.compile(r"Seq_Frame(\d+)_(\w+)$")


def is_frame_field(name: str) -> bool:
    """Whether a header field belongs to one frame."""
    return _FRAME_FIELD.match(name) is not None


def is_plus(fields: Mapping[str, str]) -> bool:
    """Whether PLUS or a program of its kin wrote it, a sequence or a single frame."""
    return "UltrasoundImageOrientation" in fields or any(map(is_frame_field, fields))


def frame_count(fields: Mapping[str, str]) -> int:
    """Return how many frames have fields."""
    return len({found[1] for found in map(_FRAME_FIELD.match, fields) if found})


def states_spacing(fields: Mapping[str, str], spacing: np.ndarray) -> bool:
    """Whether a file's spacing along its axes of space is one: PLUS writes 1 where it knows none.

    Args:
        fields: of the header.
        spacing: as the header states it.
    """
    return not (is_plus(fields) and bool((spacing == 1).all()))


def transform_spacing(fields: Mapping[str, str]) -> np.ndarray | None:
    """Return the mm [3] of a pixel by the first transform from the image that scales, if any."""
    for name, value in fields.items():
        found = _FRAME_FIELD.match(name)
        if found and found[2].startswith("ImageTo") and found[2].endswith("Transform"):
            matrix = np.array(value.split(), float).reshape(4, 4)[:3, :3]
            scales = np.linalg.norm(matrix, axis=0)
            if not np.allclose(scales, 1, rtol=0, atol=1e-6) and (scales > 0).all():
                return scales
    return None


def seconds(fields: Mapping[str, str], count: int) -> tuple[float, ...]:
    """Return the times of the frames from the first, where all of them are stated."""
    times = {}
    for name, value in fields.items():
        found = _FRAME_FIELD.match(name)
        if found and found[2] == "Timestamp":
            times[int(found[1])] = float(value)
    if sorted(times) != list(range(count)):
        return ()
    return tuple(times[n] - times[0] for n in range(count))
