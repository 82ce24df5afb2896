"""Finding a whole fetal head in a volume, masked or with its surroundings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional

import numpy as np

from ...errors import InputError
from ...image.grid import Grid
from ...image.masks import inside_of
from ...image.volume import Volume
from ...progress import Progress
from ..ellipse import Ellipse
from ..head import check_mask, find_head
from ..heads import THICK, HeadHint
from ..stack import AXES, Stack
from .ellipsoid import Ellipsoid
from .midline import find_midline

# Overlap of a mask with the ellipsoid of its moments: of a head's 0.95, of a box 0.83.
_LEAST_DICE = 0.88
# Voxels of a mask about so far apart show its shape.
_APART_MM = 1.0
# From week 18 to term, and what is a head's shape.
_LENGTH_MM = (50.0, 150.0)
_LEAST_RATIO = 0.5
# Of the skull's surface, so much must lie in the volume: else it is a slab of a head.
_LEAST_SEEN = 0.85
# Where slices lie that are looked at along each axis, as parts of it.
_PROBES = (0.3, 0.4, 0.5, 0.6, 0.7)
_LEAST_SLICES = 5
# A point of a slice's outline agrees with the ellipsoid within this part of its radius; so many do.
_AGREES, _LEAST_AGREEING = 0.12, 0.6
# On the outlines.
_POINTS = 24


@dataclass(frozen=True)
class VolumeHead:
    """A fetal head in a volume.

    Attributes:
        outline: of the skull.
        axes: [3, 3], unit vectors in LPS to its front, its left and its top as columns; until
            :meth:`turned`, front and top may be the other way round.
        centre: [3] in LPS mm, in the middle plane.
        mask: 1 inside the head, where the volume shows nothing else or the user drew it.
    """

    outline: Ellipsoid
    axes: np.ndarray
    centre: np.ndarray
    mask: Optional[Volume] = None

    def turned(self, front: bool, top: bool) -> VolumeHead:
        """The same head with front and back, or top and bottom exchanged."""
        signs = np.array([-1 if front else 1, -1 if front != top else 1, -1 if top else 1])
        return replace(self, axes=self.axes * signs)

    def section(self, height: float) -> Ellipse | None:
        """The outline in the plane ``height`` mm above the centre, in mm from it (front, left).

        Its long axis lies along the midline; None where the plane misses the head.
        """
        matrix = self.axes.T @ self.outline.axes / self.outline.semi_axes
        form = matrix @ matrix.T
        offset = self.axes.T @ (self.outline.centre - self.centre)
        above = height - offset[2]
        within = np.linalg.inv(form[:2, :2])
        left = 1 - above**2 * (form[2, 2] - form[2, :2] @ within @ form[:2, 2])
        if left <= 0:
            return None
        x, y = offset[:2] - above * within @ form[:2, 2]
        along, across = np.sqrt(np.diag(within) * left)
        long, short = (along, across) if along >= across else (np.sqrt(along * across),) * 2
        return Ellipse((float(x), float(y)), (float(long), float(short)), 0.0)


def find_volume_head(
    volume: Volume, hint: HeadHint, device: str, progress: Progress
) -> VolumeHead | None:
    """Find a head that a volume shows as a whole.

    Args:
        volume: ultrasound.
        hint: about the head; a mask's shape is that of the head.
        device: "cpu", "cuda" or "mps".
        progress: phase "head".

    Returns:
        The head, its front and its top not yet told from back and bottom. None where the volume
        is no whole head: a slice, a stack of thick slices, a part, or something else.

    Raises:
        InputError: a mask does not lie on the volume, or the search's bundle cannot be used.
        Cancelled: when the progress' token is set.
    """
    thickest, middle = sorted(volume.grid.spacing)[:0:-1]
    known = isinstance(hint, Volume) or hint in (None, "none")
    if volume.is_slice or thickest > THICK * middle or not known:
        return None
    if isinstance(hint, Volume):
        check_mask(hint, volume)
    mask = _masked_head(volume, hint.array if isinstance(hint, Volume) else None)
    outline = None
    if mask is not None:
        outline = Ellipsoid.of_mask(mask.array > 0, mask.grid)
    elif hint is None:
        outline = _outline_of_slices(volume, device, progress)
    if outline is None or not _is_whole_head(outline, volume):
        return None
    with progress.phase("midline"):
        midline = find_midline(volume, outline)
    across = midline.normal
    front = outline.axes[:, 0] - (outline.axes[:, 0] @ across) * across
    front /= np.linalg.norm(front)
    axes = np.column_stack([front, across, np.cross(front, across)])
    return VolumeHead(outline, axes, midline.point, mask)


def _masked_head(volume: Volume, drawn: np.ndarray | None) -> Volume | None:
    """A mask of about a voxel a millimetre; None where what is marked has not a head's shape.

    Args:
        volume: in which all but the head may have the lowest value.
        drawn: the mask's values [k, j, i] where the user gave one.
    """
    from scipy.ndimage import binary_fill_holes, binary_opening, label

    steps = [max(1, round(_APART_MM / mm)) for mm in volume.grid.spacing]
    every = tuple(slice(None, None, step) for step in steps[::-1])
    shown = volume.array[every] > volume.array.min() if drawn is None else inside_of(drawn)[every]
    parts, count = label(binary_opening(shown))
    if not count:
        return None
    inside = binary_fill_holes(parts == np.bincount(parts.flat)[1:].argmax() + 1)
    spacing = np.array(volume.grid.spacing) * steps
    grid = Grid.of(inside.shape[::-1], spacing, volume.grid.origin, volume.grid.axes)
    outline = Ellipsoid.of_mask(inside, grid)
    points = grid.index_to_physical(np.moveaxis(np.indices(inside.shape), 0, -1)[..., ::-1])
    ellipsoid = outline.radius(points) <= 1
    overlap = 2 * (ellipsoid & inside).sum() / (ellipsoid.sum() + inside.sum())
    return Volume(inside.astype(np.uint8), grid) if overlap >= _LEAST_DICE else None


def _is_whole_head(outline: Ellipsoid, volume: Volume) -> bool:
    """Whether an ellipsoid has a head's size and shape, and lies in the volume."""
    low, high = _LENGTH_MM
    length = 2 * outline.semi_axes[0]
    if not low <= length <= high or outline.semi_axes[2] < _LEAST_RATIO * outline.semi_axes[0]:
        return False
    z = np.linspace(-1, 1, 15)[1:-1, None]
    angle = np.linspace(0, 2 * np.pi, 25)[None, :-1]
    flat = np.sqrt(1 - z**2)
    sphere = np.stack(np.broadcast_arrays(flat * np.cos(angle), flat * np.sin(angle), z), axis=-1)
    points = outline.centre + (sphere * outline.semi_axes) @ outline.axes.T
    places = volume.grid.physical_to_index(points)
    slack = 2.0 / np.array(volume.grid.spacing)
    within = (places >= -0.5 - slack) & (places <= np.array(volume.grid.size) - 0.5 + slack)
    return bool(within.all(axis=-1).mean() >= _LEAST_SEEN)


