"""Pictures that are stored otherwise than they are to be shown."""

from __future__ import annotations

import numpy as np

# Of the orientations of EXIF and TIFF: steps along the rows and columns of what is shown.
_STEPS = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}


def is_turned(orientation: int) -> bool:
    """Whether rows are shown as columns."""
    return orientation > 4


def upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """Return a picture [row, column, ...] as it is to be shown.

    Args:
        stored: the picture.
        orientation: 1 to 8, as EXIF and TIFF number them.
    """
    turned = stored.swapaxes(0, 1) if is_turned(orientation) else stored
    down, right = _STEPS.get(orientation, (1, 1))
    return turned[::down, ::right]


def orientation_of(matrix: np.ndarray) -> int:
    """Return the orientation 1 to 8 of a matrix [2, 2] to be multiplied with rows (x, y)."""
    steps = np.sign(np.where(np.abs(matrix) >= np.abs(matrix).max() / 2, matrix, 0)).astype(int)
    turned = not steps[0, 0]
    (right, down) = (steps[1, 0], steps[0, 1]) if turned else (steps[0, 0], steps[1, 1])
    codes = (
        {(1, 1): 5, (1, -1): 6, (-1, -1): 7, (-1, 1): 8}
        if turned
        else {(1, 1): 1, (1, -1): 2, (-1, -1): 3, (-1, 1): 4}
    )
    return codes.get((down, right), 1)
