"""Where ultrasound shows something: a pseudo-MRI fades where there is no echo to tell of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..image.grid import Grid
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


def echo_weight(volume: Volume, limits: tuple[float, float], grid: Grid) -> np.ndarray:
    """Return how far a pseudo-MRI is to be shown, float32 [k, j, i] from 0 to 1, smooth.

    1 where there is echo and within 5 mm of it, falling to 0 at 10 mm. In training nothing was
    asked of the generator outside the cone; where a large part inside is as dark, in shadows and
    beside a probe without contact, it answers as there: with the pattern of its strides.

    Args:
        volume: ultrasound.
        limits: values that count as -1 and 1, of :func:`~.pix2pix3d.ultrasound_range`.
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
