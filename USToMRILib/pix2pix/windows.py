"""Cut a volume into windows that answer together exactly what one pass over all of it would.

A network without statistics over its input answers for a voxel from the voxels within its reach
alone. A window that sees everything within the reach of its core therefore answers for the core
what a pass over the whole volume does, as long as it starts on the same phase of the network's
strides: no two windows disagree, and there is nothing to blend.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Slices = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Window:
    """One window of a volume [k, j, i].

    Attributes:
        core: the voxels that it answers for.
        seen: the voxels that it needs for that: the core and what is within reach.
    """

    core: Slices
    seen: Slices


class Padded:
    """An array that goes on beyond its borders, to a shape that a network accepts.

    Along k the outermost slices are repeated, in plane the least value goes on.

    Args:
        array: [k, j, i].
        shape: the larger shape; the array lies in its middle.
    """

    def __init__(self, array: np.ndarray, shape: Sequence[int]) -> None:
        self.array, self.shape = array, tuple(shape)
        self.before = [(large - n) // 2 for large, n in zip(shape, array.shape)]
        self._least = array.min()

    def read(self, part: Slices) -> np.ndarray:
        """Return a copy of a part of the larger shape."""
        k = np.clip(np.arange(part[0].start, part[0].stop) - self.before[0], 0, len(self.array) - 1)
        (_, j, i), (_, to_j, to_i) = self.overlap(part, part)
        read = np.full([p.stop - p.start for p in part], self._least)
        read[:, to_j, to_i] = self.array[:, j, i][k]
        return read

    def overlap(self, part: Slices, frame: Slices) -> tuple[Slices, Slices]:
        """Return where a part of the larger shape lies in the array, and in ``frame``."""
        in_array, in_frame = [], []
        for p, f, before, size in zip(part, frame, self.before, self.array.shape):
            start, stop = max(p.start - before, 0), min(p.stop - before, size)
            in_array.append(slice(start, stop))
            in_frame.append(slice(start + before - f.start, stop + before - f.start))
        return (in_array[0], in_array[1], in_array[2]), (in_frame[0], in_frame[1], in_frame[2])

    def box(self, mask: np.ndarray) -> list[slice]:
        """Return the smallest box of the larger shape that holds a mask [k, j, i], not empty."""
        box = []
        for others, before in zip(((1, 2), (0, 2), (0, 1)), self.before):
            along = np.flatnonzero(mask.any(others))
            box.append(slice(int(along[0]) + before, int(along[-1]) + before + 1))
        return box


def plan_windows(
    shape: Sequence[int],
    box: Sequence[slice],
    reach: Sequence[int],
    divisors: Sequence[int],
    most_voxels: int,
) -> list[Window]:
    """Cut a box of a volume into the windows that cost least together.

    Args:
        shape: (k, j, i) of the volume, multiples of `divisors`.
        box: the part that answers are wanted for; the windows' cores cover it once.
        reach: how many voxels away an input voxel may still change an output voxel.
        divisors: what every window's first voxel and size are multiples of.
        most_voxels: that a window may see, at least :func:`smallest_window`.

    Returns:
        Of the ways to cut every axis into equal parts, the one whose windows see the fewest
        voxels together.
    """
    axes = [_cuts(*of_axis) for of_axis in zip(shape, box, reach, divisors)]
    lengths = [[[s.stop - s.start for _, s in cut] for cut in cuts] for cuts in axes]
    largest, cost = (
        np.multiply.outer(np.multiply.outer(*of_axes[:2]), of_axes[2])
        for of_axes in (
            [np.array([total(cut) for cut in cuts]) for cuts in lengths] for total in (max, sum)
        )
    )
    best = np.unravel_index(np.argmin(np.where(largest <= most_voxels, cost, np.inf)), cost.shape)
    chosen = [cuts[number] for cuts, number in zip(axes, best)]
    return [
        Window((k[0], j[0], i[0]), (k[1], j[1], i[1])) for k, j, i in itertools.product(*chosen)
    ]


def smallest_window(shape: Sequence[int], reach: Sequence[int], divisors: Sequence[int]) -> int:
    """Return how many voxels a window sees whose core is one block of divisors."""
    sizes = (min(n, by + 2 * _halo(far, by)) for n, far, by in zip(shape, reach, divisors))
    return math.prod(sizes)


def _cuts(size: int, part: slice, reach: int, by: int) -> list[list[tuple[slice, slice]]]:
    """Return every way to cut a part of an axis into equal cores, each with what it sees."""
    first, last, halo = part.start // by, -(-part.stop // by), _halo(reach, by)
    cuts = []
    for number in range(1, last - first + 1):
        edges = (np.linspace(first, last, number + 1).round().astype(int) * by).tolist()
        cuts.append(
            [
                (slice(start, stop), slice(max(0, start - halo), min(size, stop + halo)))
                for start, stop in zip(edges, edges[1:])
            ]
        )
    return cuts


def _halo(reach: int, by: int) -> int:
    return -(-reach // by) * by
