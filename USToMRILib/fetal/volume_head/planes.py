"""The slices of a head parallel to its transthalamic plane, and the way back to the volume."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import SimpleITK as sitk

from ...errors import InputError
from ...image.grid import Grid
from ...image.volume import Volume
from ..ellipse import Ellipse
from ..frame_spec import FrameSpec
from ..head import find_head
from ..outline import smooth_outline
from ..stack import Stack
from .find import VolumeHead
from .skull_edge import within_skull

# Pixels of the slices, of which the network's are about two.
_FRAME_PIXELS = 2.0
# How much of the plane is seen, in lengths of the head.
_SEEN = 1.25
# Where the head is not masked it is looked for in slices so far apart, in mm.
_LOOKS_MM = 4.0
# Less of a masked head in a slice is no outline.
_LEAST_PIXELS = 200
# Slices of a volume that are brought back at a time.
_SLAB = 16
# A line that rises less, in voxels, is level.
_LEVEL = 1e-6


@dataclass(frozen=True)
class Planes:
    """Parallel slices through a head, the front to the right and its left below.

    Attributes:
        volume: of the slices, on a grid along the head's own axes.
        heights: of the slices in mm above the head's centre.
        outline: of the skull in every slice that shows it, by number; the midline is horizontal.
    """

    volume: Volume
    heights: np.ndarray
    outline: dict[int, Ellipse]

    @property
    def stack(self) -> Stack:
        """The slices."""
        return Stack(self.volume, "k")

    @classmethod
    def through(
        cls,
        image: sitk.Image,
        head: VolumeHead,
        heights: np.ndarray,
        spec: FrameSpec,
        device: str | None,
    ) -> Planes:
        """Cut a volume.

        Args:
            image: the volume.
            head: in it.
            heights: evenly spaced, in mm above the head's centre.
            spec: of the frame that the slices are laid into.
            device: of the search for the head in each slice, whose brain then reaches to the skull;
                None for a first look, whose outlines are the mask's, else the ellipsoid's.

        Raises:
            InputError: a head is seen in none of the slices, or the search's bundle cannot be used.
        """
        grid = _grid(image, head, heights, spec)
        like = Volume(np.zeros(grid.shape, np.uint8), grid).to_sitk()
        linear = sitk.Resample(
            image, like, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32
        )
        seen = Volume(sitk.GetArrayFromImage(linear), grid)
        found = _sections(head, heights, _middle(grid))
        if head.mask is not None:
            found |= _mask_outlines(head.mask, like)
        elif device is not None:
            found |= _found_outlines(Stack(seen, "k"), found, device)
        step = float(heights[1] - heights[0])
        outline = smooth_outline(found, step, angle=0.0)
        if device is not None:
            outline = within_skull(outline, seen.array, grid.spacing[:2])
        return cls(seen, heights, outline)

    @property
    def middle(self) -> np.ndarray:
        """(x, y) in the slices' own coordinates of the head's centre, in mm."""
        return _middle(self.volume.grid)

    def back(self, slices: np.ndarray, grid: Grid) -> np.ndarray:
        """What was made of the slices, on the grid of the volume; 0 beyond them.

        Args:
            slices: [k, j, i]; uint8 are labels, the others are interpolated linearly.
            grid: of the volume.
        """
        by = sitk.sitkLabelLinear if slices.dtype == np.uint8 else sitk.sitkLinear
        image = self.volume.with_array(slices).to_sitk()
        made = np.zeros(grid.shape, slices.dtype)  # of which only what is written takes memory
        for first in range(0, grid.size[2], _SLAB):
            part = _part_between(self.volume.grid, grid, first, min(first + _SLAB, grid.size[2]))
            if part is None:
                continue
            start, size = part
            i, j, k = (slice(f, f + n) for f, n in zip(start, size))
            origin = grid.index_to_physical(np.array(start)).tolist()
            laid = sitk.Resample(
                image, size, sitk.Transform(), by, origin, grid.spacing, grid.direction, 0.0
            )
            made[k, j, i] = sitk.GetArrayViewFromImage(laid)
        return made


def _part_between(
    slices: Grid, grid: Grid, first: int, end: int
) -> tuple[list[int], list[int]] | None:
    """The box of a grid, between some of its slices, that other slices reach into.

    Args:
        slices: the others.
        grid: in which the box lies.
        first: of the grid's slices.
        end: the one behind the last.

    Returns:
        Index (i, j, k) of the box's first voxel, and its size; None where they do not reach.
    """
    ends = np.array(list(product(*((-0.5, n - 0.5) for n in slices.size))))
    corners = grid.physical_to_index(slices.index_to_physical(ends))
    # What of the lines between all corners lies between the planes bounds what of the box does.
    start, way = (each.reshape(-1, 3) for each in np.broadcast_arrays(corners[:, None], corners))
    way = way - start
    rise = np.where(np.abs(way[:, 2]) < _LEVEL, _LEVEL, way[:, 2])
    low, high = first - 0.5, end - 0.5
    cuts = [np.clip((plane - start[:, 2]) / rise, 0, 1)[:, None] for plane in (low, high)]
    points = np.concatenate([start + cut * way for cut in cuts])
    points = points[(points[:, 2] > low - _LEVEL) & (points[:, 2] < high + _LEVEL)]
    if not len(points):
        return None
    sides = np.array(grid.size[:2])
    lower = np.clip(np.floor(points.min(axis=0)[:2]).astype(int), 0, sides)
    upper = np.clip(np.ceil(points.max(axis=0)[:2]).astype(int) + 1, 0, sides)
    if (upper <= lower).any():
        return None
    return [*lower.tolist(), first], [*(upper - lower).tolist(), end - first]


def _grid(image: sitk.Image, head: VolumeHead, heights: np.ndarray, spec: FrameSpec) -> Grid:
    """Where the slices lie."""
    long = head.outline.reach(head.axes[:, 0])
    wide = head.outline.reach(head.axes[:, 1])
    outline = Ellipse((0.0, 0.0), (max(long, wide), wide), 0.0)
    pixel = max(spec.pixel_size(spec.shown(outline)) / _FRAME_PIXELS, min(image.GetSpacing()))
    half = np.ceil(np.array([long, wide]) * _SEEN / pixel).astype(int)
    first = np.array([*(-half * pixel), heights[0]])
    size = [*(2 * half + 1).tolist(), len(heights)]
    spacing = (pixel, pixel, float(heights[1] - heights[0]))
    return Grid.of(size, spacing, head.centre + head.axes @ first, head.axes)


def _middle(grid: Grid) -> np.ndarray:
    return (np.array(grid.size[:2]) - 1) / 2 * grid.spacing[:2]


def _sections(head: VolumeHead, heights: np.ndarray, middle: np.ndarray) -> dict[int, Ellipse]:
    """The ellipsoid's outline in every slice that cuts it."""
    cut = {n: head.section(float(height)) for n, height in enumerate(heights)}
    return {
        n: Ellipse((e.centre[0] + middle[0], e.centre[1] + middle[1]), e.semi_axes, e.angle)
        for n, e in cut.items()
        if e is not None
    }


