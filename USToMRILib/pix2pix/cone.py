"""Where an ultrasound volume has ultrasound: the cone, or whatever shape a sweep has."""

from __future__ import annotations

import numpy as np

from ..image.masks import largest_part


def ultrasound_cone(array: np.ndarray) -> np.ndarray:
    """Return the voxels that the ultrasound reaches, bool [k, j, i].

    In each slice of the sweep that is the convex hull of what echoes: shadows and fluid are inside,
    also where they lie open to the cone's edge and are as dark as what is outside. So is the sliver
    between the face of a convex probe and its chord. What echoes not is the smallest value in
    regions, at least 3 voxels wide, that reach a corner of the volume.

    Args:
        array: [k, j, i], k along the sweep.
    """
    return cone_around(echoing(array))


def echoing(array: np.ndarray) -> np.ndarray:
    """Return what is not the background, bool, the same however the axes of an array lie."""
    return ~_open_corners(array == array.min())


def cone_around(echoes: np.ndarray) -> np.ndarray:
    """Return the cone of what echoes, both bool [k, j, i]: :func:`ultrasound_cone`."""
    # What lies apart, such as letters, has no part in the hull.
    return echoes | _hulls(largest_part(echoes))


def _open_corners(empty: np.ndarray) -> np.ndarray:
    """Return the regions of empty voxels, at least 3 wide, that reach a corner."""
    from scipy import ndimage

    box = np.ones((3, 3, 3))
    rim = 2  # with the faces repeated, a sliver along a face is wide enough to count
    regions, _ = ndimage.label(ndimage.binary_opening(np.pad(empty, rim, mode="edge"), box))
    at_corner = np.zeros(int(regions.max()) + 1, bool)
    at_corner[regions[np.ix_(*[(0, -1)] * 3)]] = True
    at_corner[0] = False
    outside = at_corner[regions[rim:-rim, rim:-rim, rim:-rim]]
    if outside.any():  # what the opening cut off at the edge of the cone
        outside = ndimage.binary_dilation(outside, box, iterations=rim, mask=empty)
    return outside


def _hulls(mask: np.ndarray) -> np.ndarray:
    """Return the convex hull of every slice [j, i] of a mask [k, j, i]."""
    hulls = mask.copy()
    for k in np.flatnonzero(mask.any(axis=(1, 2)) & ~mask.all(axis=(1, 2))):
        hulls[k] |= _hull(mask[k])
    return hulls


def _hull(mask: np.ndarray) -> np.ndarray:
    """Return the pixels [j, i] in the convex hull of those of a mask; none of a line's."""
    from scipy.ndimage import binary_erosion
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = ConvexHull(np.argwhere(mask & ~binary_erosion(mask)))
    except QhullError:  # a line, or fewer than three pixels
        return np.zeros_like(mask)
    j, i = np.ogrid[: mask.shape[0], : mask.shape[1]]
    inside = np.ones_like(mask)
    for along_j, along_i, offset in hull.equations:
        inside &= along_j * j + along_i * i + offset <= 1e-6
    return inside
