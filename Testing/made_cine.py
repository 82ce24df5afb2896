"""A cine of a drawn head that moves and turns, with speckle of its own in every frame."""

from __future__ import annotations

import numpy as np

from USToMRILib import Grid, ImageSequence
from USToMRILib.fetal.ellipse import Ellipse

# 320 x 216 pixels: a screen of 800 x 540 drawn coarsely.
SHAPE, SPACING = (216, 320), (0.45, 0.45)
GRID = Grid((SHAPE[1], SHAPE[0], 1), (*SPACING, 1.0), (4.0, -7.0, 3.0))
STEP_S = 0.04


def head_at(number: int, turn: float = 0.02) -> Ellipse:
    """Where the head is in a frame: to the right by 0.4 mm a frame, turning by ``turn`` radians."""
    return Ellipse((62.0 + 0.4 * number, 48.0), (42.0, 32.0), 0.2 + turn * number)


def frame_of(head: Ellipse | None, seed: int) -> np.ndarray:
    """One frame [rows, columns] of bytes; speckle only where there is no head."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices(SHAPE)
    pixels = np.full(SHAPE, 12.0)
    if head is not None:
        x, y = columns * SPACING[0] - head.centre[0], rows * SPACING[1] - head.centre[1]
        along = np.stack([x, y], axis=-1) @ head.rotation
        texture = 25 * np.sin(along[..., 0] / 6) * np.cos(along[..., 1] / 8)
        pixels = np.where(head.mask(SHAPE, SPACING), 170 + texture, pixels)
    return np.clip(pixels * random.normal(1, 0.08, SHAPE), 0, 255).astype(np.uint8)


def made_cine(count: int, turn: float = 0.02, without: range = range(0)) -> ImageSequence:
    """A cine of ``count`` frames, some of them without a head."""
    heads = [None if n in without else head_at(n, turn) for n in range(count)]
    frames = np.stack([frame_of(head, n) for n, head in enumerate(heads)])
    return ImageSequence(frames[:, None], GRID, tuple(n * STEP_S for n in range(count)))
