"""Volume translation with the 3D pix2pix generator: overlapping windows, blended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .grid import Grid
from .intensity import rescale
from .progress import Progress
from .volume import Volume
from .windows import blend_windows

if TYPE_CHECKING:
    import torch

    from .bundle import Bundle

BUNDLE = "pix2pix3d"

_SPACING_TOLERANCE = 0.25
_HIGH_PERCENTILE = 99.5


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


def ultrasound_cone(array: np.ndarray) -> np.ndarray:
    """Return the voxels that the ultrasound reaches, bool [k, j, i].

    Outside are the voxels of the smallest value in regions, at least 3 voxels wide, that reach a
    corner of the volume. Fluid or shadow as dark as the outside counts as inside, unless it lies
    open to it at the edge of the cone.
    """
    from scipy import ndimage

    empty = array == array.min()
    box = np.ones((3, 3, 3))
    rim = 2  # with the faces repeated, a sliver along a face is wide enough to count
    regions, _ = ndimage.label(ndimage.binary_opening(np.pad(empty, rim, mode="edge"), box))
    at_corner = np.zeros(int(regions.max()) + 1, bool)
    at_corner[regions[np.ix_(*[(0, -1)] * 3)]] = True
    at_corner[0] = False
    outside = at_corner[regions[rim:-rim, rim:-rim, rim:-rim]]
    if outside.any():  # what the opening cut off at the edge of the cone
        outside = ndimage.binary_dilation(outside, box, iterations=rim, mask=empty)
    return ~outside


def translate_volume(volume: Volume, bundle: Bundle, progress: Progress) -> np.ndarray:
    """Translate an ultrasound volume to pseudo-MRI with a 3D generator.

    The generator sees voxels of the size that it was trained on (`spacing_mm` in the bundle's
    metadata): a volume whose voxels differ from it by more than a quarter is resampled to it and
    the result back; any other stays on its own grid throughout.

    Args:
        volume: ultrasound of any size, also of a single slice; its background is its least value.
        bundle: whose network maps float32 [1, 1, D, H, W] in [-1, 1] to the same, where D, H, W
            are multiples of `divisors` in its metadata; `window` there is (D, H, W) in training.
        progress: reports and cancels window by window.

    Returns:
        float32 [k, j, i] in 0..255 on the volume's grid, 0 outside the ultrasound's cone.

    Raises:
        Cancelled: a cancel was asked for.
    """
    low, high = ultrasound_range(volume.array)
    grid = model_grid(volume.grid, bundle.metadata["spacing_mm"])
    seen = volume if grid == volume.grid else _resampled(volume, grid, smooth=True)
    mri = _translate_array(seen.array, low, high, bundle, progress)
    if seen is not volume:
        mri = _resampled(Volume(mri, grid), volume.grid, smooth=False).array
    return np.where(ultrasound_cone(volume.array), mri, np.float32(0))


def _translate_array(
    array: np.ndarray, low: float, high: float, bundle: Bundle, progress: Progress
) -> np.ndarray:
    """Translate voxels [k, j, i] of the generator's spacing, float32 in 0..255."""
    window, divisors = bundle.metadata["window"], bundle.metadata["divisors"]
    rounded = [-(-size // by) * by for size, by in zip(array.shape, divisors)]
    # Slices are repeated up to the window's number, which the generator knows; in plane a small
    # image is only rounded up.
    window = (window[0], *(min(w, r) for w, r in zip(window[1:], rounded[1:])))
    missing = [max(w - size, 0) for w, size in zip(window, array.shape)]
    around = [(m // 2, m - m // 2) for m in missing]
    padded = np.pad(array, [around[0], (0, 0), (0, 0)], mode="edge")
    padded = np.pad(padded, [(0, 0), *around[1:]], constant_values=array.min())

    def generate(voxels: np.ndarray) -> np.ndarray:
        return _generate(rescale(voxels, low, high), bundle.net)

    blended = blend_windows(padded, generate, window, progress)
    inner = tuple(slice(before, before + n) for (before, _), n in zip(around, array.shape))
    return np.clip((blended[inner] + 1) * np.float32(127.5), 0, 255)


def _generate(ultrasound: np.ndarray, net: torch.nn.Module) -> np.ndarray:
    """Run the generator on one window, float32 [D, H, W] in [-1, 1]; an empty one stays empty."""
    import torch

    if ultrasound.max() <= -1:
        return ultrasound
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    with torch.no_grad():
        return net(torch.from_numpy(ultrasound)[None, None].to(device))[0, 0].cpu().numpy()


def model_grid(grid: Grid, spacing: Sequence[float]) -> Grid:
    """Return the grid over the same extent with voxels of about `spacing` mm along (i, j, k).

    An axis whose voxels are within a quarter of it, or that has one voxel, is left as it is.
    """
    size, new_spacing, shift = [], [], []
    for n, old, wanted in zip(grid.size, grid.spacing, spacing):
        keep = n == 1 or abs(old / wanted - 1) <= _SPACING_TOLERANCE
        number = n if keep else max(1, round(n * old / wanted))
        size.append(number)
        new_spacing.append(old * n / number)
        shift.append((n / number - 1) / 2)
    if tuple(size) == grid.size:
        return grid
    origin = grid.index_to_physical(np.array(shift))
    return Grid(
        (size[0], size[1], size[2]),
        (new_spacing[0], new_spacing[1], new_spacing[2]),
        (float(origin[0]), float(origin[1]), float(origin[2])),
        grid.direction,
    )


def _resampled(volume: Volume, grid: Grid, smooth: bool) -> Volume:
    """Interpolate linearly on a grid of the same extent, after smoothing for coarser voxels."""
    import SimpleITK as sitk

    image = sitk.Cast(volume.to_sitk(), sitk.sitkFloat32)
    if smooth:
        # Half the new voxel less the old one, as a Gaussian's sigma in mm.
        pairs = zip(volume.grid.spacing, grid.spacing)
        variances = [max((new / 2) ** 2 - (old / 2) ** 2, 0.0) for old, new in pairs]
        image = sitk.DiscreteGaussian(image, variances)
    # Beyond the outermost voxel centres, still in the volume, the outermost values go on.
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(grid.size)
    resampler.SetOutputSpacing(grid.spacing)
    resampler.SetOutputOrigin(grid.origin)
    resampler.SetOutputDirection(grid.direction)
    resampler.SetUseNearestNeighborExtrapolator(True)
    return Volume(sitk.GetArrayFromImage(resampler.Execute(image)), grid)
