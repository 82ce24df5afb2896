"""Top, front and thalami of a head, told from the tissues that a network names in its slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..frame import HeadFrame
from ..tissues import Tissue
from .find import VolumeHead

# Mean over atlas volumes of both the CRL and the Wu atlas, of the skull's long axis against the
# axes of the atlases: it rises to the front.
LONG_AXIS_RISE_DEG = 8.9
# So far above the thalami, in lengths of the brain, the lateral ventricles are wide; so far below
# there is little of them, and the brainstem begins.
_ABOVE = (0.04, 0.12)
# Deep grey matter so much further off is another tissue misnamed.
_THALAMI, _ROUNDS = 0.2, 4
# What is less of the area of a square as wide as the brain is long tells nothing.
_LITTLE = 1e-4


def upright(
    head: VolumeHead,
    frames: dict[int, HeadFrame],
    middle: np.ndarray,
    tissues: np.ndarray,
    heights: np.ndarray,
    length: float,
) -> VolumeHead:
    """Turn a head upright, its centre between the thalami.

    The ventricles' widest parts, the atria, lie behind the thalami and above them, the brainstem
    below.

    Args:
        head: whose front and top may be the other way round.
        frames: laid on planes of it, by number.
        middle: (x, y) of the head's centre in the planes, in mm.
        tissues: probability of each label in every frame [n, labels, rows, columns].
        heights: of all planes in mm above the head's centre.
        length: of the brain in mm.
    """
    of_frames = np.array([heights[n] for n in frames])
    area = np.array([frame.pixel_mm for frame in frames.values()]) ** 2
    grey, grey_front = _profile(frames, tissues[:, Tissue.DEEP_GREY_MATTER], area)
    fluid, fluid_front = _profile(frames, tissues[:, Tissue.VENTRICLES], area)
    stem, _ = _profile(frames, tissues[:, Tissue.BRAINSTEM], area)
    weight = grey**3
    for _ in range(_ROUNDS):
        height = float(np.average(of_frames, weights=weight))
        weight = grey * np.clip(1 - ((of_frames - height) / (_THALAMI * length)) ** 2, 1e-6, None)
    front = float(np.average(grey_front, weights=weight))
    above = (of_frames - height) / length
    low, high = _ABOVE
    lower, upper = ((sign * above > low) & (sign * above < high) for sign in (-1, 1))

    def more_above(tissue: np.ndarray) -> float:
        little = _LITTLE * length**2
        return float(np.log((tissue[upper].mean() + little) / (tissue[lower].mean() + little)))

    upside_down = more_above(fluid) < more_above(stem)
    beside = np.abs(above) < high
    backwards = np.average(fluid_front[beside], weights=fluid[beside]) > front
    centre = head.centre + head.axes @ np.array([front - middle[0], 0.0, height])
    axes = head.turned(bool(backwards), bool(upside_down)).axes
    rise = np.radians(LONG_AXIS_RISE_DEG)
    c, s = np.cos(rise), np.sin(rise)
    return replace(head, axes=axes @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), centre=centre)


def _profile(
    frames: dict[int, HeadFrame], tissue: np.ndarray, area: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The area of a tissue in every frame in mm2, and how far its centre is from the middle."""
    amount = tissue.sum(axis=(1, 2)) + 1e-6
    columns = np.arange(tissue.shape[2]) - (tissue.shape[2] - 1) / 2
    offset = (tissue.sum(axis=1) * columns).sum(axis=1) / amount
    middles = [
        frame.ellipse.centre[0] + o * frame.pixel_mm for frame, o in zip(frames.values(), offset)
    ]
    return amount * area, np.array(middles)
