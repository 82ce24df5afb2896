"""Measures of how alike two images are, for the imposed correlation of DDIC.

Each maps images x and y, float [B, 1, H, W], to one value per pair, [B], larger for more alike,
with a gradient. Pearson's coefficient, the paper's, assumes that what is bright in one image is
bright in the other; the others do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from ..errors import InputError

if TYPE_CHECKING:
    import torch

    Similarity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

# Avants et al. 2008 and after them most registration programs: 9 x 9 pixels.
LOCAL_WINDOW = 9
# Bins, and the standard deviation of the Parzen window in bins.
BINS, PARZEN_BINS = 32, 1.0


def pearson(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Pearson's correlation over all pixels, -1 .. 1.

    A constant image correlates with nothing: its coefficient is 0.
    """
    import torch
    from torch.nn import functional as F

    x, y = (image.flatten(1) - image.flatten(1).mean(1, keepdim=True) for image in (x, y))
    return F.cosine_similarity(x, y, dim=1, eps=torch.finfo(x.dtype).tiny)


def local_correlation(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Squared cross-correlation in windows of 9 x 9 pixels, averaged over the windows, 0 .. 1.

    Avants et al. 2008, eq. 5. Windows in which an image is flat, to a thousandth of its variance,
    count little.
    """
    from torch.nn import functional as F

    def local_mean(image: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(image, LOCAL_WINDOW, 1, LOCAL_WINDOW // 2, count_include_pad=False)

    def floor(image: torch.Tensor) -> torch.Tensor:
        return 1e-3 * image.detach().var((1, 2, 3), keepdim=True) + 1e-12

    mean_x, mean_y = local_mean(x), local_mean(y)
    covariance = local_mean(x * y) - mean_x * mean_y
    variance_x = (local_mean(x * x) - mean_x**2).clamp_min(0) + floor(x)
    variance_y = (local_mean(y * y) - mean_y**2).clamp_min(0) + floor(y)
    return (covariance**2 / (variance_x * variance_y)).mean((1, 2, 3))


def mutual_information(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mutual information of the grey values in nats, 0 for unrelated images.

    Viola & Wells 1997; the joint histogram of 32 x 32 bins is made smooth by Gaussian Parzen
    windows (as in Thevenaz & Unser 2000, there with splines). The bins span each image's range.
    """
    weights_x, weights_y = _parzen(x), _parzen(y)
    joint = weights_x.transpose(1, 2) @ weights_y / weights_x.shape[1]
    independent = joint.sum(2, keepdim=True) * joint.sum(1, keepdim=True)
    tiny = 1e-12
    return (joint * ((joint + tiny) / (independent + tiny)).log()).sum((1, 2))


def _parzen(image: torch.Tensor) -> torch.Tensor:
    """How much of each pixel falls into each bin, [B, pixels, bins], 1 in sum over the bins."""
    import torch

    values = image.flatten(1)
    low, high = (end(values.detach(), 1, keepdim=True) for end in (torch.amin, torch.amax))
    place = (values - low) / (high - low).clamp_min(1e-12) * (BINS - 1)
    bins = torch.arange(BINS, device=image.device, dtype=image.dtype)
    return torch.softmax(-(((place[..., None] - bins) / PARZEN_BINS) ** 2) / 2, dim=-1)


# The paper's.
PEARSON = "pearson"

SIMILARITIES: dict[str, Similarity] = {
    PEARSON: pearson,
    "local-correlation": local_correlation,
    "mutual-information": mutual_information,
}


def check_similarity(name: str) -> None:
    """Raise InputError for a name that is not in :data:`SIMILARITIES`."""
    if name not in SIMILARITIES:
        known = ", ".join(SIMILARITIES)
        raise InputError(f"The similarity {name!r} is unknown; choose from {known}.")
