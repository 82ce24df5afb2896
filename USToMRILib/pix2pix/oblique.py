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
# A body without a direction, as a box or a ball, has no skewness; of simulated cones it is from
# 0.004, where the volume cuts most of them off, to 0.1.
_LEAST_SKEWNESS = 0.002
# The first step of the search for the smallest box, in radians.
_FIRST_TURN = 0.1
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

    A cone grows with depth: its third moment points away from the probe, however it lies. Near
    that, the axes are those along which the box around it is smallest.

    Args:
        volume: ultrasound.
        echoes: bool [k, j, i], of :func:`~.cone.echoing`.
        spacing: of the grid that is wanted, in mm.
    """
    from scipy.optimize import linear_sum_assignment

    if min(echoes.shape) < _LEAST_VOXELS:
        return None
    covariance, pull = _moments(echoes, volume.grid.spacing)
    strength = float(np.linalg.norm(pull))
    if strength < _LEAST_SKEWNESS:
        return None
    depth = pull / strength
    across = np.linalg.svd(depth[None])[2][1:]
    _, within = np.linalg.eigh(across @ covariance @ across.T)
    places = np.argwhere(echoes[::2, ::2, ::2])[:, ::-1] * 2 * np.array(volume.grid.spacing)
    axes = _snug(places, np.column_stack([depth, *(within.T @ across)]))
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


def _snug(points: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """The axes near some, right-handed, along which the box around points [n, 3] is smallest."""
    from scipy.optimize import minimize
    from scipy.spatial import ConvexHull, QhullError
    from scipy.spatial.transform import Rotation

    try:
        corners = points[ConvexHull(points).vertices]
    except QhullError:  # in one plane
        return axes
    start = axes * np.array([1.0, 1.0, np.linalg.det(axes)])

    def turned(by: np.ndarray) -> np.ndarray:
        return start @ Rotation.from_rotvec(by).as_matrix()

    best = minimize(
        lambda by: np.log(np.ptp(corners @ turned(by), axis=0)).sum(),
        np.zeros(3),
        method="Nelder-Mead",
        options={"initial_simplex": np.vstack([np.zeros(3), np.eye(3) * _FIRST_TURN])},
    )
    return turned(best.x)


def _moments(mask: np.ndarray, spacing: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Covariance [3, 3] in mm2 and skewness [3] of a mask [k, j, i], along (i, j, k).

    The skewness is the mean of p |p|^2 about the centre, in units of the spread.
    """
    total = max(np.count_nonzero(mask), 1)
    offsets = []
    for axis in range(3):  # i, j, k
        others = tuple(other for other in range(3) if other != 2 - axis)
        counts = np.count_nonzero(mask, axis=others)
        places = np.arange(len(counts)) * spacing[axis]
        offsets.append(places - counts @ places / total)
    covariance, third = np.zeros((3, 3)), np.zeros(3)
    for one, two in ((0, 1), (0, 2), (1, 2)):
        seen = np.count_nonzero(mask, axis=2 - (3 - one - two)).T  # [one, two]
        a, b = offsets[one], offsets[two]
        covariance[one, two] = covariance[two, one] = a @ seen @ b / total
        third[one] += a @ seen @ b**2 / total
        third[two] += a**2 @ seen @ b / total
        for axis, of, counts in ((one, a, seen.sum(1)), (two, b, seen.sum(0))):
            covariance[axis, axis] = counts @ of**2 / total
            third[axis] += counts @ of**3 / total / 2  # met twice
    return covariance, third / max(float(np.trace(covariance)), 1e-9) ** 1.5


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
