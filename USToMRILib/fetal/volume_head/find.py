"""Finding a whole fetal head in a volume, masked or with its surroundings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional

import numpy as np

from ...errors import InputError
from ...image.grid import Grid
from ...image.masks import inside_of, largest_part
from ...image.volume import Volume
from ...progress import Progress
from ..ellipse import Ellipse
from ..head import LEAST_OTHER, check_mask
from ..heads import THICK, HeadHint
from .ellipsoid import Ellipsoid
from .midline import find_midline
from .seen import Cube, seen_head

# Slices so far apart are a stack of images, however fine they are.
_THICK_MM = 1.5
# Overlap of a mask with the ellipsoid of its moments: of a head's 0.95, of a box 0.83.
_LEAST_DICE = 0.88
# Voxels of a mask about so far apart show its shape.
_APART_MM = 1.0
# Around a mask, for what of its ellipsoid it lacks.
_MARGIN_MM = 10.0
_OTHER_AXES = ((1, 2), (0, 2), (0, 1))
# Fewer make no shape.
_LEAST_VOXELS = 100
# From week 18 to term, and what is a head's shape.
_LENGTH_MM = (50.0, 150.0)
_LEAST_RATIO = 0.5
# The longest side of a volume that shows one, with much to spare.
_VOLUME_MM = (40.0, 1000.0)
_NO_HEADS = (
    f", and fetal heads are {_LENGTH_MM[0]:.0f} to {_LENGTH_MM[1]:.0f} mm long: check the spacing "
    "of its voxels."
)
# Of the skull's surface, so much must lie in the volume: else it is a slab of a head.
_LEAST_SEEN = 0.85
# Of the ellipsoid of what the network sees: their overlap, and how sure it is of what lies within.
# Of simulated heads at least 0.89 and 0.83.
_LEAST_OVERLAP, _LEAST_SURE = 0.83, 0.7
# Beyond so many elliptic radii another head may lie.
_BESIDE = 1.25
# A close look is so many lengths of the head wide; it is taken if it is so much narrower.
_CLOSE, _MUCH_CLOSER = 1.4, 0.75
# On the surface of a mask, about so many.
_POINTS = 1000


@dataclass(frozen=True)
class VolumeHead:
    """A fetal head in a volume.

    Attributes:
        outline: of the skull.
        axes: [3, 3], unit vectors in LPS to its front, its left and its top as columns; until
            :meth:`turned`, front and top may be the other way round.
        centre: [3] in LPS mm, in the middle plane.
        mask: 1 inside the head, where the volume shows nothing else or the user drew it.
        alone: whether no other head was seen.
    """

    outline: Ellipsoid
    axes: np.ndarray
    centre: np.ndarray
    mask: Optional[Volume] = None
    alone: bool = True

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


def may_be_whole(volume: Volume, hint: HeadHint) -> bool:
    """Whether a volume may show a whole head: it is no slice, nor a stack of thick slices.

    Args:
        volume: ultrasound.
        hint: about the head.

    Raises:
        InputError: it may, but is far smaller or larger than any that does, or a mask does not lie
            on it.
    """
    thickest, middle = sorted(volume.grid.spacing)[:0:-1]
    known = isinstance(hint, Volume) or hint in (None, "none")
    if volume.is_slice or thickest > max(THICK * middle, _THICK_MM) or not known:
        return False
    if isinstance(hint, Volume):
        check_mask(hint, volume)
    extent = np.array(volume.grid.size) * volume.grid.spacing
    least, most = _VOLUME_MM
    if not least <= extent.max() <= most:
        by = " x ".join(f"{mm:.0f}" for mm in extent)
        raise InputError(f"The volume is {by} mm in size{_NO_HEADS}")
    return True


def find_volume_head(
    volume: Volume, hint: HeadHint, device: str, progress: Progress
) -> VolumeHead | None:
    """Find a head that a volume shows as a whole.

    Args:
        volume: ultrasound that may show it whole.
        hint: about the head; a mask's shape is that of the head, its voxels may be finer.
        device: "cpu", "cuda" or "mps".
        progress: phase "head".

    Returns:
        The head, its front and its top not yet told from back and bottom. None where the volume
        is no whole head: a part, or something else.

    Raises:
        InputError: what looks like a head is far larger than any, or the search's bundle cannot be
            used.
        Cancelled: when the progress' token is set.
    """
    if isinstance(hint, Volume):
        mask, outline = _masked_head(hint.with_array(inside_of(hint.array)), 0)
    else:
        mask, outline = _masked_head(volume, float(volume.array.min()))
    alone = True
    if outline is None and hint is None:
        outline, alone = _seen_outline(volume, device, progress)
    if outline is None:
        return None
    with progress.phase("midline"):
        midline = find_midline(volume, outline)
    front = outline.longest_across(midline.normal)
    axes = np.column_stack([front, midline.normal, np.cross(front, midline.normal)])
    return VolumeHead(outline, axes, midline.point, mask, alone)


def _masked_head(volume: Volume, least: float) -> tuple[Volume, Ellipsoid] | tuple[None, None]:
    """A mask of about a voxel a millimetre, and its ellipsoid; None where it is no head's shape.

    Args:
        volume: a mask, or ultrasound in which all but the head may have the lowest value.
        least: what all but the head has.
    """
    from scipy.ndimage import binary_opening

    steps = [max(1, round(_APART_MM / mm)) for mm in volume.grid.spacing]
    shown = volume.array[tuple(slice(None, None, step) for step in steps[::-1])] > least
    inside = _solid(binary_opening(shown))
    spacing = np.array(volume.grid.spacing) * steps
    # Cropped, and only where it is no larger than a head: the ellipsoid is drawn in all voxels.
    low, high = _LENGTH_MM
    box = [np.flatnonzero(inside.any(axis=axes))[[0, -1]] for axes in _OTHER_AXES if inside.any()]
    if not box or (np.ptp(box, axis=1) * spacing[::-1] > high).any():
        return None, None
    margin = np.ceil(_MARGIN_MM / spacing[::-1]).astype(int)
    first = np.maximum(np.array(box)[:, 0] - margin, 0)
    inside = inside[tuple(slice(f, e + m + 1) for f, (_, e), m in zip(first, box, margin))]
    if inside.sum() < _LEAST_VOXELS:
        return None, None
    origin = volume.grid.index_to_physical(first[::-1] * steps)
    grid = Grid.of(inside.shape[::-1], spacing, origin, volume.grid.axes)
    outline, overlap = _fitted(inside, grid, volume.grid)
    of_a_size = low <= 2 * outline.semi_axes[0] <= high
    if overlap < _LEAST_DICE or not of_a_size or not _is_whole_head(outline, volume.grid):
        return None, None
    return Volume(inside.astype(np.uint8), grid), outline


def _is_whole_head(outline: Ellipsoid, grid: Grid) -> bool:
    """Whether an ellipsoid has a head's shape and lies in a volume's grid."""
    if outline.semi_axes[2] < _LEAST_RATIO * outline.semi_axes[0]:
        return False
    z = np.linspace(-1, 1, 15)[1:-1, None]
    angle = np.linspace(0, 2 * np.pi, 25)[None, :-1]
    flat = np.sqrt(1 - z**2)
    sphere = np.stack(np.broadcast_arrays(flat * np.cos(angle), flat * np.sin(angle), z), axis=-1)
    points = outline.centre + (sphere * outline.semi_axes) @ outline.axes.T
    places = grid.physical_to_index(points)
    slack = 2.0 / np.array(grid.spacing)
    within = (places >= -0.5 - slack) & (places <= np.array(grid.size) - 0.5 + slack)
    return bool(within.all(axis=-1).mean() >= _LEAST_SEEN)


def _seen_outline(volume: Volume, device: str, progress: Progress) -> tuple[Ellipsoid | None, bool]:
    """The ellipsoid of the head that the network sees, and whether it sees no other one.

    A head that is small in the volume is looked at again, closely and along its own axes.

    Raises:
        InputError: it is larger than any.
    """
    cube = Cube.around(volume.grid)
    seen = seen_head(volume, cube, device, progress)
    outline = _outline_of(seen, volume.grid)
    if outline is None:
        return None, True
    low, high = _LENGTH_MM
    length = 2 * outline.semi_axes[0]
    if length > high:
        raise InputError(f"What looks like a head in the volume is {length:.0f} mm long{_NO_HEADS}")
    if length < low:
        return None, True
    beside = outline.radius(seen.grid.points()) > _BESIDE
    other = _outline_of(seen.with_array(seen.array * beside), volume.grid)
    alone = other is None or bool(np.prod(other.semi_axes / outline.semi_axes) < LEAST_OTHER)
    close = _CLOSE * 2 * outline.semi_axes[0]
    if close < _MUCH_CLOSER * cube.side:
        seen = seen_head(volume, Cube(outline.centre, outline.axes, close), device, progress)
        outline = _outline_of(seen, volume.grid)
    return outline, alone


def _outline_of(seen: Volume, grid: Grid) -> Ellipsoid | None:
    """The ellipsoid of the largest part of a head that is seen; None if it looks unlike a head.

    Args:
        seen: how much of a head is where.
        grid: of the volume in which it is seen.
    """
    inside = _solid(seen.array > 0.5)
    if inside.sum() < _LEAST_VOXELS:
        return None
    outline, overlap = _fitted(inside, seen.grid, grid)
    drawn = outline.radius(seen.grid.points()) <= 1
    near = outline.radius(seen.grid.points()) <= _BESIDE
    amount = float(seen.array[near].sum()) + drawn.sum()
    sure = 2 * float(seen.array[drawn].sum()) / amount
    alike = overlap >= _LEAST_OVERLAP and sure >= _LEAST_SURE
    return outline if alike and _is_whole_head(outline, grid) else None


def _solid(inside: np.ndarray) -> np.ndarray:
    """The largest connected part of a mask [k, j, i], its holes filled."""
    from scipy.ndimage import binary_fill_holes

    solid: np.ndarray = binary_fill_holes(largest_part(inside))
    return solid


def _fitted(inside: np.ndarray, grid: Grid, volume: Grid) -> tuple[Ellipsoid, float]:
    """The ellipsoid of a mask, and their Dice overlap within the volume.

    Args:
        inside: [k, j, i] with voxels in it.
        grid: of the mask.
        volume: beyond whose border nothing is known: there the ellipsoid goes on.
    """
    from scipy.ndimage import binary_erosion

    places = grid.points()
    slack = (1.5 * np.array(grid.spacing)).max()
    index = volume.physical_to_index(places)
    depth = np.minimum(index + 0.5, np.array(volume.size) - 0.5 - index) * volume.spacing
    known = (depth > slack).all(axis=-1)
    outline = Ellipsoid.of_mask(inside, grid)
    surface = inside & known & ~binary_erosion(inside)
    if (inside & ~known).any() and surface.sum() >= _LEAST_VOXELS:
        outline = Ellipsoid.through(places[surface][:: max(1, surface.sum() // _POINTS)])
    drawn = (outline.radius(places) <= 1) & (depth > 0).all(axis=-1)
    return outline, float(2 * (drawn & inside).sum() / max(drawn.sum() + inside.sum(), 1))
