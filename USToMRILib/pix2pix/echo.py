"""Where ultrasound echoes, and how brightly that is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..image.grid import Grid
from ..image.intensity import rescale
from ..image.volume import Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

# Of the ultrasound's range above its least value: below it the mean over some voxels is the floor
# of the display. Speckle of the weakest tissue is far above it.
_FLOOR = 0.03
_AVERAGED_MM = 2.0
# As far from the nearest echo the pseudo-MRI is shown in full, and no more: a ventricle, which
# does not echo, is seldom wider than twice the first.
_FULL_MM, _NONE_MM = 5.0, 10.0
_HIGH_PERCENTILE = 99.5
# Beyond, an image is noise, which would only be brightened.
_LEAST_EXPONENT = 0.4


def ultrasound_range(array: np.ndarray) -> tuple[float, float]:
    """Return the values that normalisation maps to -1 and 1.

    The low end is the smallest value (the background of an ultrasound volume), the high end the
    99.5th percentile of what lies above it, so that neither the gain nor a few bright echoes nor
    the size of the background decide. Training and inference use this one function.

    Args:
        array: ultrasound voxels of any shape and real dtype, all finite.
    """
    low = float(array.min())
    above = array[array > low]
    high = float(np.percentile(above, _HIGH_PERCENTILE)) if above.size else low
    return low, high


@dataclass(frozen=True)
class GreyLevels:
    """How grey levels of an ultrasound become those that the generator sees.

    Attributes:
        limits: values that count as -1 and 1.
        exponent: of the grey levels between them, on 0..1; below 1 it brightens.
    """

    limits: tuple[float, float]
    exponent: float = 1.0

    @classmethod
    def of(cls, array: np.ndarray, limits: tuple[float, float], dark: float | None) -> GreyLevels:
        """Those of an ultrasound, a darker one brightened to what the generator knows.

        Scanners compress the echo's range by curves of their own. Tissue that is darker than in
        training is fluid with specks in it to the generator.

        Args:
            array: ultrasound.
            limits: of it.
            dark: :func:`median_echo` of what was dark in training; None to brighten nothing.
        """
        echo = 1.0 if dark is None else median_echo(array, limits)
        if dark is None or echo >= dark:
            return cls(limits)
        return cls(limits, max(_LEAST_EXPONENT, float(np.log(dark) / np.log(echo))))

    def seen(self, array: np.ndarray) -> np.ndarray:
        """Values in [-1, 1], float32 of the same shape."""
        scaled = rescale(array, *self.limits)
        if self.exponent == 1:
            return scaled
        return ((scaled + 1) / 2) ** np.float32(self.exponent) * 2 - 1


def echo_weight(volume: Volume, limits: tuple[float, float], grid: Grid) -> np.ndarray:
    """Return how far a pseudo-MRI is to be shown, float32 [k, j, i] from 0 to 1, smooth.

    1 where there is echo and within 5 mm of it, falling to 0 at 10 mm. In training nothing was
    asked of the generator outside the cone; where a large part inside is as dark, in shadows and
    beside a probe without contact, it answers as there: with the pattern of its strides.

    Args:
        volume: ultrasound.
        limits: values that count as -1 and 1, of :func:`ultrasound_range`.
        grid: of the answer, over the same extent.
    """
    import SimpleITK as sitk

    low, high = limits
    echo = _coarse(volume) > low + _FLOOR * (high - low)
    if not sitk.GetArrayViewFromImage(echo).any():
        return np.zeros(grid.shape, np.float32)
    away = sitk.SignedMaurerDistanceMap(echo, squaredDistance=False, useImageSpacing=True)
    shown = sitk.Clamp((_NONE_MM - away) / (_NONE_MM - _FULL_MM), sitk.sitkFloat32, 0, 1)
    return grid.resample(shown * shown * (3 - 2 * shown))


def median_echo(array: np.ndarray, limits: tuple[float, float]) -> float:
    """Return how bright the echo is in the middle: 0 is the display's floor, 1 its white.

    Args:
        array: ultrasound.
        limits: of :func:`ultrasound_range`.
    """
    low, high = limits
    above = array[array > low + _FLOOR * (high - low)]
    if not above.size:
        return 1.0
    return min(1.0, (float(np.median(above)) - low) / (high - low))


def _coarse(volume: Volume) -> sitk.Image:
    """Return local means, a voxel in some 2 mm."""
    import SimpleITK as sitk

    image = sitk.Cast(volume.to_sitk(), sitk.sitkFloat32)
    sizes = zip(image.GetSize(), image.GetSpacing())
    by = [max(1, min(n, round(_AVERAGED_MM / mm))) for n, mm in sizes]
    # What is left over at the far faces is the mean of fewer voxels, not lost.
    more = [-n % step for n, step in zip(image.GetSize(), by)]
    coarse = sitk.BinShrink(sitk.ZeroFluxNeumannPad(image, [0, 0, 0], more), by)
    return sitk.DiscreteGaussian(coarse, [(_AVERAGED_MM / 2) ** 2] * 3)
