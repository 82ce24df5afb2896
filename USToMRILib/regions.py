"""Regions of interest: which voxels of an image they hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import InputError
from .grid import Grid
from .volume import Volume

# A Slicer markups file, by its suffix.
MARKUPS_SUFFIX = ".mrk.json"

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Box:
    """A box in physical space, turned at will.

    Attributes:
        centre: LPS position in mm, [3].
        axes: [3, 3]; its columns are the unit vectors of the box's axes in LPS.
        size: full lengths along the axes in mm, [3].
    """

    centre: np.ndarray
    axes: np.ndarray
    size: np.ndarray

    def mask(self, grid: Grid) -> np.ndarray:
        """Boolean [k, j, i]: voxels whose centre lies in the box, its faces included."""
        k, j, i = np.indices(grid.shape)
        points = grid.index_to_physical(np.stack([i, j, k], axis=-1))
        return (np.abs((points - self.centre) @ self.axes) <= self.size / 2).all(axis=-1)

    @classmethod
    def from_markups(cls, path: Path) -> Box:
        """The first ROI of a Slicer markups file (``.mrk.json``).

        Raises:
            InputError: if the file cannot be read or holds no ROI.
        """
        try:
            markups = json.loads(path.read_text(encoding="utf-8"))["markups"]
            roi = next(markup for markup in markups if markup["type"] == "ROI")
            to_lps = _RAS_TO_LPS if roi.get("coordinateSystem", "LPS") == "RAS" else np.eye(3)
            axes = np.array(roi["orientation"], float).reshape(3, 3)
            return cls(
                to_lps @ np.array(roi["center"], float),
                to_lps @ axes,
                np.array(roi["size"], float),
            )
        except OSError as error:
            raise InputError(
                f"{path} cannot be opened ({error.strerror}); check the path and its permissions."
            ) from error
        except (KeyError, StopIteration, TypeError, ValueError):
            raise InputError(
                f"{path} holds no ROI; give a markups file in which Slicer saved one."
            ) from None


def read_region(path: Path, grid: Grid) -> np.ndarray:
    """The voxels of a region, boolean [k, j, i] on ``grid``.

    Args:
        path: a Slicer ROI (``.mrk.json``), or a mask image on this grid, above 0 inside.
        grid: of the image that is measured.

    Raises:
        InputError: if the file cannot be read, or a mask lies on another grid.
    """
    if path.name.lower().endswith(MARKUPS_SUFFIX):
        return Box.from_markups(path).mask(grid)
    mask = Volume.read(path)
    if not mask.grid.is_close(grid):
        raise InputError(
            f"{path} does not lie on the image's grid; give a mask drawn on this image."
        )
    return mask.array > 0
