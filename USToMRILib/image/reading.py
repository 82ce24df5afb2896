"""What the readers of all image formats share: limits, frames and grey values."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ..errors import InputError
from .grid import Grid

# What a reader returns: voxels [k, j, i], where they lie, and header fields worth keeping.
RawImage = tuple[np.ndarray, Grid, dict[str, str]]

MAX_BYTES = 4 * 2**30

# Pixels that are more oblong are a mistake in the header.
_MOST_ASPECT = 10.0
_SQUARE_TOLERANCE = 2e-3

# What some editors put before a text.
BYTE_ORDER_MARK = "\ufeff"


def check_bytes(path: Path, size: tuple[int, ...], bytes_per_voxel: int) -> None:
    """Raise InputError if an image of this size would take more than 4 GiB of memory."""
    needed = math.prod(size) * bytes_per_voxel
    if needed > MAX_BYTES:
        extent = " x ".join(str(n) for n in size)
        raise InputError(
            f"{path} holds {extent} voxels ({needed / 2**30:.1f} GiB), more than the limit of "
            "4 GiB; crop or resample it first."
        )


class UnreadableError(InputError):
    """A file that cannot be decoded."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is damaged, incomplete or not an image of this format; copy or export it "
            "again."
        )


def check_pixel_size(pixel_size: float | None) -> None:
    """Raise InputError unless the pixel size is None or a finite number of mm above zero."""
    if pixel_size is not None and not (math.isfinite(pixel_size) and pixel_size > 0):
        raise InputError(f"The pixel size must be a number of mm above zero, not {pixel_size}.")


def missing_pixel_size(path: Path) -> InputError:
    """Return the error for a file that does not say how large its pixels are."""
    return InputError(f"{path} has no pixel size; give it with --pixel-size MM (pixel_size=...).")


class NeedlessPixelSizeError(InputError):
    """A pixel size was given for a file that has its own."""


def needless_pixel_size(path: Path) -> NeedlessPixelSizeError:
    """Return the error for a pixel size given to a file that has its own."""
    return NeedlessPixelSizeError(
        f"{path} has its own voxel spacing; leave --pixel-size (pixel_size=...) out, or correct "
        "the spacing in the file."
    )


def pixel_aspect(across: float, down: float) -> float:
    """Return the height of a pixel as a part of its width; 1 where the numbers say nothing.

    Args:
        across, down: pixels in any length, the same along both.
    """
    if not (math.isfinite(across) and math.isfinite(down) and across > 0 and down > 0):
        return 1.0
    aspect = across / down
    is_square = abs(aspect - 1) < _SQUARE_TOLERANCE  # rounded to whole numbers
    return 1.0 if is_square or max(aspect, 1 / aspect) > _MOST_ASPECT else aspect


def choose_frame(path: Path, count: int, frame: int | None, what: str = "frames") -> int:
    """Return the index of the frame to read, counted from 0.

    Raises:
        InputError: there are several and none was chosen, or there is no such frame.
    """
    if frame is None and count > 1:
        raise InputError(
            f"{path} holds {count} {what}, not one image; pick one with --frame N (frame=N), "
            f"N from 0 to {count - 1}."
        )
    chosen = 0 if frame is None else frame
    if not 0 <= chosen < count:
        raise InputError(
            f"{path} has no frame {chosen}; "
            + ("it holds one image only." if count == 1 else f"choose from 0 to {count - 1}.")
        )
    return chosen


def luma(colour: np.ndarray) -> np.ndarray:
    """Turn colour [..., 3 or 4] (R, G, B and an ignored alpha) into grey [...] of the same dtype.

    The weights are those of ITU-R BT.601, Y = 0.299 R + 0.587 G + 0.114 B, arranged around G so
    that a grey pixel (R = G = B) keeps its value exactly.
    """
    values = colour.astype(np.result_type(colour.dtype, np.float32), copy=False)
    red, green, blue = values[..., 0], values[..., 1], values[..., 2]
    grey = green + 0.299 * (red - green) + 0.114 * (blue - green)
    if colour.dtype.kind in "iu":
        grey = np.rint(grey)
    return grey.astype(colour.dtype)
