"""Where the voxels of a volume lie in physical space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike

from ..errors import InputError

# Headers store direction cosines as float32 (NIfTI) or short decimal text (DICOM), so axes are
# never exactly orthonormal; a real shear, such as a tilted gantry, is far above this.
_ORTHONORMAL_TOLERANCE = 1e-3

_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Grid:
    """A regular grid of voxels in ITK's conventions: LPS axes, millimetres, voxel centres.

    Attributes:
        size: number of voxels along (i, j, k), each at least 1.
        spacing: distance in mm between voxel centres along (i, j, k), each above 0.
        origin: LPS position in mm of the centre of voxel (0, 0, 0).
        direction: 9 numbers, the 3x3 matrix in row-major order whose columns are the unit
            vectors of the i, j and k axes. Left-handed (flipped) axes are allowed.

    Raises:
        InputError: the numbers do not describe such a grid.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = _IDENTITY

    def __post_init__(self) -> None:
        """Bring every field to plain Python numbers, then check that they make a grid."""
        object.__setattr__(self, "size", tuple(int(n) for n in self.size))
        for name in ("spacing", "origin", "direction"):
            object.__setattr__(self, name, tuple(float(x) for x in getattr(self, name)))
        lengths = (len(self.size), len(self.spacing), len(self.origin), len(self.direction))
        if lengths != (3, 3, 3, 9):
            raise InputError(
                "A grid needs 3 sizes, 3 spacings, 3 origin coordinates and 9 direction cosines, "
                f"not {lengths[0]}, {lengths[1]}, {lengths[2]} and {lengths[3]}."
            )
        if min(self.size) < 1:
            raise InputError(f"The image is empty (size {self.size}); give one with voxels.")
        if not all(math.isfinite(x) for x in self.spacing + self.origin + self.direction):
            raise InputError("The image geometry holds NaN or infinity; repair the file's header.")
        if min(self.spacing) <= 0:
            raise InputError(
                f"The voxel spacing {self.spacing} mm is not above zero; repair the file's header."
            )
        axes = self.axes
        if not np.allclose(axes.T @ axes, np.eye(3), rtol=0, atol=_ORTHONORMAL_TOLERANCE):
            raise InputError(
                "The image axes are not orthonormal (sheared or scaled directions); "
                "resample the image onto a regular grid first."
            )

    @classmethod
    def of(
        cls, size: Sequence[int], spacing: ArrayLike, origin: ArrayLike, axes: ArrayLike
    ) -> Grid:
        """Return the grid of arrays: sizes, spacings and origin [3], axes as columns [3, 3]."""
        numbers = (tuple(np.ravel(values).tolist()) for values in (spacing, origin, axes))
        return cls((size[0], size[1], size[2]), *numbers)

    @classmethod
    def from_sitk(cls, image: sitk.Image | sitk.ImageFileReader) -> Grid:
        """Return the grid of a SimpleITK image, or of a reader that has read a header.

        A 2D image becomes one slice in the plane z = 0 with a spacing of 1 mm along k; of a 4D
        image it is the grid of each volume.
        """
        dimension = image.GetDimension()
        axes = np.eye(max(dimension, 3))
        axes[:dimension, :dimension] = np.reshape(image.GetDirection(), (dimension, dimension))
        return cls(
            (*image.GetSize(), 1)[:3],
            (*image.GetSpacing(), 1.0)[:3],
            (*image.GetOrigin(), 0.0)[:3],
            tuple(axes[:3, :3].ravel()),
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (k, j, i) of the NumPy array that holds the voxels of this grid."""
        return self.size[2], self.size[1], self.size[0]

    @cached_property
    def axes(self) -> np.ndarray:
        """3x3 matrix whose columns are the unit vectors of the i, j and k axes."""
        return np.array(self.direction).reshape(3, 3)

    @cached_property
    def ijk_to_lps(self) -> np.ndarray:
        """4x4 matrix from homogeneous voxel indices (i, j, k, 1) to LPS positions in mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.axes * np.array(self.spacing)
        matrix[:3, 3] = self.origin
        return matrix

    def index_to_physical(self, ijk: np.ndarray) -> np.ndarray:
        """Return the LPS positions in mm, shape [..., 3], of voxel indices (i, j, k) [..., 3]."""
        matrix = self.ijk_to_lps
        return np.asarray(ijk, dtype=float) @ matrix[:3, :3].T + matrix[:3, 3]

    def points(self) -> np.ndarray:
        """Return the LPS positions in mm, shape [k, j, i, 3], of all voxels."""
        return self.index_to_physical(np.moveaxis(np.indices(self.shape), 0, -1)[..., ::-1])

    def physical_to_index(self, points: np.ndarray) -> np.ndarray:
        """Return the continuous indices (i, j, k) [..., 3] of LPS positions in mm [..., 3]."""
        matrix = self.ijk_to_lps
        offsets = np.asarray(points, dtype=float) - matrix[:3, 3]
        return offsets @ np.linalg.inv(matrix[:3, :3]).T

    def resample(self, image: sitk.Image) -> np.ndarray:
        """Return an image's values at the voxels of this grid, [k, j, i], interpolated linearly.

        Beyond the outermost voxel centres of the image, its outermost values go on.
        """
        resampler = sitk.ResampleImageFilter()
        resampler.SetSize(self.size)
        resampler.SetOutputSpacing(self.spacing)
        resampler.SetOutputOrigin(self.origin)
        resampler.SetOutputDirection(self.direction)
        resampler.SetUseNearestNeighborExtrapolator(True)
        return sitk.GetArrayFromImage(resampler.Execute(image))

    def is_close(self, other: Grid, tolerance: float = 1e-3) -> bool:
        """Return whether both have the same size and their corner voxels lie within mm of it."""
        if self.size != other.size:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.size])).reshape(3, -1).T
        shifts = self.index_to_physical(corners) - other.index_to_physical(corners)
        return bool(np.linalg.norm(shifts, axis=1).max() <= tolerance)

    def lies_on(self, other: Grid) -> bool:
        """Return whether both have the same size and lie in one place, but for digits rounded off.

        A tenth of a voxel is more than a header with few digits makes, and nobody sees it.
        """
        return self.is_close(other, 0.1 * min(self.spacing))
