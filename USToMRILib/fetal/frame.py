"""The aligned square in which the fetal networks work, and the way there and back.

The head is centred, its midline, which is its long axis in most slices, horizontal; how large it
is and what is removed says the :class:`.frame_spec.FrameSpec` of the networks. The frame is only a
grid laid over the plane of the slice, so the way back is the same resampling in reverse and an
image point returns to the pixel it came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..image.intensity import rescale
from ..image.resampling import Places, on_grid, part_around
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
        finest, sigma = min(self.spacing), 0.0
        if finest < self.pixel_mm:
            fwhm = _ANTIALIAS_FWHM_PIXELS * np.sqrt(self.pixel_mm**2 - finest**2)
            sigma = float(fwhm / _FWHM_PER_SIGMA)
        grid = sitk.Image(self.spec.shape[::-1], sitk.sitkUInt8)
        grid.SetSpacing((self.pixel_mm, self.pixel_mm))
        axes = self.ellipse.head_axes
        grid.SetDirection(axes.ravel().tolist())
        grid.SetOrigin((np.array(self.ellipse.centre) - axes @ self._middle).tolist())
        return on_grid(pixels, self.spacing, grid, sigma)

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
        source = np.full(self.shape, background, np.float32)
        if not inside.any():
            return source
        # The edge is cut on the slice's fine pixels: beyond it the frame goes on with the
        # nearest value inside, or the edge would show the frame's coarse steps.
        nearest = distance_transform_edt(~inside, return_distances=False, return_indices=True)
        filled = frame[tuple(nearest)]
        part, places = self._under(inside)
        kept = self.source_mask[part] if shown is None else places.linear(shown[None])[0] > 0.5
        kept &= places.inside(self.spec.shape)
        values = Places(places.x[kept], places.y[kept]).cubic(filled)
        source[part][kept] = values.clip(filled.min(), filled.max())
        return source

    def labels_to_source(self, probabilities: np.ndarray) -> np.ndarray:
        """Resample the most probable labels to the slice, uint8 [rows, columns].

        Args:
            probabilities: of each label, float32 [labels, rows, columns] of the frame, in all 1;
                label 0 is none.

        Returns:
            By linear interpolation the label that is most probable of those that are one, where
            one of them is as probable as not: as far as the picture goes (:meth:`to_source`).
        """
        labels = np.zeros(self.shape, np.uint8)
        somewhere = probabilities[0] < 0.5
        if somewhere.any():
            part, places = self._under(somewhere)
            likely = places.linear(probabilities)
            kept = places.inside(self.spec.shape) & (likely[0] < 0.5)
            labels[part] = np.where(kept, 1 + likely[1:].argmax(axis=0), 0)
        return labels

    @cached_property
    def mask(self) -> np.ndarray:
        """Boolean of the frame's shape: inside of what is shown."""
        x, y = self._middle
        upright = Ellipse((float(x), float(y)), self.ellipse.semi_axes, -self.ellipse.midline)
        return upright.mask(self.spec.shape, (self.pixel_mm, self.pixel_mm))

    @property
    def source_part(self) -> tuple[slice, slice]:
        """The rows and columns of the slice that hold what is shown."""
        reach = np.linalg.norm(self.ellipse.rotation * self.ellipse.semi_axes, axis=1)
        ends = self.ellipse.centre + np.array([[-1], [1]]) * reach
        first, last = part_around(ends / self.spacing, self.shape)
        return slice(first[1], last[1] + 1), slice(first[0], last[0] + 1)

    @property
    def source_mask(self) -> np.ndarray:
        """Boolean [rows, columns]: inside of what is shown."""
        return self.ellipse.mask(self.shape, self.spacing)

    @property
    def _middle(self) -> np.ndarray:
        """(x, y) of the frame's centre in mm from its first pixel."""
        rows, columns = self.spec.shape
        return np.array([columns - 1, rows - 1]) / 2 * self.pixel_mm

    def _under(self, marked: np.ndarray) -> tuple[tuple[slice, slice], Places]:
        """The part of the slice under marked pixels of the frame, and where on the frame it lies.

        Interpolation makes nothing of what is more than a pixel beside them.
        """
        rows, columns = np.nonzero(marked)
        marks = np.stack([columns, rows], axis=-1) * self.pixel_mm - self._middle
        marks = marks @ self.ellipse.head_axes.T + self.ellipse.centre
        beside = 2 * self.pixel_mm
        ends = np.stack([marks.min(axis=0) - beside, marks.max(axis=0) + beside])
        first, last = part_around(ends / self.spacing, self.shape)
        to_frame = self.ellipse.head_axes.T / self.pixel_mm
        middle = self._middle / self.pixel_mm
        start = to_frame @ (first * self.spacing - self.ellipse.centre) + middle
        part = slice(first[1], last[1] + 1), slice(first[0], last[0] + 1)
        columns, rows = (last - first + 1).tolist()
        return part, Places.of_pixels(start, to_frame * self.spacing, (rows, columns))


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
