"""A volume as slices along one of its axes, each in its own plane."""

from __future__ import annotations

import numpy as np

from ..image.grid import Grid
from ..image.volume import Volume
from ..options import option

AXES = ("auto", "k", "j", "i")


def axis_option() -> str:
    """The option of every method that works on slices."""
    axis: str = option("auto", "across the slices of a volume", choices=AXES)
    return axis


class Stack:
    """A volume as slices along one of its axes "k", "j" or "i".

    Attributes:
        axis: along which.
        in_time: whether they are the frames of a cine.
        array: [n, rows, columns], a view.
        distance: of neighbouring slices in mm.
        spacing: (x, y) of their pixels in mm.
    """

    def __init__(self, volume: Volume, axis: str, in_time: bool = False) -> None:
        self.axis = axis
        self.in_time = in_time
        self._number = AXES.index(axis) - 1
        self.array = np.moveaxis(volume.array, self._number, 0)
        spacing = list(volume.grid.spacing[::-1])
        self.distance = spacing.pop(self._number)
        self.spacing = (spacing[1], spacing[0])

    def __len__(self) -> int:
        return len(self.array)

    @property
    def of_a_screen(self) -> bool:
        """Whether slices are images as a scanner shows them: one alone, or those of a cine."""
        return self.in_time or len(self) == 1

    def named(self, numbers: str) -> str:
        """Return words for some of the slices."""
        return f"frames {numbers}" if self.in_time else f"slices {numbers} along {self.axis}"

    def slice(self, number: int) -> Volume:
        """Return one slice as a volume in its own plane."""
        rows, columns = self.array.shape[1:]
        grid = Grid((columns, rows, 1), (*self.spacing, self.distance))
        return Volume(np.ascontiguousarray(self.array[number])[None], grid)

    def volume_array(self, slices: np.ndarray) -> np.ndarray:
        """Return slices [n, rows, columns] as an array [k, j, i]."""
        return np.ascontiguousarray(np.moveaxis(slices, 0, self._number))
