"""Oblique volumes: the ultrasound's own axes, and the volume along them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..image.grid import Grid
from ..image.volume import Volume
from .body import APART_MM, Body
from .spacing import smoothing_variances

# The grid's own axes are as good where the cone is hardly less alike to its mirror images in them.
# Simulated scans are within 1.6 of the best where the grid is the scanner's own, and beyond 2.6
# where it is turned at random; 0.02 is a tilt of some 5 degrees.
_AS_GOOD, _AS_GOOD_MORE = 1.7, 0.02
# Directions of the first look; how many of them are followed; and steps in the plane across.
_DIRECTIONS, _FOLLOWED, _IN_PLANE = 240, 12, 18
_REFINED, _FIRST_TURN = 3, 0.1
# Voxels finer than this part of the new ones may be interpolated in any way.
_FINE = 0.6
# Around the echoes, so that background shows the cone's shape.
_MARGIN_VOXELS = 3


@dataclass(frozen=True)
class Straightened:
    """A volume along its ultrasound's own axes.

    Attributes:
        volume: float32 on a grid along these axes; beyond the ultrasound, its least value.
        echoes: bool [k, j, i], what is not the background there.
    """

    volume: Volume
    echoes: np.ndarray

    @classmethod
    def of(
        cls, volume: Volume, echoes: np.ndarray, axes: np.ndarray, spacing: float
    ) -> Straightened:
        """Turn a volume.

        Args:
            volume: ultrasound.
            echoes: bool [k, j, i], of :func:`~.cone.echoing`.
            axes: of :func:`cone_axes`.
            spacing: mm of the new voxels.
        """
        grid = _grid_around(volume.grid, echoes, volume.grid.axes @ axes, spacing)
        low, high = float(volume.array.min()), float(volume.array.max())
        image = sitk.Cast(volume.to_sitk(), sitk.sitkFloat32)
        variances = smoothing_variances(volume.grid.spacing, (spacing,) * 3)
        if any(variances):
            image = sitk.DiscreteGaussian(image, variances)
        # Linear interpolation between voxels of nearly that size would blur them.
        is_fine = max(volume.grid.spacing) <= _FINE * spacing
        by = sitk.sitkLinear if is_fine else sitk.sitkBSpline
        turned = np.clip(_on(grid, image, by, low), low, high)
        shown = _on(grid, volume.with_array(echoes).to_sitk(), sitk.sitkLinear, 0)
        inside = shown > 0.5
        turned[~inside] = low
        return cls(Volume(turned, grid), inside)

    def back(self, array: np.ndarray, grid: Grid) -> np.ndarray:
        """Return an array [k, j, i] on the grid of the volume, float32; 0 beyond."""
        image = Volume(array, self.volume.grid).to_sitk()
        return _on(grid, image, sitk.sitkLinear, 0)


def _grid_around(grid: Grid, echoes: np.ndarray, axes: np.ndarray, spacing: float) -> Grid:
    """Return the grid along some axes (columns, LPS) that holds what echoes."""
    steps = [max(1, round(APART_MM / 2 / mm)) for mm in grid.spacing[::-1]]
    every = tuple(slice(None, None, step) for step in steps)
    voxels = np.argwhere(echoes[every]) * steps
    along = grid.index_to_physical(voxels[:, ::-1]) @ axes
    margin = APART_MM / 2 + _MARGIN_VOXELS * spacing
    first, last = along.min(axis=0) - margin, along.max(axis=0) + margin
    size = np.ceil((last - first) / spacing).astype(int) + 1
    return Grid.of(size.tolist(), [spacing] * 3, axes @ first, axes)


def _on(grid: Grid, image: sitk.Image, by: int, beyond: float) -> np.ndarray:
    """Return an image on a grid, float32 [k, j, i]."""
    like = sitk.Image(grid.size, sitk.sitkUInt8)
    like.SetOrigin(grid.origin)
    like.SetSpacing(grid.spacing)
    like.SetDirection(grid.direction)
    return sitk.GetArrayFromImage(
        sitk.Resample(image, like, sitk.Transform(), by, beyond, sitk.sitkFloat32)
    )


def cone_axes(echoes: np.ndarray, spacing: Sequence[float]) -> np.ndarray | None:
    """Find the axes of an ultrasound's cone, however it lies in the grid.

    A cone mirrors itself in two planes, along the sweep and laterally, and so does the block of a
    linear probe: the axes are those for which what is reached lies best on its mirror images.

    Args:
        echoes: bool [k, j, i], of :func:`~.cone.echoing`.
        spacing: mm along the array's axes (k, j, i).

    Returns:
        [3, 3], right-handed, unit vectors in the grid's (i, j, k) as columns; None where the
        grid's own axes are as good, or nothing shows how it lies.
    """
    body = Body.of(echoes, spacing)
    if body is None:
        return None
    own = min(body.off(np.roll(np.eye(3), by, axis=1)) for by in range(3))
    off, axes = _best(body)
    return None if own <= _AS_GOOD * off + _AS_GOOD_MORE else axes


def _best(body: Body) -> tuple[float, np.ndarray]:
    """The axes of which the first two have the best mirror images, and how far these are off."""
    from scipy.optimize import minimize
    from scipy.spatial.transform import Rotation

    directions = _half_sphere(_DIRECTIONS)
    order = np.argsort([body.beyond(direction) for direction in directions])
    starts = sorted(
        (
            (body.off(axes), axes)
            for axes in (_second(body, d) for d in directions[order[:_FOLLOWED]])
        ),
        key=lambda start: start[0],
    )
    found = []
    for _, start in starts[:_REFINED]:

        def turned(by: np.ndarray, start: np.ndarray = start) -> np.ndarray:
            axes: np.ndarray = Rotation.from_rotvec(by).as_matrix() @ start
            return axes

        simplex = np.vstack([np.zeros(3), _FIRST_TURN * np.eye(3)])
        options = {"initial_simplex": simplex, "xatol": 2e-3, "fatol": 1e-5, "maxfev": 120}
        best = minimize(
            lambda by, turned=turned: body.off(turned(by)),
            np.zeros(3),
            method="Nelder-Mead",
            options=options,
        )
        found.append((float(best.fun), turned(best.x)))
    return min(found, key=lambda each: each[0])


def _second(body: Body, first: np.ndarray) -> np.ndarray:
    """Axes of which the first is given and the second has the best mirror image."""
    one, two = np.linalg.svd(first[None])[2][1:]
    turns = np.arange(_IN_PLANE) * np.pi / _IN_PLANE
    across = np.cos(turns)[:, None] * one + np.sin(turns)[:, None] * two
    second = min(across, key=body.beyond)
    return np.column_stack([first, second, np.cross(first, second)])


def _half_sphere(count: int) -> np.ndarray:
    """Unit vectors [n, 3], evenly in all directions: a Fibonacci lattice."""
    number = np.arange(count) + 0.5
    up, turn = number / count, np.pi * (1 + 5**0.5) * number
    across = np.sqrt(1 - up**2)
    return np.stack([across * np.cos(turn), across * np.sin(turn), up], axis=1)
