"""What PLUS and its kin write of each frame beside the voxels, in MetaImage and in NRRD."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .grid import Grid
from .image_file import ImageFile

# A field of one frame of a sequence: ``Seq_Frame0012_Timestamp``.
_FRAME_FIELD = re.compile(r"Seq_Frame(\d+)_(\w+)$")

# Along which axis of an image as it is to be shown a letter of the orientation lies.
_ORIENTATION = "UltrasoundImageOrientation"
_UPRIGHT = "MFA"
_AXES = {"M": 0, "U": 0, "F": 1, "N": 1, "A": 2, "D": 2}


def is_frame_field(name: str) -> bool:
    """Whether a header field belongs to one frame."""
    return _FRAME_FIELD.match(name) is not None


def is_plus(fields: Mapping[str, str]) -> bool:
    """Whether PLUS or a program of its kin wrote it, a sequence or a single frame."""
    return _ORIENTATION in fields or any(map(is_frame_field, fields))


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
    """Return the mm [3] of a pixel by the first transform from the image that scales, if any.

    The transform is that of the image as it is to be shown; the mm are along the file's axes.
    """
    axes = [_AXES[letter] for letter in _orientation(fields)]
    for name, value in fields.items():
        found = _FRAME_FIELD.match(name)
        if found and found[2].startswith("ImageTo") and found[2].endswith("Transform"):
            numbers = np.array([_number(word) for word in value.split()])
            if numbers.size != 16:
                continue
            scales = np.linalg.norm(numbers.reshape(4, 4)[:3, :3], axis=0)
            if not np.allclose(scales, 1, rtol=0, atol=1e-6) and (scales > 0).all():
                return scales[axes]
    return None


def seconds(fields: Mapping[str, str], count: int) -> tuple[float, ...]:
    """Return the times of the frames from the first, where all of them are stated."""
    times = {}
    for name, value in fields.items():
        found = _FRAME_FIELD.match(name)
        if found and found[2] == "Timestamp":
            times[int(found[1])] = _number(value)
    if sorted(times) != list(range(count)):
        return ()
    steps = [times[n + 1] - times[n] for n in range(count - 1)]
    if not all(step > 0 for step in steps):
        return ()
    return tuple(times[n] - times[0] for n in range(count))


def shown_upright(image: ImageFile, fields: Mapping[str, str]) -> ImageFile:
    """Return an image with its axes along the transducer's marked side, far and ascending.

    ``UltrasoundImageOrientation`` says where they point in the file: to the marked or the unmarked
    side, far or near, ascending or descending. As in PLUS, the grid is of the image so turned.
    """
    letters = _orientation(fields)
    if letters == _UPRIGHT:
        return image
    axes = [_AXES[letter] for letter in letters]
    order = [axes.index(axis) for axis in range(3)]
    grid = image.grid
    size, spacing = np.array(grid.size)[order], np.array(grid.spacing)[order]
    turned = Grid.of(size.tolist(), spacing, grid.origin, grid.axes)
    backward = [letters[axis] in "UND" for axis in order]

    def load(index: int) -> np.ndarray:
        voxels = image.load(index)
        voxels = voxels.transpose(*[2 - axis for axis in order[::-1]], *range(3, voxels.ndim))
        steps = tuple(slice(None, None, -1 if back else 1) for back in backward[::-1])
        return np.ascontiguousarray(voxels[steps])

    metadata = {**image.metadata, _ORIENTATION: _UPRIGHT}
    return replace(image, grid=turned, load=load, metadata=metadata)


def _orientation(fields: Mapping[str, str]) -> str:
    """Return where i, j and k of a file point, as three letters."""
    stated = fields.get(_ORIENTATION, "").upper()
    letters = stated if len(stated) == 3 else f"{stated}A"
    axes = sorted(_AXES.get(letter, -1) for letter in letters)
    return letters if axes == [0, 1, 2] else _UPRIGHT


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