def _mask_outlines(mask: Volume, like: sitk.Image) -> dict[int, Ellipse]:
    """The outlines that a mask has in the slices."""
    nearest = sitk.sitkNearestNeighbor
    cut = sitk.GetArrayFromImage(sitk.Resample(mask.to_sitk(), like, sitk.Transform(), nearest))
    return {
        n: Ellipse.from_mask(inside, like.GetSpacing()[:2])
        for n, inside in enumerate(cut)
        if inside.sum() > _LEAST_PIXELS
    }


def _found_outlines(stack: Stack, cut: dict[int, Ellipse], device: str) -> dict[int, Ellipse]:
    """The outlines that are found in some slices, where they agree with the ellipsoid's."""
    found, refusals = {}, []
    looked = sorted(cut)[:: max(1, round(_LOOKS_MM / stack.distance))]
    for n in looked:
        try:
            ellipse = find_head(stack.slice(n), device).ellipse
        except InputError as error:  # none is seen here: the ellipsoid's is used
            refusals.append(error)
            continue
        if 0.9 < ellipse.circumference_mm / cut[n].circumference_mm < 1.1:
            found[n] = ellipse
    # These are the planes in which the search knows a head from what merely is as round as one.
    if refusals and len(refusals) == len(looked):
        raise refusals[0]
    return found
