"""Masks as people draw them: soft, on a transparent layer, cropped, or only an outline."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .. import files
from ..errors import InputError
from .formats import is_picture, open_image
from .grid import Grid
from .image_file import COLOUR, ImageFile
from .reading import check_bytes, luma
from .volume import PathLike, Volume

# How far, in voxels, a mask's lattice may be off the image's: less than anybody could see, more
# than a spacing with few digits makes.
_LATTICE_TOLERANCE = 0.1

# From this value on, whole numbers may be grey levels; below they are labels.
_GREY_LEVELS = 100
_ALMOST_FULL = 0.95

# An outline thinner than this, with more inside it than it covers, is one and no ring.
_LINE_PIXELS = 10
# The least part of its convex hull that a head's mask fills.
_LEAST_SOLIDITY = 0.5


def read_mask(path: PathLike, grid: Grid, placed: bool = True) -> np.ndarray:
    """Read which voxels of an image a mask file marks.

    Args:
        path: an image file. What has no place of its own, a picture or a file that states no
            spacing, lies on an image of its size; what was cropped lies where it was cut out.
        grid: of the image.
        placed: whether the image has a place of its own; else only the sizes must agree.

    Returns:
        Boolean [k, j, i] on the grid: labels above 0, soft values from half of the greatest on.

    Raises:
        InputError: the file cannot be read, or does not lie on the image.
    """
    source = files.expanded(path)
    files.check_readable(source)
    image = open_image(source)
    if image is None:
        volume = Volume.read(source)
        values, own = volume.array, volume.grid
    else:
        values, own = _layers(image), image.grid
        placed = placed and image.states_spacing and not is_picture(source)
    inside = inside_of(values)
    if not placed:
        if inside.shape != grid.shape:
            raise InputError(
                f"{source} has {_extent(own)} voxels and the image {_extent(grid)}; give a mask "
                "drawn on this image."
            )
        return inside
    cropped = image is not None and _is_segmentation(image)
    return _on(source, inside, own, grid, cropped)


def inside_of(values: np.ndarray) -> np.ndarray:
    """Return where a mask's values [k, j, i] mean inside, boolean of the same shape.

    Label maps are told from soft masks (probabilities, resized or JPEG-compressed masks) by
    their values in between: a label fills areas, a soft edge does not.
    """
    if values.dtype == bool:
        return values
    top = float(values.max())
    if not np.isfinite(top) or top <= 0 or values.min() < 0:  # such as logits
        return values > 0
    if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        return _soft(values, 1.0 if top <= 1 else top)
    below = top * _ALMOST_FULL if top >= _GREY_LEVELS else top
    between = (values > 0) & (values < below)
    if not between.any() or _flat(values)[between].mean() >= 0.5:
        return values > 0
    return _soft(values, top)


def filled(mask: np.ndarray) -> np.ndarray:
    """Return a mask [k, j, i] with the holes of every slice filled."""
    from scipy.ndimage import binary_fill_holes

    return np.stack([binary_fill_holes(plane) for plane in mask])


def largest_part(mask: np.ndarray) -> np.ndarray:
    """Return the largest connected part of a mask of any number of axes."""
    from scipy.ndimage import label

    parts, count = label(mask)
    return mask if count < 2 else parts == np.bincount(parts.flat)[1:].argmax() + 1


def is_outline(mask: np.ndarray) -> bool:
    """Whether a mask [k, j, i] is a closed line, thin, with more inside it than it covers."""
    from scipy.ndimage import distance_transform_cdt

    inside = filled(mask) & ~mask
    if inside.sum() <= mask.sum() or not mask.any():
        return False
    depth = max(int(distance_transform_cdt(np.pad(plane, 1)).max()) for plane in mask)
    return 2 * depth <= _LINE_PIXELS


def head_inside(mask: np.ndarray) -> np.ndarray:
    """Return the head that a mask [k, j, i] marks, be it filled or drawn as an outline.

    Raises:
        InputError: it is neither.
    """
    from scipy.spatial import ConvexHull, QhullError

    inside = filled(mask)
    if len(inside) == 1 and inside.sum() > 2:
        try:
            hull = ConvexHull(_ends_of_rows(inside[0])).volume
        except QhullError:  # on one line, which the ellipse is refused for
            return inside
        if inside.sum() < _LEAST_SOLIDITY * hull:
            raise InputError(
                "The head mask is a line that is not closed, or no head; fill the outline."
            )
    return inside


def head_in(values: np.ndarray) -> np.ndarray:
    """Return the head that the values [k, j, i] of a mask mark, boolean of the same shape.

    Raises:
        InputError: they mark no head.
    """
    inside = head_inside(inside_of(values))
    marked = inside[inside.any(axis=(1, 2))]
    if len(marked) and marked[:, [0, 0, -1, -1], [0, -1, 0, -1]].all():
        raise InputError(
            "The head mask covers the image up to its corners; give one that is black all around "
            "the head, not an inverted one or the image itself."
        )
    return inside


def _ends_of_rows(mask: np.ndarray) -> np.ndarray:
    """Return the first and the last pixel (row, column) of every row that a mask has pixels in."""
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    return np.concatenate([np.stack([rows, first], 1), np.stack([rows, last], 1)])


def _soft(values: np.ndarray, top: float) -> np.ndarray:
    """Return where values reach half of the top; less where only that makes an outline closed."""
    half = values >= top / 2
    faint = values > top / 8
    return faint if is_outline(faint) and not is_outline(half) else half


def _flat(values: np.ndarray) -> np.ndarray:
    """Return where a voxel has the value of its four neighbours in the slice."""
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1)), mode="edge")
    middle = padded[:, 1:-1, 1:-1]
    around = (
        padded[:, :-2, 1:-1],
        padded[:, 2:, 1:-1],
        padded[:, 1:-1, :-2],
        padded[:, 1:-1, 2:],
    )
    return np.logical_and.reduce([middle == other for other in around])


def _layers(image: ImageFile) -> np.ndarray:
    """Return the values of a mask's only image, or what any layer of a segmentation marks."""
    if image.count == 1:
        return _painted(image, image.load(0))
    if not _is_segmentation(image):
        raise InputError(
            f"{image.path} holds {image.count} {image.images}, not one mask; extract one of them."
        )
    check_bytes(image.path, (*image.grid.size, image.count), image.dtype.itemsize)
    return np.any([image.load(n) > 0 for n in range(image.count)], axis=0)


