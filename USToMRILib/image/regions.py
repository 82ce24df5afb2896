"""Regions of interest: which voxels of an image they hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np

from ..errors import InputError
from .grid import Grid
from .masks import is_outline, read_mask

# A Slicer markups file, by its suffix.
MARKUPS_SUFFIX = ".mrk.json"

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])

# mm; a voxel centre on a face of a box counts as inside, whatever the rounding of the geometry.
_ON_FACE = 1e-6

# From positions [..., 3] to positions [..., 3].
PointMap = Callable[[np.ndarray], np.ndarray]

# The part of an array [k, j, i] that holds a region.
Block = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Voxels:
    """The voxels of a region in an image, kept small so that dragging a region is quick.

    Attributes:
        block: the part of the image outside of which no voxel belongs to the region.
        inside: boolean, the shape of the block.
    """

    block: Block
    inside: np.ndarray

    def within(self, block: Block) -> np.ndarray:
        """Boolean, the shape of ``block``, which must contain the region's own block."""
        mask = np.zeros(_shape(block), bool)
        mask[
            tuple(
                slice(own.start - part.start, own.stop - part.start)
                for own, part in zip(self.block, block)
            )
        ] = self.inside
        return mask

    @classmethod
    def from_mask(cls, mask: np.ndarray) -> Voxels:
        """The true voxels of a boolean mask [k, j, i] of the whole image."""
        if not mask.any():
            return cls((slice(0, 0),) * 3, np.zeros((0, 0, 0), bool))
        extents = [np.flatnonzero(mask.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
        k, j, i = (slice(int(extent[0]), int(extent[-1]) + 1) for extent in extents)
        return cls((k, j, i), mask[k, j, i])


def common_block(first: Voxels, second: Voxels) -> Block:
    """The smallest block that contains those of both regions."""
    k, j, i = (
        slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first.block, second.block)
    )
    return k, j, i


@dataclass(frozen=True)
class Box:
    """A box in physical space, turned at will.

    Positions are in LPS here; a caller who maps from and to RAS may as well put it in RAS.

    Attributes:
        centre: LPS position in mm, [3].
        axes: [3, 3]; its columns are the box's axes in LPS: unit vectors, unless the box lies
            under a transform that stretches it.
        size: full lengths in mm along the axes (in multiples of them, if stretched), [3].
    """

    centre: np.ndarray
    axes: np.ndarray
    size: np.ndarray

    def local(self, points: np.ndarray) -> np.ndarray:
        """LPS positions [..., 3] along the box's axes, from its centre."""
        return (points - self.centre) @ np.linalg.inv(self.axes).T

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Boolean [...]: LPS positions [..., 3] that lie in the box, its faces included."""
        return (np.abs(self.local(points)) <= self._reach).all(axis=-1)

    @property
    def _reach(self) -> np.ndarray:
        return self.size / 2 + _ON_FACE

    def voxels(
        self,
        shape: tuple[int, ...],
        to_physical: PointMap,
        to_index: PointMap,
        affine: bool = False,
    ) -> Voxels:
        """The voxels whose centres lie in the box.

        Args:
            shape: (k, j, i) of the image.
            to_physical: from indices (i, j, k) to LPS positions in mm; may bend space.
            to_index: its inverse.
            affine: whether the maps are known to keep straight lines straight; much faster.
        """
        steps = np.linspace(-0.5, 0.5, 9)
        lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
        block = _block_around(to_index(self.centre + (lattice * self.size) @ self.axes.T), shape)
        if affine:
            return Voxels(block, self._inside_straight(block, to_physical))
        inside = np.zeros(_shape(block), bool)
        for number, plane in enumerate(_planes(block)):  # one at a time, to save memory
            inside[number] = self.contains(to_physical(_indices(plane)))[0]
        return Voxels(block, inside)

    def _inside_straight(self, block: Block, to_physical: PointMap) -> np.ndarray:
        """As :meth:`contains` of all voxels, where a coordinate is a sum of one term an axis."""
        origin, *ends = self.local(to_physical(np.vstack([np.zeros(3), np.eye(3)])))
        inside = np.ones(_shape(block), bool)
        for axis, reach in enumerate(self._reach):
            steps = [end[axis] - origin[axis] for end in reversed(ends)]
            k, j, i = (index * step for index, step in zip(np.ogrid[block], steps))
            inside &= np.abs((k + origin[axis]) + j + i) <= reach
        return inside

    def mask(self, grid: Grid) -> np.ndarray:
        """Boolean [k, j, i]: voxels whose centre lies in the box, its faces included."""
        voxels = self.voxels(grid.shape, grid.index_to_physical, grid.physical_to_index, True)
        return voxels.within(_whole(grid.shape))

    @classmethod
    def from_markups(cls, path: Path) -> Box:
        """The first ROI of a Slicer markups file (``.mrk.json``).

        Raises:
            InputError: if the file cannot be read or holds no ROI.
        """
        try:
            markups = json.loads(path.read_text(encoding="utf-8"))["markups"]
            roi = next(markup for markup in markups if markup["type"] == "ROI")
            if roi.get("insideOut"):
                raise InputError(
                    f"The ROI of {path} is turned inside out; turn that off in Slicer's Markups "
                    "module and save it again."
                )
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
        except InputError:
            raise
        except (KeyError, StopIteration, TypeError, ValueError):
            raise InputError(
                f"{path} holds no ROI; give a markups file in which Slicer saved one."
            ) from None


def read_region(path: Path, grid: Grid, placed: bool = True) -> np.ndarray:
    """The voxels of a region, boolean [k, j, i] on ``grid``.

    Args:
        path: a Slicer ROI (``.mrk.json``), or a mask image on this grid.
        grid: of the image that is measured.
        placed: as in :func:`.masks.read_mask`.

    Raises:
        InputError: if the file cannot be read, a mask lies on another grid, or is an outline.
    """
    if path.name.lower().endswith(MARKUPS_SUFFIX):
        return Box.from_markups(path).mask(grid)
    mask = read_mask(path, grid, placed)
    if is_outline(mask):
        raise InputError(f"{path} is an outline, not the region inside it; fill it first.")
    return mask


def polygon_voxels(outline: np.ndarray, shape: tuple[int, ...]) -> Voxels:
    """The voxels inside a flat closed curve: of each column through it, the one nearest to it.

    The columns run along the axis of the image that is nearest to the curve's normal, so that a
    curve on a slice holds voxels of that slice only, and one on an oblique plane follows the
    plane without gaps.

    Args:
        outline: corners of the curve as continuous indices (i, j, k), [n, 3], n >= 3.
        shape: (k, j, i) of the image.
    """
    centre = outline.mean(axis=0)
    normal = np.linalg.svd(outline - centre)[2][2]
    depth = int(np.abs(normal).argmax())
    across = [axis for axis in range(3) if axis != depth]
    block = _block_around(outline, shape)
    indices = _indices(block)
    offsets = indices - centre
    inside = _inside_polygon(outline[:, across], indices[..., across])
    # How far a voxel lies from the plane, along its column and in voxels.
    distance = offsets @ normal / normal[depth]
    return Voxels(block, inside & (distance >= -0.5) & (distance < 0.5))


def _inside_polygon(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Boolean [...]: points [..., 2] inside a polygon [n, 2], by the even-odd rule."""
    x, y = points[..., 0], points[..., 1]
    inside = np.zeros(x.shape, bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0)):
        if y0 != y1:
            left_of_edge = x < x0 + (x1 - x0) * (y - y0) / (y1 - y0)
            inside ^= ((y0 > y) != (y1 > y)) & left_of_edge
    return inside


