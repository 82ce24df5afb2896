"""Images as they are shown: 8 bits, black and white where they say something."""

from __future__ import annotations

import numpy as np


def ultrasound_levels(ultrasound: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return an ultrasound in 0..255, uint8 of the same shape.

    Args:
        ultrasound: of any real dtype.
        inside: boolean, the same shape; from its 0.5th percentile, black, to its 99.8th, white.
    """
    black, white = np.percentile(ultrasound[inside], [0.5, 99.8])
    return eight_bit((ultrasound.astype(np.float32) - black) * (255 / max(white - black, 1e-6)))


def eight_bit(levels: np.ndarray) -> np.ndarray:
    """Return levels of 0..255 rounded and clipped, uint8."""
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