def _outline_of_slices(volume: Volume, device: str, progress: Progress) -> Ellipsoid | None:
    """The ellipsoid through the outlines that heads have in slices of all three directions."""
    points, slices = [], 0
    stacks = [Stack(volume, axis) for axis in AXES[1:]]
    probes = [(stack, int(part * len(stack))) for stack in stacks for part in _PROBES]
    for stack, number in progress.track("head", probes):
        image = stack.slice(number)
        if image.array.min() == image.array.max():
            continue
        try:
            ellipse = find_head(image, device).ellipse
        except InputError:  # none is in this slice
            continue
        points.append(_in_volume(ellipse, stack, number, volume))
        slices += 1
    if slices < _LEAST_SLICES:
        return None
    surface = np.concatenate(points)
    outline = Ellipsoid.through(surface)
    agreeing = np.abs(outline.radius(surface) - 1) < _AGREES
    return outline if agreeing.mean() >= _LEAST_AGREEING else None


def _in_volume(ellipse: Ellipse, stack: Stack, number: int, volume: Volume) -> np.ndarray:
    """Points of a slice's ellipse in LPS, [n, 3]."""
    turn = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False)
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    x, y = ((circle * ellipse.semi_axes) @ ellipse.rotation.T + ellipse.centre).T
    columns, rows = x / stack.spacing[0], y / stack.spacing[1]
    kji = [rows, columns]
    kji.insert(AXES.index(stack.axis) - 1, np.full_like(rows, number))
    return volume.grid.index_to_physical(np.column_stack(kji[::-1]))
