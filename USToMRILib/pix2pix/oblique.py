"""A cone that lies obliquely in its volume, brought to its own axes and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..image.grid import Grid
from ..image.volume import Volume

# Less turned than this, a cone is taken to lie along the volume's axes, where nothing need be
# interpolated.
_ALONG_DEG = 10.0
# Fewer voxels along an axis are slices, not a volume to be turned.
_LEAST_VOXELS = 8
# The first step of the search for the smallest box, in radians.
_FIRST_TURN = 0.1
# Searches begin from so many turns, spread evenly.
_STARTS = 12
# The box along its own axes must be so much smaller than that along the volume's.
_SMALLER = 0.8


@dataclass(frozen=True)
class OwnAxes:
    """A grid along the axes of a cone, over what echoes.

    Attributes:
        grid: where it lies.
        turned_deg: from the volume's nearest axes.
    """

    grid: Grid
    turned_deg: float

    def onto(self, volume: Volume, echoes: np.ndarray) -> Volume:
        """Ultrasound on the grid, float32; its least value where nothing echoes, without a rim."""
        least = np.float32(volume.array.min())
        seen = _resampled(volume, self.grid, float(least), fine=True)
        inside = _resampled(volume.with_array(echoes.astype(np.uint8)), self.grid, 0.0) > 0.5
        faintest = np.nextafter(least, np.float32(np.inf))
        return Volume(np.where(inside, np.maximum(seen, faintest), least), self.grid)

    def back(self, array: np.ndarray, grid: Grid) -> np.ndarray:
        """What was made on the grid, on that of the volume; 0 beyond."""
        return _resampled(Volume(array, self.grid), grid, 0.0)


def own_axes(volume: Volume, echoes: np.ndarray, spacing: Sequence[float]) -> OwnAxes | None:
    """The axes of a cone that lies obliquely; None where the volume's are as good.

    Its own are those along which the box around it is smallest; which of them is the depth is found
    as in any other volume.

    Args:
        volume: ultrasound.
        echoes: bool [k, j, i], of :func:`~.cone.echoing`.
        spacing: of the grid that is wanted, in mm.
    """
    from scipy.optimize import linear_sum_assignment

    if min(echoes.shape) < _LEAST_VOXELS:
        return None
    places = np.argwhere(echoes[::2, ::2, ::2])[:, ::-1] * 2 * np.array(volume.grid.spacing)
    axes = _snug(places)
    cosines = np.abs(axes)
    total = cosines[linear_sum_assignment(cosines, maximize=True)].sum()
    turned = float(np.degrees(np.arccos(np.clip((total - 1) / 2, -1, 1))))
    along = places @ axes
    smaller = np.ptp(along, axis=0).prod() < _SMALLER * np.ptp(places, axis=0).prod()
    if turned < _ALONG_DEG or not smaller:
        return None
    first, last = along.min(axis=0) - 2, along.max(axis=0) + 2
    size = np.ceil((last - first) / spacing).astype(int) + 1
    origin = np.array(volume.grid.origin) + volume.grid.axes @ (axes @ first)
    return OwnAxes(Grid.of(size.tolist(), spacing, origin, volume.grid.axes @ axes), turned)


def _snug(points: np.ndarray) -> np.ndarray:
    """The right-handed axes along which the box around points [n, 3] is smallest."""
    from scipy.optimize import minimize
    from scipy.spatial import ConvexHull, QhullError
    from scipy.spatial.transform import Rotation

    try:
        corners = points[ConvexHull(points).vertices]
    except (QhullError, ValueError):  # in one plane, or none
        return np.eye(3)

    def size(turn: np.ndarray) -> float:
        return float(np.log(np.ptp(corners @ Rotation.from_rotvec(turn).as_matrix(), axis=0)).sum())

    found = []
    for start in Rotation.random(_STARTS, random_state=0).as_rotvec():
        simplex = start + np.vstack([np.zeros(3), np.eye(3) * _FIRST_TURN])
        options = {"initial_simplex": simplex, "maxfev": 200}
        found.append(minimize(size, start, method="Nelder-Mead", options=options))
    return Rotation.from_rotvec(min(found, key=lambda each: each.fun).x).as_matrix()


def _resampled(volume: Volume, grid: Grid, beyond: float, fine: bool = False) -> np.ndarray:
    """Interpolate on a grid, float32: linearly, or, to keep speckle, by cubic B-splines.

    Where the grid's voxels are larger, what is interpolated ``fine`` is smoothed first.
    """
    import SimpleITK as sitk

    image = sitk.Cast(volume.to_sitk(), sitk.sitkFloat32)
    if fine:
        coarse = max(grid.spacing)
        image = sitk.DiscreteGaussian(
            image, [max((coarse / 2) ** 2 - (mm / 2) ** 2, 0.0) for mm in volume.grid.spacing]
        )
    like = sitk.Image(grid.size, sitk.sitkUInt8)
    like.SetOrigin(grid.origin)
    like.SetSpacing(grid.spacing)
    like.SetDirection(grid.direction)
    by = sitk.sitkBSpline if fine else sitk.sitkLinear
    return sitk.GetArrayFromImage(sitk.Resample(image, like, sitk.Transform(), by, beyond))
