"""Where in the skull the brain lies, and how clearly the skull shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import InputError
from ..image.intensity import percentile, rescale
from .ellipse import Ellipse

# From the outer outline of the skull to the brain, on every side.
_LEAST_MM = 1.5
_PART_OF_LONG_AXIS = 0.02

# Where the echo of the skull is looked for, and what it is compared with, as parts of the way from
# the centre to the outline; directions, and over how many of them speckle is averaged.
_RIM, _WITHIN = np.linspace(0.93, 1.05, 9), np.linspace(0.6, 0.88, 9)
_DIRECTIONS, _AVERAGED = 180, 5
# Added to grey levels of 0 .. 1: in blackness a little noise is no echo.
_BLACK = 0.01


def brain_inside(outline: Ellipse) -> Ellipse:
    """The brain's ellipse in a skull with this outer outline.

    Raises:
        InputError: the outline is too small to hold a brain.
    """
    long, short = outline.semi_axes
    skull = _LEAST_MM + _PART_OF_LONG_AXIS * 2 * long
    if short <= skull:
        raise InputError(cannot_be(outline))
    return replace(outline, semi_axes=(long - skull, short - skull))


def skull_around(brain: Ellipse) -> Ellipse:
    """The outer outline of a skull in which this is the brain: :func:`brain_inside` undone."""
    length, width = brain.semi_axes
    long = (length + _LEAST_MM) / (1 - 2 * _PART_OF_LONG_AXIS)
    return replace(brain, semi_axes=(long, width + long - length))


def cannot_be(outline: Ellipse) -> str:
    """What to say of an outline that no head has."""
    length, width = (2 * axis for axis in outline.semi_axes)
    return (
        f"The head measures {length:.2g} mm x {width:.2g} mm, which cannot be; correct the pixel "
        "size (mm), or give the head with --head-mask FILE."
    )


def rim_brightness(pixels: np.ndarray, spacing: tuple[float, float], outline: Ellipse) -> float:
    """How many times as bright an outline is as what lies within, as the geometric mean around it.

    A skull echoes more strongly than the brain; the wall of an abdomen does not, nor anything that
    merely looks like an ellipse.

    Args:
        pixels: a slice [rows, columns], of any range.
        spacing: (x, y) of it in mm.
        outline: in plane coordinates (mm).
    """
    grey = (rescale(pixels, float(pixels.min()), percentile(pixels, 99.5)) + 1) / 2
    turns = np.linspace(0, 2 * np.pi, _DIRECTIONS, endpoint=False)
    towards = np.stack([np.cos(turns), np.sin(turns)], 1) * outline.semi_axes @ outline.rotation.T

    def seen(parts: np.ndarray) -> np.ndarray:
        """Grey levels [parts, directions], averaged over neighbouring directions."""
        places = parts[:, None, None] * towards + outline.centre
        columns, rows = (places / spacing).round().astype(int).transpose(2, 0, 1)
        rows, columns = (i.clip(0, n - 1) for i, n in zip((rows, columns), pixels.shape))
        around = range(-(_AVERAGED // 2), _AVERAGED // 2 + 1)
        return np.mean([np.roll(grey[rows, columns], turn, axis=1) for turn in around], axis=0)

    rim, within = seen(_RIM).max(axis=0), seen(_WITHIN).mean(axis=0)
    return float(np.exp(np.log((rim + _BLACK) / (within + _BLACK)).mean()))