def _is_segmentation(image: ImageFile) -> bool:
    """Whether it is a segmentation of Slicer's, which may be cropped to its segments."""
    return any(name.startswith("Segment0_") for name in image.metadata)


def _painted(image: ImageFile, voxels: np.ndarray) -> np.ndarray:
    """Return the values of a mask in colour or with an alpha; paint of any colour counts.

    What is transparent is outside. Where all paint is black it was meant to be seen on something.
    """
    if image.components == 1:
        return voxels
    if image.meaning != COLOUR:
        return voxels.max(axis=-1)
    grey = luma(voxels) if image.components >= 3 else voxels[..., 0]
    alpha = voxels[..., -1]
    full = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "iu" else 1
    if image.components % 2 or (alpha >= full).all() or not alpha.any():
        return grey
    seen = alpha >= full / 2
    paint = inside_of(grey) & seen
    one_paint = not paint.any() or paint.sum() == seen.sum()
    return alpha if one_paint else paint


def _on(path: Path, inside: np.ndarray, own: Grid, grid: Grid, cropped: bool) -> np.ndarray:
    """Return a mask on an image's grid, whose lattice it shares, though it may be cropped.

    A mask of another size that begins where the image begins is that of another image, unless it
    is known to be ``cropped``.
    """
    inside, own = _turned_like(inside, own, grid)
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in own.size])).reshape(3, -1).T
    shifts = grid.physical_to_index(own.index_to_physical(corners)) - corners
    offset = np.rint(shifts[0]).astype(int)
    another = own.size != grid.size and not offset.any() and not cropped
    if another or np.abs(shifts - offset).max() > _LATTICE_TOLERANCE:
        raise InputError(
            f"{path} does not lie on the image's grid; give a mask drawn on this image."
        )
    on_image = np.zeros(grid.shape, bool)
    target, source = [], []
    for start, length, size in zip(offset[::-1], inside.shape, grid.shape):
        first, last = max(0, start), min(size, start + length)
        if first >= last:
            raise InputError(f"{path} lies beside the image; give a mask drawn on this image.")
        target.append(slice(first, last))
        source.append(slice(first - start, last - start))
    on_image[tuple(target)] = inside[tuple(source)]
    return on_image


def _turned_like(inside: np.ndarray, own: Grid, grid: Grid) -> tuple[np.ndarray, Grid]:
    """Return a mask with its axes along those of an image, as they are where they lie askew.

    Programs store one place in several ways: flipped, or with its axes in another order.
    """
    along = own.axes.T @ grid.axes  # rows: the mask's axes
    order = np.abs(along).argmax(axis=0)
    signs = np.sign(along[order, range(3)])
    if sorted(order) != [0, 1, 2] or (order.tolist() == [0, 1, 2] and (signs > 0).all()):
        return inside, own
    size = np.array(own.size)
    first = np.zeros(3)
    first[order] = np.where(signs < 0, size[order] - 1, 0)
    turned = inside.transpose([2 - axis for axis in order[::-1]])
    turned = turned[tuple(slice(None, None, int(sign)) for sign in signs[::-1])]
    origin, spacing = own.index_to_physical(first), np.array(own.spacing)[order]
    return turned, Grid.of(size[order].tolist(), spacing, origin, own.axes[:, order] * signs)


def _extent(grid: Grid) -> str:
    return " x ".join(str(n) for n in grid.size)
