"""The shape of what an ultrasound volume shows, and how alike it is to its mirror images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..image.masks import largest_part

if TYPE_CHECKING:
    from scipy.spatial import ConvexHull

# Voxels so far apart show a cone's shape.
APART_MM = 3.0
# Of fewer voxels along an axis there is no shape, and no telling how it lies.
_LEAST_THICK = 8


@dataclass(frozen=True)
class Body:
    """The convex hull of what echoes, in mm along (i, j, k)."""

    hull: ConvexHull

    @classmethod
    def of(cls, echoes: np.ndarray, spacing: Sequence[float]) -> Body | None:
        """The body of a mask [k, j, i]; None where it has no shape."""
        from scipy.ndimage import binary_erosion
        from scipy.spatial import ConvexHull, QhullError

        if min(echoes.shape) < _LEAST_THICK:
            return None
        steps = [max(1, round(APART_MM / mm)) for mm in spacing]
        coarse = echoes[tuple(slice(None, None, step) for step in steps)]
        largest = largest_part(coarse)
        voxels = np.argwhere(largest & ~binary_erosion(largest))
        try:
            return cls(ConvexHull((voxels * (np.array(spacing) * steps))[:, ::-1]))
        except (QhullError, ValueError):  # flat, or fewer than four voxels
            return None

    @cached_property
    def centre(self) -> np.ndarray:
        """The centre of mass, [3]."""
        middle = self.hull.points[self.hull.vertices].mean(axis=0)
        faces = self.hull.points[self.hull.simplices]
        one, two, three = np.moveaxis(faces - middle, 1, 0)
        volumes = np.abs((one * np.cross(two, three)).sum(axis=1))
        centres: np.ndarray = (faces.sum(axis=1) + middle) / 4
        return volumes @ centres / volumes.sum()

    def beyond(self, normal: np.ndarray) -> float:
        """How far corners mirrored in a plane through the centre lie outside, of the size."""
        corners = self.hull.points[self.hull.vertices]
        mirrored = corners - 2 * ((corners - self.centre) @ normal)[:, None] * normal
        outside = (mirrored @ self.hull.equations[:, :3].T + self.hull.equations[:, 3]).max(axis=1)
        return float(np.clip(outside, 0, None).mean() / np.cbrt(self.hull.volume))

    def off(self, axes: np.ndarray) -> float:
        """:meth:`beyond` of the first two axes [3, 3], columns."""
        return self.beyond(axes[:, 0]) + self.beyond(axes[:, 1])
