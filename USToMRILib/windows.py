"""Apply a function to a volume of any size in overlapping windows that blend into each other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

import numpy as np

from .progress import Progress

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class AxisWindows:
    """The windows along one axis: where they start, and how much each of their voxels counts.

    Attributes:
        starts: first voxel of each window, ascending; the windows cover the axis.
        weights: float32 [windows, length of a window]; at every voxel of the axis the weights of
            all windows sum to 1.
    """

    starts: tuple[int, ...]
    weights: np.ndarray

    @classmethod
    def over(cls, size: int, window: int, overlap: float) -> AxisWindows:
        """Spread windows evenly over `size` >= `window` voxels, overlapping at least so much."""
        step = max(1, int(window * (1 - overlap)))
        number = 1 + -(-(size - window) // step)
        starts = np.linspace(0, size - window, number).round().astype(int)
        # Raised cosine, above zero at its ends, so that a voxel covered once counts fully.
        bell = np.sin(np.pi * (np.arange(window) + 0.5) / window) ** 2
        total = np.zeros(size)
        for start in starts:
            total[start : start + window] += bell
        weights = [bell / total[start : start + window] for start in starts]
        return cls(tuple(starts.tolist()), np.array(weights, np.float32))

    @property
    def placed(self) -> list[tuple[slice, np.ndarray]]:
        """Every window's voxels and weights."""
        length = self.weights.shape[1]
        return [(slice(s, s + length), w) for s, w in zip(self.starts, self.weights)]


def blend_windows(
    array: np.ndarray,
    function: Callable[[np.ndarray], np.ndarray],
    window: Shape,
    progress: Progress,
    overlap: Sequence[float] = (0.5, 0.25, 0.25),
) -> np.ndarray:
    """Apply `function` to overlapping windows of an array and blend the results.

    The weights are a product over the axes and sum to 1 everywhere, so that the result of the
    identity is the array, and the only memory beyond input and output is that of a window.

    Args:
        array: [k, j, i], along every axis at least as large as the window.
        function: from a window of the array to float32 of the same shape.
        window: (k, j, i) of every window.
        progress: reports each window in the phase "windows" and cancels before it.
        overlap: least fraction of a window that is shared with the next, for (k, j, i).

    Returns:
        float32 [k, j, i].

    Raises:
        Cancelled: a cancel was asked for.
    """
    axes = [AxisWindows.over(*of_axis) for of_axis in zip(array.shape, window, overlap)]
    blended = np.zeros(array.shape, np.float32)
    places = list(itertools.product(*(axis.placed for axis in axes)))
    for (k, in_k), (j, in_j), (i, in_i) in progress.track("windows", places):
        result = function(array[k, j, i])
        blended[k, j, i] += result * (in_k[:, None, None] * in_j[:, None] * in_i)
    return blended
