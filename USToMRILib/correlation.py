"""The imposed correlation of DDIC: Pearson's coefficient of median-filtered images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:
    import torch


def pearson(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Pearson correlation [B] over all pixels of each pair of images [B, 1, H, W].

    A constant image correlates with nothing: its coefficient is 0.
    """
    import torch
    from torch.nn import functional as F

    x, y = (image.flatten(1) - image.flatten(1).mean(1, keepdim=True) for image in (x, y))
    return F.cosine_similarity(x, y, dim=1, eps=torch.finfo(x.dtype).tiny)


def median_filter(image: torch.Tensor, kernel: int) -> torch.Tensor:
    """Median over kernel x kernel pixels, borders reflected; differentiable.

    The gradient of a median flows to the pixel that was chosen.

    Args:
        image: float [B, 1, H, W].
        kernel: odd width in pixels, at least 1.

    Raises:
        InputError: if the kernel is even or below 1.
    """
    from torch.nn import functional as F

    if kernel < 1 or kernel % 2 == 0:
        raise InputError(f"A median filter of width {kernel} has no centre; give an odd width.")
    padded = F.pad(image, [kernel // 2] * 4, mode="reflect")
    windows = F.unfold(padded, kernel).unflatten(-1, image.shape[-2:])
    return windows.median(dim=1, keepdim=True).values
