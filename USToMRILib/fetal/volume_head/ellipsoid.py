"""The ellipsoid of a head in physical space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...image.grid import Grid

# Of points on a surface: how far, in mm, one may be off before it counts less.
_SLACK_MM = 2.0


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid.

    Attributes:
        centre: [3] in LPS mm.
        semi_axes: [3] in mm, the longest first.
        axes: [3, 3], their unit vectors as columns.
    """

    centre: np.ndarray
    semi_axes: np.ndarray
    axes: np.ndarray

    def radius(self, points: np.ndarray) -> np.ndarray:
        """Elliptic radius of points [..., 3]: 0 at the centre, 1 on the surface."""
        return np.linalg.norm((points - self.centre) @ self.axes / self.semi_axes, axis=-1)

    def reach(self, direction: np.ndarray) -> float:
        """How far it extends from its centre along a unit vector, in mm."""
        return float(np.linalg.norm(direction @ self.axes * self.semi_axes))

    def longest_across(self, normal: np.ndarray) -> np.ndarray:
        """The unit vector in which it is longest, cut through its centre across another one."""
        plane = np.linalg.svd(normal[None])[2][1:]
        form = plane @ self.axes / self.semi_axes
        _, axes = np.linalg.eigh(form @ form.T)
        longest: np.ndarray = axes[:, 0] @ plane
        return longest

    @classmethod
    def of_mask(cls, mask: np.ndarray, grid: Grid) -> Ellipsoid:
        """The one with the centre and the second moments of a mask [k, j, i] with voxels in it."""
        points = grid.index_to_physical(np.argwhere(mask)[:, ::-1])
        variances, axes = np.linalg.eigh(np.cov(points.T))
        semi_axes = np.sqrt(5 * np.maximum(variances, 0.05))
        return cls(points.mean(axis=0), semi_axes[::-1], axes[:, ::-1])

    @classmethod
    def through(cls, points: np.ndarray) -> Ellipsoid:
        """The one through points [n, 3] on its surface, of which some may lie far off."""
        from scipy.optimize import least_squares
        from scipy.spatial.transform import Rotation

        middle = np.median(points, axis=0)
        _, turn = np.linalg.eigh(np.cov((points - middle).T))
        turn[:, 0] *= np.linalg.det(turn)

        def unpacked(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            axes = turn @ Rotation.from_rotvec(numbers[6:]).as_matrix()
            return middle + numbers[:3], np.exp(numbers[3:6]), axes

        def off(numbers: np.ndarray) -> np.ndarray:
            centre, semi_axes, axes = unpacked(numbers)
            radius = np.linalg.norm((points - centre) @ axes / semi_axes, axis=1)
            return (radius - 1) * semi_axes.mean()

        first = np.log(np.sqrt(3 * np.median(((points - middle) @ turn) ** 2, axis=0) + 1))
        start = np.concatenate([np.zeros(3), first, np.zeros(3)])
        best = least_squares(off, start, loss="soft_l1", f_scale=_SLACK_MM).x
        centre, semi_axes, axes = unpacked(best)
        order = np.argsort(-semi_axes)
        return cls(centre, semi_axes[order], axes[:, order])
