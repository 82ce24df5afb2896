"""The middle plane of a head: the one in which its ultrasound mirrors itself best."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import SimpleITK as sitk

from ...image.volume import Volume
from .ellipsoid import Ellipsoid

# The skull mirrors itself in every principal plane: only what is inside of it tells.
_INSIDE = 0.85
_STEP_MM = 2.0
_SMOOTH_MM = 1.2
# What changes over this part of the head's length is the way of the sound, not anatomy.
_EVEN_WIDTH = 0.12
# The falx lies in the plane and is bright: against what lies so far beside it, in mm.
_BESIDE_MM = (4.0, 8.0)
_FALX_WEIGHT = 0.25

# The first look: all round the long axis, which lies in the plane within some degrees; in a round
# head any axis may be it that is so long beside the longest.
_AS_LONG = 0.92
_ROUND_DEG, _TILTS_DEG = 6.0, (-12.0, -4.0, 4.0, 12.0)
_CANDIDATES = 4
_FIRST_TURN, _FIRST_SHIFT_MM = 0.08, 1.5


@dataclass(frozen=True)
class Midline:
    """A plane.

    Attributes:
        point: [3] in LPS mm, nearest to the centre of the head.
        normal: [3], a unit vector to either side.
        likeness: correlation of the head with its mirror image, and some for a bright falx.
    """

    point: np.ndarray
    normal: np.ndarray
    likeness: float


def find_midline(volume: Volume, head: Ellipsoid) -> Midline:
    """Find the middle plane of a head, however it lies.

    Args:
        volume: ultrasound.
        head: outline of its skull.
    """
    from scipy.optimize import minimize

    mirror = _Mirror(*_evened(volume, head))
    long = head.semi_axes >= _AS_LONG * head.semi_axes[0]
    normals = np.concatenate([_round_axis(int(number)) for number in np.flatnonzero(long)])
    order = np.argsort([-mirror.likeness(normal, 0.0) for normal in normals])
    found = []
    for normal in normals[order[:_CANDIDATES]]:
        first, second = np.linalg.svd(normal[None])[2][1:]

        def turned(
            change: np.ndarray,
            normal: np.ndarray = normal,
            first: np.ndarray = first,
            second: np.ndarray = second,
        ) -> np.ndarray:
            vector = normal + change[0] * first + change[1] * second
            return vector / np.linalg.norm(vector)

        steps = np.diag([_FIRST_TURN, _FIRST_TURN, _FIRST_SHIFT_MM])
        best = minimize(
            lambda change, turned=turned: -mirror.likeness(turned(change), change[2]),
            np.zeros(3),
            method="Nelder-Mead",
            options={
                "initial_simplex": np.vstack([np.zeros(3), steps]),
                "xatol": 2e-3,
                "fatol": 1e-4,
                "maxfev": 120,
            },
        )
        found.append((-float(best.fun), turned(best.x), float(best.x[2])))
    likeness, normal, shift = max(found, key=lambda plane: plane[0])
    across = head.axes @ normal
    return Midline(head.centre + shift * across, across, likeness)


def _round_axis(number: int) -> np.ndarray:
    """Unit vectors across one of the ellipsoid's axes, and some degrees off, [n, 3] in its axes."""
    turn, tilt = np.radians(
        np.meshgrid(np.arange(0, 180, _ROUND_DEG), _TILTS_DEG, indexing="ij")
    ).reshape(2, -1)
    around = [np.sin(tilt), np.cos(tilt) * np.cos(turn), np.cos(tilt) * np.sin(turn)]
    return np.roll(np.column_stack(around), number, axis=1)


def _evened(volume: Volume, head: Ellipsoid) -> tuple[np.ndarray, np.ndarray]:
    """The ultrasound inside the skull with one local mean and spread, on the ellipsoid's axes.

    Returns:
        float32 [c, b, a], voxels of :data:`_STEP_MM` about the centre; bool, inside.
    """
    from scipy.ndimage import gaussian_filter

    half = np.ceil(head.semi_axes / _STEP_MM).astype(int)
    grid = sitk.Image((2 * half + 1).tolist(), sitk.sitkFloat32)
    grid.SetSpacing([_STEP_MM] * 3)
    grid.SetDirection(head.axes.ravel().tolist())
    grid.SetOrigin((head.centre - head.axes @ (half * _STEP_MM)).tolist())
    steps = [max(1, int(_SMOOTH_MM / mm)) for mm in volume.grid.spacing]
    coarse = sitk.Cast(sitk.BinShrink(volume.to_sitk(), steps), sitk.sitkFloat32)
    image = sitk.SmoothingRecursiveGaussian(coarse, _SMOOTH_MM)
    seen = sitk.GetArrayFromImage(sitk.Resample(image, grid))
    places = np.indices(seen.shape)[::-1] * _STEP_MM - (half * _STEP_MM)[:, None, None, None]
    inside = np.linalg.norm(places / head.semi_axes[:, None, None, None], axis=0) < _INSIDE
    sigma = _EVEN_WIDTH * 2 * head.semi_axes[0] / _STEP_MM
    weight = np.maximum(gaussian_filter(inside.astype(np.float32), sigma), 1e-3)
    bright = np.sqrt(np.clip(seen - seen[inside].min(), 0, None))
    bright = bright - gaussian_filter(bright * inside, sigma) / weight
    spread = np.sqrt(gaussian_filter(bright**2 * inside, sigma) / weight)
    even = bright / np.maximum(spread, 0.05 * max(float(spread[inside].mean()), 1e-6))
    return np.where(inside, even, 0).clip(-3, 3).astype(np.float32), inside


@dataclass(frozen=True)
class _Mirror:
    """How well a head agrees with its mirror image; vectors are in the ellipsoid's axes.

    Attributes:
        even: float32 [c, b, a] about the centre.
        inside: bool of the same shape.
    """

    even: np.ndarray
    inside: np.ndarray

    @cached_property
    def _points(self) -> tuple[np.ndarray, np.ndarray]:
        """Every other voxel inside: where it lies, [n, 3] in mm, and how bright it is."""
        at = np.argwhere(self.inside)
        at = at[at.sum(axis=1) % 2 == 0]
        middle = (np.array(self.even.shape) - 1) / 2
        return (at - middle)[:, ::-1] * _STEP_MM, self.even[tuple(at.T)]

    def likeness(self, normal: np.ndarray, shift: float) -> float:
        """Correlation of the two sides of a plane, and how bright it stands out itself."""
        from scipy.ndimage import map_coordinates

        points, values = self._points
        beyond = points @ normal - shift
        mirrored = points - 2 * beyond[:, None] * normal
        voxels = mirrored[:, ::-1] / _STEP_MM + ((np.array(self.even.shape) - 1) / 2)
        found = map_coordinates(self.even, voxels.T, order=1, mode="constant")
        power = np.sqrt((values**2).mean() * max(float((found**2).mean()), 1e-6))
        alike = float((values * found).mean() / power)
        aside = np.abs(beyond)
        low, high = _BESIDE_MM
        falx, beside = values[aside < _STEP_MM], values[(aside > low) & (aside < high)]
        stands_out = float(falx.mean() - beside.mean()) if falx.size and beside.size else 0.0
        return alike + _FALX_WEIGHT * stands_out
