"""Where an ultrasound volume has ultrasound: the cone, or whatever shape a sweep has."""

from __future__ import annotations

import numpy as np


def ultrasound_cone(array: np.ndarray) -> np.ndarray:
    """Return the voxels that the ultrasound reaches, bool [k, j, i].

    In each slice of the sweep that is the convex hull of what echoes: shadows and fluid are inside,
    also where they lie open to the cone's edge and are as dark as what is outside. So is the sliver
    between the face of a convex probe and its chord. What echoes not is the smallest value in
    regions, at least 3 voxels wide, that reach a corner of the volume.

    Args:
        array: [k, j, i], k along the sweep.
    """
    echoes = ~_open_corners(array == array.min())
    return echoes | _hulls(_largest(echoes))


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


def _largest(mask: np.ndarray) -> np.ndarray:
    """Return the largest region: what lies apart, such as letters, has no part in the hull."""
    from scipy import ndimage

    regions, count = ndimage.label(mask)
    return mask if count < 2 else regions == np.bincount(regions.flat)[1:].argmax() + 1


def _hulls(mask: np.ndarray) -> np.ndarray:
    """Return the convex hull of every slice [j, i] of a mask [k, j, i]."""
    from skimage.morphology import convex_hull_image

    # A line has no hull, and a full slice needs none.
    has = mask.any(axis=1).sum(axis=1) > 1
    has &= (mask.any(axis=2).sum(axis=1) > 1) & ~mask.all(axis=(1, 2))
    hulls = mask.copy()
    for k in np.flatnonzero(has):
        hulls[k] |= convex_hull_image(mask[k], offset_coordinates=False)
    return hulls
