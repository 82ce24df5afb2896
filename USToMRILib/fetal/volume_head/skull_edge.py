"""The inner edge of the skull in parallel slices of a head: how far the brain reaches there.

The outline of a head that is seen in slices away from the standard planes is rounder than the head,
by millimetres, and how thick a skull is shown differs from scan to scan. Its inner edge shows both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ..ellipse import Ellipse
from ..skull import brain_inside, skull_around

# Rays from the centre, and steps along them in mm about the edge that is expected.
_RAYS, _STEP_MM, _FARTHEST_MM = 90, 0.25, 12.0
# The falx runs into the skull: rays so near to the midline show no edge.
_FALX_DEG = 15.0
# Where the edge is looked for, and the mean brightness over how many mm rises there by how much of
# white; slices and rays over which speckle is averaged before.
_WITHIN_MM, _BEYOND_MM = 5.0, 8.0
_WIDTH_MM, _LEAST_RISE = 1.5, 0.12
_SLICES, _BESIDE = 5, 3
_WHITE_PERCENTILE = 97.0
# Of all rays, so many must show an edge.
_LEAST_SEEN = 0.4
# How far an edge may be off before it counts less, and how far a centre is likely to be.
_SLACK_MM, _SHIFT_MM = 0.7, 2.0
# More is no correction but another outline, such as that of a mask within the skull.
_MOST_MM = 7.0
# The networks learned from ellipses that were larger than the brain by a little, on average.
_ROOM_MM = 0.7


def within_skull(
    outline: Mapping[int, Ellipse], pixels: np.ndarray, spacing: tuple[float, float]
) -> dict[int, Ellipse]:
    """Shift and stretch the outlines of all slices alike, so that the brain reaches to the skull.

    Args:
        outline: of the skull by number of the slice, with horizontal midlines.
        pixels: of all slices [k, j, i].
        spacing: (x, y) of them in mm.

    Returns:
        Outlines of which :func:`..skull.brain_inside` is the brain up to the skull's inner edge;
        the given ones where too little of it shows.
    """
    brains = {n: brain_inside(ellipse) for n, ellipse in outline.items()}
    semi_axes = np.array([brain.semi_axes for brain in brains.values()])
    expected = _radii(semi_axes, np.zeros(2))
    offset, rise = _edges(brains, expected, pixels, spacing)
    seen = (rise > _LEAST_RISE) & (np.abs(np.sin(_ANGLES)) > np.sin(np.radians(_FALX_DEG)))
    if not seen.size or seen.mean() < _LEAST_SEEN:
        return dict(outline)
    by = _fitted(semi_axes, (expected + offset)[seen], np.where(seen, rise, 0))
    if np.abs(by).max() > _MOST_MM:
        return dict(outline)
    shift, growth = by[:2], by[2:] + _ROOM_MM
    return {n: skull_around(_changed(brain, shift, growth)) for n, brain in brains.items()}


def _changed(brain: Ellipse, shift: np.ndarray, growth: np.ndarray) -> Ellipse:
    """An ellipse moved and stretched, in mm; round where it would be wider than long."""
    x, y = np.array(brain.centre) + shift
    length, width = np.array(brain.semi_axes) + growth
    if width > length:
        length = width = np.sqrt(length * width)
    return Ellipse((float(x), float(y)), (float(length), float(width)), brain.angle)


_ANGLES = np.linspace(0, 2 * math.pi, _RAYS, endpoint=False)
_TOWARDS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)])


def _radii(semi_axes: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """How far upright ellipses [n, 2] about a centre reach along the rays from 0, [n, rays]."""
    scaled = _TOWARDS / semi_axes[:, :, None]
    middle = centre / semi_axes
    square = (scaled**2).sum(axis=1)
    half = (scaled * middle[:, :, None]).sum(axis=1)
    left = half**2 - square * ((middle**2).sum(axis=1) - 1)[:, None]
    radii: np.ndarray = (half + np.sqrt(np.maximum(left, 0))) / square
    return radii


def _edges(
    brains: Mapping[int, Ellipse],
    expected: np.ndarray,
    pixels: np.ndarray,
    spacing: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Where brightness rises most along every ray, in mm from what is expected, and by how much."""
    from scipy.ndimage import map_coordinates, uniform_filter, uniform_filter1d

    steps = np.arange(-_FARTHEST_MM, _FARTHEST_MM + _STEP_MM, _STEP_MM)
    rays = []
    for (n, brain), radii in zip(brains.items(), expected):
        places = (radii[:, None] + steps) * _TOWARDS[:, :, None]
        x, y = (p + c for p, c in zip(places, brain.centre))
        rays.append(
            map_coordinates(pixels[n], [y / spacing[1], x / spacing[0]], order=1, mode="nearest")
        )
    seen = np.array(rays, np.float32)
    seen = (seen / max(float(np.percentile(seen, _WHITE_PERCENTILE)), 1e-6)).clip(0, 1)
    seen = uniform_filter(seen, (_SLICES, _BESIDE, 1), mode=("nearest", "wrap", "nearest"))
    width = round(_WIDTH_MM / _STEP_MM)
    outside, inside = (
        uniform_filter1d(seen, width, axis=2, mode="nearest", origin=origin)
        for origin in (-(width // 2), (width - 1) // 2)
    )
    near = (steps >= -_WITHIN_MM) & (steps <= _BEYOND_MM)
    rise = (outside - inside)[..., near]
    return steps[near][rise.argmax(axis=2)], rise.max(axis=2)


def _fitted(semi_axes: np.ndarray, edges: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Shift (x, y) and growth of both semi-axes, in mm, that bring ellipses onto edges.

    Args:
        semi_axes: of the ellipses [n, 2].
        edges: their radii where they are seen.
        weights: of every ray [n, rays], 0 where none is seen.
    """
    from scipy.optimize import least_squares

    seen = weights > 0
    root, likely = np.sqrt(weights[seen]), np.sqrt(seen.sum()) / 5

    def off(by: np.ndarray) -> np.ndarray:
        reached = _radii(np.maximum(semi_axes + by[2:], 1.0), by[:2])[seen]
        return np.concatenate([(reached - edges) * root, by[:2] / _SHIFT_MM * likely])

    found: np.ndarray = least_squares(off, np.zeros(4), loss="soft_l1", f_scale=_SLACK_MM).x
    return found
