"""The aligned square in which the fetal networks work, and the way there and back.

The head is centred, its midline, which is its long axis in most slices, horizontal; how large it
is and what is removed says the :class:`.frame_spec.FrameSpec` of the networks. The frame is only a
grid laid over the plane of the slice, so the way back is the same resampling in reverse and an
image point returns to the pixel it came from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..image.intensity import rescale
from .ellipse import Ellipse
from .frame_spec import FrameSpec
from .skull import cannot_be

BACKGROUND = np.float32(-1)

# A Gaussian of this full width at half maximum (in output pixels) before sampling keeps detail
# finer than the output's pixels from folding into it.
_ANTIALIAS_FWHM_PIXELS = 1.0
_FWHM_PER_SIGMA = 2.3548


@dataclass(frozen=True)
class HeadFrame:
    """The frame of one head in one slice.

    Attributes:
        ellipse: what is shown, in plane coordinates (mm).
        shape: (rows, columns) of the slice.
        spacing: (x, y) in mm of the slice.
        spec: of the networks.

    Raises:
        InputError: the head lies between the frame's pixels.
    """

    ellipse: Ellipse
    shape: tuple[int, int]
    spacing: tuple[float, float]
    spec: FrameSpec

    def __post_init__(self) -> None:
        """Check that the frame shows the head."""
        if not self.mask.any():
            raise InputError(cannot_be(self.ellipse))

    @classmethod
    def around(
        cls,
        outline: Ellipse,
        shape: tuple[int, int],
        spacing: tuple[float, float],
        spec: FrameSpec,
    ) -> HeadFrame:
        """The frame of a head whose skull has this outer outline.

        Raises:
            InputError: the outline is none of a head.
        """
        return cls(spec.shown(outline), shape, spacing, spec)

    @property
    def pixel_mm(self) -> float:
        """Edge of the frame's pixels in mm."""
        return self.spec.pixel_size(self.ellipse)

    @property
    def size_mm(self) -> float:
        """Length of what is shown along the midline in mm, an input of some networks."""
        return 2 * self.ellipse.extents[0]

    def to_frame(self, pixels: np.ndarray) -> np.ndarray:
        """Resample a slice [rows, columns] to the frame, float32 of its shape, 0 where it ends."""
        image = self._source_image(pixels)
        finest = min(self.spacing)
        if finest < self.pixel_mm:
            fwhm = _ANTIALIAS_FWHM_PIXELS * np.sqrt(self.pixel_mm**2 - finest**2)
            image = sitk.SmoothingRecursiveGaussian(image, float(fwhm / _FWHM_PER_SIGMA))
        return _resample(image, self._frame_image(), sitk.sitkLinear)

    def to_source(
        self, frame: np.ndarray, background: float = 0.0, shown: np.ndarray | None = None
    ) -> np.ndarray:
        """Resample a frame to the slice, float32 [rows, columns].

        Cubic B-spline, kept within the frame's range of values; ``background`` outside of what is
        shown.

        Args:
            frame: of the frame's shape.
            background: value outside.
            shown: probability of every pixel of the frame to be part of the picture; the picture
                ends where it is a half. The ellipse of the head where None.
        """
        from scipy.ndimage import distance_transform_edt

        inside = self.mask if shown is None else shown > 0.5
        if not inside.any():
            return np.full(self.shape, background, np.float32)
        # The edge is cut on the slice's fine pixels: beyond it the frame goes on with the
        # nearest value inside, or the edge would show the frame's coarse steps.
        nearest = distance_transform_edt(~inside, return_distances=False, return_indices=True)
        filled = frame[tuple(nearest)]
        pixels = self._on_slice(self._frame_image(filled), sitk.sitkBSpline)
        clipped = pixels.clip(filled.min(), filled.max())
        if shown is None:
            kept = self.source_mask
        else:
            kept = self._on_slice(self._frame_image(shown), sitk.sitkLinear) > 0.5
        return np.where(kept, clipped, background).astype(np.float32)

    def labels_to_source(self, probabilities: np.ndarray) -> np.ndarray:
        """Resample the most probable labels to the slice, uint8 [rows, columns].

        Args:
            probabilities: of each label, float [labels, rows, columns] of the frame.

        Returns:
            The label that is most probable by linear interpolation; 0 outside of the frame.
        """
        each = np.ascontiguousarray(np.moveaxis(probabilities, 0, -1), np.float32)
        image = sitk.GetImageFromArray(each, isVector=True)
        image.CopyInformation(self._frame_image())
        return self._on_slice(image, sitk.sitkLinear).argmax(axis=-1).astype(np.uint8)

    @property
    def mask(self) -> np.ndarray:
        """Boolean of the frame's shape: inside of what is shown."""
        x, y = self._middle
        upright = Ellipse((float(x), float(y)), self.ellipse.semi_axes, -self.ellipse.midline)
        return upright.mask(self.spec.shape, (self.pixel_mm, self.pixel_mm))

    @property
    def source_mask(self) -> np.ndarray:
        """Boolean [rows, columns]: inside of what is shown."""
        return self.ellipse.mask(self.shape, self.spacing)

    @property
    def _middle(self) -> np.ndarray:
        """(x, y) of the frame's centre in mm from its first pixel."""
        rows, columns = self.spec.shape
        return np.array([columns - 1, rows - 1]) / 2 * self.pixel_mm

    def _on_slice(self, frame: sitk.Image, interpolator: int) -> np.ndarray:
        """A frame on the slice, [rows, columns] or with components last; 0 beyond the frame.

        Only the part of the slice on which the frame lies is computed.
        """
        half = self._middle + self.pixel_mm
        corners = np.array([[x, y] for x in (-1, 1) for y in (-1, 1)]) * half
        places = (corners @ self.ellipse.head_axes.T + self.ellipse.centre) / self.spacing
        first = np.floor(places.min(axis=0)).astype(int).clip(0)
        last = np.minimum(np.ceil(places.max(axis=0)).astype(int), np.array(self.shape[::-1]) - 1)
        depth = frame.GetNumberOfComponentsPerPixel()
        pixels = np.zeros((*self.shape, depth) if depth > 1 else self.shape, np.float32)
        if (last >= first).all():
            window = sitk.Image([int(n) for n in last - first + 1], sitk.sitkUInt8)
            window.SetSpacing(self.spacing)
            window.SetOrigin((first * self.spacing).tolist())
            part = sitk.Resample(frame, window, sitk.Transform(), interpolator, 0.0)
            rows, columns = slice(first[1], last[1] + 1), slice(first[0], last[0] + 1)
            pixels[rows, columns] = sitk.GetArrayFromImage(part)
        return pixels

    def _source_image(self, pixels: np.ndarray) -> sitk.Image:
        image = sitk.GetImageFromArray(np.asarray(pixels, np.float32))
        image.SetSpacing(self.spacing)
        return image

    def _frame_image(self, frame: np.ndarray | None = None) -> sitk.Image:
        if frame is None:
            frame = np.zeros(self.spec.shape)
        image = sitk.GetImageFromArray(np.asarray(frame, np.float32))
        image.SetSpacing((self.pixel_mm, self.pixel_mm))
        rotation = self.ellipse.head_axes
        image.SetDirection(rotation.ravel().tolist())
        image.SetOrigin((np.array(self.ellipse.centre) - rotation @ self._middle).tolist())
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
        frame: [rows, columns].
        mask: inside the head.
        limits: black and white; those of :func:`head_limits` where None.
    """
    black, white = limits or head_limits(frame, mask)
    return np.where(mask, rescale(frame, black, white), BACKGROUND)