def _whole(shape: tuple[int, ...]) -> Block:
    k, j, i = (slice(0, length) for length in shape)
    return k, j, i


def _block_around(indices: np.ndarray, shape: tuple[int, ...]) -> Block:
    """The block of an image around indices (i, j, k), [n, 3], with some room; may be empty."""
    low, high = indices.min(axis=0), indices.max(axis=0)
    room = 1 + (high - low) / 10  # a map that bends space may bulge between the samples
    starts = np.floor(low - room)[::-1]
    stops = np.ceil(high + room)[::-1] + 1
    limits = np.array(shape)
    starts = np.clip(starts, 0, limits).astype(int)
    stops = np.clip(stops, starts, limits).astype(int)
    k, j, i = (slice(int(start), int(stop)) for start, stop in zip(starts, stops))
    return k, j, i


def _shape(block: Block) -> tuple[int, ...]:
    return tuple(part.stop - part.start for part in block)


def _planes(block: Block) -> Iterator[Block]:
    """The block's slices, one voxel thick along k."""
    for k in range(block[0].start, block[0].stop):
        yield slice(k, k + 1), block[1], block[2]


def _indices(block: Block) -> np.ndarray:
    """The indices (i, j, k) of a block's voxels, [k, j, i, 3]."""
    k, j, i = np.mgrid[block]
    return np.stack([i, j, k], axis=-1)
