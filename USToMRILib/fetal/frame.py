"""The aligned square in which the fetal networks work, and the way there and back.

The frame follows the DDIC paper: 128x128 pixels of 1.094 mm, the head centred, its long axis (the
midline of a transthalamic slice) horizontal, everything outside the skull removed. It is only a
grid laid over the plane of the slice, so the way back is the same resampling in reverse and an
image point returns to the pixel it came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..image.intensity import rescale
from .ellipse import Ellipse

if TYPE_CHECKING:
    from ..compute.bundle import Bundle

FRAME_SIZE = 128
FRAME_PIXEL_MM = 1.094
BACKGROUND = np.float32(-1)

# A Gaussian of this full width at half maximum (in output pixels) before sampling keeps detail
# finer than the output's pixels from folding into it.
_ANTIALIAS_FWHM_PIXELS = 1.0
_FWHM_PER_SIGMA = 2.3548


@dataclass(frozen=True)
class HeadFrame:
    """The frame of one head in one slice.

    Attributes:
        ellipse: the skull's outline in plane coordinates (mm).
        shape: (rows, columns) of the slice.
        spacing: (x, y) in mm of the slice.

    Raises:
        InputError: the head lies between the frame's pixels.
    """

    ellipse: Ellipse
    shape: tuple[int, int]
    spacing: tuple[float, float]

    def __post_init__(self) -> None:
        """Check that the frame shows the head."""
        if not self.mask.any():
            length, width = (2 * axis for axis in self.ellipse.semi_axes)
            raise InputError(
                f"The head measures {length:.2g} mm x {width:.2g} mm, which cannot be; correct the "
                "pixel size (mm), or give the head with --head-mask FILE."
            )

    def to_frame(self, pixels: np.ndarray) -> np.ndarray:
        """Resample a slice [rows, columns] to the frame, float32 [128, 128], 0 where it ends."""
        image = self._source_image(pixels)
        finest = min(self.spacing)
        if finest < FRAME_PIXEL_MM:
            fwhm = _ANTIALIAS_FWHM_PIXELS * np.sqrt(FRAME_PIXEL_MM**2 - finest**2)
            image = sitk.SmoothingRecursiveGaussian(image, float(fwhm / _FWHM_PER_SIGMA))
        return _resample(image, self._frame_image(), sitk.sitkLinear)

    def to_source(self, frame: np.ndarray, background: float = 0.0) -> np.ndarray:
        """Resample a frame [128, 128] to the slice, float32 [rows, columns].

        Cubic B-spline, kept within the frame's range of values; ``background`` outside the skull.
        """
        from scipy.ndimage import distance_transform_edt

        # The skull's edge is cut on the slice's fine pixels: beyond it the frame goes on with the
        # nearest value inside, or the edge would show the frame's coarse steps.
        nearest = distance_transform_edt(~self.mask, return_distances=False, return_indices=True)
        filled = frame[tuple(nearest)]
        source = self._source_image(np.zeros(self.shape, np.float32))
        pixels = _resample(self._frame_image(filled), source, sitk.sitkBSpline)
        clipped = pixels.clip(filled.min(), filled.max())
        return np.where(self.source_mask, clipped, background).astype(np.float32)

    @property
    def mask(self) -> np.ndarray:
        """Boolean [128, 128]: inside the skull."""
        half = (FRAME_SIZE - 1) / 2 * FRAME_PIXEL_MM
        upright = Ellipse((half, half), self.ellipse.semi_axes, 0.0)
        return upright.mask((FRAME_SIZE, FRAME_SIZE), (FRAME_PIXEL_MM, FRAME_PIXEL_MM))

    @property
    def source_mask(self) -> np.ndarray:
        """Boolean [rows, columns]: inside the skull."""
        return self.ellipse.mask(self.shape, self.spacing)

    def _source_image(self, pixels: np.ndarray) -> sitk.Image:
        image = sitk.GetImageFromArray(np.asarray(pixels, np.float32))
        image.SetSpacing(self.spacing)
        return image

    def _frame_image(self, frame: np.ndarray | None = None) -> sitk.Image:
        if frame is None:
            frame = np.zeros((FRAME_SIZE, FRAME_SIZE))
        image = sitk.GetImageFromArray(np.asarray(frame, np.float32))
        image.SetSpacing((FRAME_PIXEL_MM, FRAME_PIXEL_MM))
        rotation = self.ellipse.rotation
        image.SetDirection(rotation.ravel().tolist())
        half = np.full(2, (FRAME_SIZE - 1) / 2 * FRAME_PIXEL_MM)
        image.SetOrigin((np.array(self.ellipse.centre) - rotation @ half).tolist())
        return image


def _resample(image: sitk.Image, grid: sitk.Image, interpolator: int) -> np.ndarray:
    moved = sitk.Resample(image, grid, sitk.Transform(), interpolator, 0.0, sitk.sitkFloat32)
    return sitk.GetArrayFromImage(moved)


def head_limits(frame: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Black and white of an ultrasound frame: the 1st and the 97th percentile inside the head.

    The skull is a few per cent of the head's pixels and far brighter than the brain; left to set
    white, it would press the brain into the darkest fifth of the range.
    """
    black, white = np.percentile(frame[mask], [1.0, 97.0])
    return float(black), float(white)


def normalise_head(
    frame: np.ndarray, mask: np.ndarray, limits: tuple[float, float] | None = None
) -> np.ndarray:
    """Scale an ultrasound frame to [-1, 1], -1 outside the head.

    Args:
        frame: [128, 128].
        mask: inside the head.
        limits: black and white; those of :func:`head_limits` where None.
    """
    black, white = limits or head_limits(frame, mask)
    return np.where(mask, rescale(frame, black, white), BACKGROUND)


def check_fits_frame(bundle: Bundle) -> None:
    """Raise InputError for a network whose input has not the frame's shape and pixel size."""
    expected = {"spatial_shape": [FRAME_SIZE] * 2, "spacing_mm": [FRAME_PIXEL_MM] * 2}
    image = bundle.metadata["network_data_format"]["inputs"]["image"]
    found = {
        "spatial_shape": image["spatial_shape"],
        "spacing_mm": bundle.metadata["spacing_mm"],
    }
    if found != expected:
        raise InputError(
            f"The bundle {bundle.name!r} works on {found} and the frame is {expected}; install "
            "bundles made for this version."
        )
