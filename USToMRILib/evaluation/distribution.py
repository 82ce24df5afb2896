"""Fréchet and kernel distance of two sets of images in a space of features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np

from ..errors import InputError

# Of a set of features, float64 [n, F].
Distance = Callable[[np.ndarray], float]

_OFFLINE_SIZE = 128
_OFFLINE_SIGMAS = (1.0, 2.0, 4.0, 8.0)
_OFFLINE_PERCENTILES = (5, 25, 50, 75, 95)
_OFFLINE_TONE = 64.0


@dataclass(frozen=True)
class Extractor:
    """What turns images into features.

    Attributes:
        name: as it stands in every output.
        inception: whether distances may be called FID and KID.
        features: of slices [n, j, i] in 0 .. 255: float64 [n, F].
    """

    name: str
    inception: bool
    features: Callable[[np.ndarray], np.ndarray]


def offline_extractor() -> Extractor:
    """Features that need no weights: tones and texture of a slice at four scales, F = 21.

    Percentiles of the grey levels in units of 64; then of each band of differences of Gaussians
    log(1 + x) of its mean magnitude, its standard deviation and its mean change along columns and
    rows, in grey levels. Both kinds span about 0 .. 4, so that neither drowns the other. The slice
    is brought to 128 x 128 pixels first.
    """
    return Extractor(
        "offline texture features, not Inception",
        False,
        lambda slices: np.stack([_texture(plane) for plane in slices]),
    )


def inception_extractor(path: Path) -> Extractor:
    """The features of Inception v3, F = 2048.

    Args:
        path: TorchScript that takes uint8 [n, 3, j, i] and ``return_features``, as NVIDIA's
            ``inception-2015-12-05.pt`` with the weights of the original FID.

    Raises:
        InputError: if the file cannot be opened.
    """
    import torch

    try:
        net = torch.jit.load(str(path), map_location="cpu").eval()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{path} is no TorchScript network; give NVIDIA's inception-2015-12-05.pt."
        ) from error

    def features(slices: np.ndarray) -> np.ndarray:
        grey = torch.from_numpy(np.rint(slices).clip(0, 255).astype(np.uint8))[:, None]
        with torch.no_grad():
            return net(grey.expand(-1, 3, -1, -1), return_features=True).double().numpy()

    return Extractor(f"Inception v3 ({path.name})", True, features)


def slices_of(array: np.ndarray) -> np.ndarray:
    """The slices [n, j, i] of a volume [k, j, i] that show anything; all where none does."""
    shown = array.any(axis=(1, 2))
    return array[shown] if shown.any() else array


def frechet_from(real: np.ndarray) -> Distance:
    """Fréchet distance from the Gaussian fitted to a set (Heusel et al. 2017).

    |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2). With centred features X (n x F) the last
    trace is the sum of the singular values of X1 X2' / sqrt((n1 - 1)(n2 - 1)): no matrix of F x F
    is needed, and none has to be inverted.

    Args:
        real: float64 [n, F], at least 2 rows, as the sets that are measured.
    """
    mean_real, x = _centred(real)
    spread_real = float((x**2).sum())
    # Fewer rows with the same products, where images outnumber features.
    x = np.linalg.qr(x)[1]

    def distance(made: np.ndarray) -> float:
        mean_made, y = _centred(made)
        root = np.linalg.svd(x @ y.T, compute_uv=False).sum()
        shift = np.square(mean_real - mean_made).sum()
        return float(shift + spread_real + (y**2).sum() - 2 * root)

    return distance


def kernel_from(real: np.ndarray) -> Distance:
    """Kernel distance from a set (Binkowski et al. 2018): unbiased MMD^2, kernel (x'y / F + 1)^3.

    Args:
        real: float64 [n, F], at least 2 rows, as the sets that are measured.
    """
    from sklearn.metrics.pairwise import polynomial_kernel

    def within(features: np.ndarray) -> float:
        kernel = polynomial_kernel(features, degree=3)
        n = len(features)
        return float((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))

    within_real = within(real)

    def distance(made: np.ndarray) -> float:
        across = polynomial_kernel(real, made, degree=3).mean()
        return float(within_real + within(made) - 2 * across)

    return distance


def _centred(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = features.mean(axis=0)
    return mean, (features - mean) / np.sqrt(len(features) - 1)


def _texture(plane: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter
    from skimage.transform import resize

    size = (_OFFLINE_SIZE, _OFFLINE_SIZE)
    grey = resize(plane.astype(np.float64), size, anti_aliasing=True, preserve_range=True)
    values = list(np.percentile(grey, _OFFLINE_PERCENTILES) / _OFFLINE_TONE)
    blurred = [gaussian_filter(grey, sigma) for sigma in _OFFLINE_SIGMAS]
    for fine, coarse in zip([grey, *blurred], blurred):
        band = fine - coarse
        down, right = (np.abs(np.diff(band, axis=axis)).mean() for axis in (0, 1))
        values += np.log1p([np.abs(band).mean(), band.std(), down, right]).tolist()
    return np.array(values)
