"""The midline of a head in a slice, where the outline of the skull does not tell it.

The midline of most heads is the long axis of their outline. A round head has none, and in one that
is a little longer than wide, or cut obliquely, it may lie 20 degrees off and more: then the falx
tells, a bright line from front to back through the middle.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import InputError
from .brain import normalise_brain
from .ellipse import Ellipse, axis_angle
from .frame import HeadFrame
from .frame_spec import HEAD, SKULL, FrameSpec

# In which the falx is looked for: no network sees it, and the numbers below are in its pixels.
_FRAME = FrameSpec(HEAD, (128, 128), long_axis_pixels=112, inside=SKULL)
# Lines are looked for at these angles from the long axis, up to so many pixels beside the centre.
_ANGLES = np.radians(np.arange(-90, 90, 3))
_ASIDE = np.arange(-5, 6)
# Of the radius of a circle as large as the brain: as far out the falx is followed.
_REACH = 0.8
# A line is brighter than what lies so many pixels to both sides of it. Parts of it count by no more
# than a falx has, so that one bright spot is no line.
_BESIDE = 4
_DARKEST, _BRIGHTEST = -0.3, 0.5
_SMOOTH = 0.7
# Deviation of the midline from the long axis, divided by how much shorter the other axis is: 7
# degrees in a head of cephalic index 0.78, 30 in one of 0.95. How much a line's brightness weighs
# against that. Both were chosen on HC18's training images, as they are and stretched to rounder
# heads.
_SPREAD = np.radians(1.5)
_WEIGHT = 40.0
# The networks take turns of a few degrees; only greater ones are worth a doubt.
_LEAST_TURN = np.radians(7.5)
# How far a midline that is followed turns from one frame to the next.
_MOST_CHANGE = np.radians(12)


def with_midline(
    outline: Ellipse,
    pixels: np.ndarray,
    spacing: tuple[float, float],
    last: float | None = None,
) -> Ellipse:
    """The outline of a head with its midline as the image shows it.

    Args:
        outline: of the skull, in plane coordinates (mm).
        pixels: the slice [rows, columns], of any range.
        spacing: (x, y) of it in mm.
        last: angle of the midline in the frame before, in a cine.
    """
    upright = replace(outline, midline=0.0)
    try:
        frame = HeadFrame.around(upright, pixels.shape, spacing, _FRAME)
    except InputError:  # too small to hold a brain; whoever needs one says so
        return upright
    brain = normalise_brain(frame.to_frame(pixels), frame.mask)
    angles = _ANGLES
    if last is not None:
        change = np.abs([axis_angle(angle - last) for angle in outline.angle + angles])
        angles = angles[change <= _MOST_CHANGE]
    long, short = outline.semi_axes
    unlikely = (angles * (1 - short / long) / _SPREAD) ** 2 / 2
    score = _WEIGHT * falx_brightness(brain, frame.mask, angles) - unlikely
    turn = float(angles[score.argmax()])
    return replace(outline, midline=turn if abs(turn) > _LEAST_TURN or last is not None else 0.0)


def falx_brightness(brain: np.ndarray, inside: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """How bright the brightest line through the middle is at each angle, [angles].

    Args:
        brain: ultrasound of a brain in the frame, -1 .. 1.
        inside: bool, the same shape.
        angles: from the first axis of the frame towards the second, in radians.
    """
    from scipy.ndimage import gaussian_filter, map_coordinates

    image = gaussian_filter((brain + 1) / 2 * inside, _SMOOTH)
    radius = np.sqrt(inside.sum() / np.pi)
    along = np.arange(-_REACH, _REACH + 1e-6, 0.02) * radius
    aside = np.arange(_ASIDE[0] - _BESIDE, _ASIDE[-1] + _BESIDE + 1)
    c, s = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    middle = (np.array(image.shape) - 1)[:, None, None, None] / 2
    across = aside[:, None]
    places = np.stack([along * s + across * c, along * c - across * s]) + middle
    grey = map_coordinates(image, places, order=1)
    lines, left = grey[:, _BESIDE:-_BESIDE], grey[:, : -2 * _BESIDE]
    stands_out = lines - (left + grey[:, 2 * _BESIDE :]) / 2
    return stands_out.clip(_DARKEST, _BRIGHTEST).mean(axis=2).max(axis=1)
