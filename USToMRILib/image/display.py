"""Images as they are shown: 8 bits, black and white where they say something."""

from __future__ import annotations

import numpy as np

# Of the voxels: beyond them lie the empty background and single bright echoes.
_BLACK, _WHITE = 0.5, 99.8


def display_window(pixels: np.ndarray) -> tuple[float, float]:
    """Return the values that are shown black and white, of an ultrasound's pixels."""
    black, white = np.percentile(pixels, [_BLACK, _WHITE])
    return float(black), max(float(white), float(black) + 1e-6)


def ultrasound_levels(ultrasound: np.ndarray, inside: np.ndarray | None = None) -> np.ndarray:
    """Return an ultrasound in 0..255, uint8 of the same shape.

    Args:
        ultrasound: of any real dtype.
        inside: boolean, the same shape; what decides the window. None: everything.
    """
    black, white = display_window(ultrasound if inside is None else ultrasound[inside])
    return eight_bit((ultrasound.astype(np.float32) - black) * (255 / (white - black)))


def eight_bit(levels: np.ndarray) -> np.ndarray:
    """Return levels of 0..255 rounded and clipped, uint8."""
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
