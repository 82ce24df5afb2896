"""An image with its geometry: the one type that flows through the library."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import InputError
from .grid import Grid


@dataclass
class Volume:
    """A scalar image on a grid; a 2D image is a volume of one slice.

    Attributes:
        array: voxel values [k, j, i] of any real dtype.
        grid: where the voxels lie.
        metadata: header fields worth keeping, text to text.

    Raises:
        InputError: the array does not have the grid's shape.
    """

    array: np.ndarray
    grid: Grid
    metadata: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that array and grid belong together."""
        if self.array.shape != self.grid.shape:
            raise InputError(
                f"The array's shape {self.array.shape} differs from the grid's (k, j, i) "
                f"{self.grid.shape}; give an array on the same grid."
            )

    @property
    def is_slice(self) -> bool:
        """Whether the volume is one 2D slice, that is, has size 1 along k."""
        return self.grid.size[2] == 1

    def with_array(self, array: np.ndarray) -> Volume:
        """Return a volume with the same grid and metadata and other voxel values [k, j, i]."""
        return Volume(array, self.grid, dict(self.metadata))

    @classmethod
    def from_sitk(cls, image: sitk.Image) -> Volume:
        """Return the volume of a scalar 2D or 3D SimpleITK image (the voxels are copied)."""
        grid = Grid.from_sitk(image)
        return cls(sitk.GetArrayFromImage(image).reshape(grid.shape), grid)

    def to_sitk(self) -> sitk.Image:
        """Return a 3D SimpleITK image with these voxels (copied) and this geometry."""
        image = sitk.GetImageFromArray(self.array)
        image.SetSpacing(self.grid.spacing)
        image.SetOrigin(self.grid.origin)
        image.SetDirection(self.grid.direction)
        return image

    @classmethod
    def read(cls, path: str | Path, pixel_size: float | None = None) -> Volume:
        """Read an image file."""
        volume = cls.from_sitk(sitk.ReadImage(str(path)))
        if pixel_size is not None:
            volume.grid = Grid(volume.grid.size, (pixel_size, pixel_size, 1.0))
        return volume

    def write(self, path: str | Path, metadata: dict[str, str] | None = None) -> None:
        """Write the image to a file."""
        sitk.WriteImage(self.to_sitk(), str(path))
