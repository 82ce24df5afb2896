"""The structural similarity of pseudo-MRI and MRI as a loss, where ultrasound reaches."""

from __future__ import annotations

import torch
from monai.metrics.regression import KernelType, compute_ssim_and_cs

# The window of the metric, training/train/image_metrics.py.
WINDOW = 7


def structural_loss(
    prediction: torch.Tensor, target: torch.Tensor, cone: torch.Tensor
) -> torch.Tensor:
    """One minus the mean structural similarity (Wang et al. 2004) inside the cone.

    Args:
        prediction, target: float32 [B, 1, D, H, W] in [-1, 1], each size at least the window's.
        cone: bool, the same shape; windows count whose centre lies inside.
    """
    # From 0 on, as the metric has it: the term of the means depends on where zero is.
    images = (prediction + 1) / 2, (target + 1) / 2
    similarity, _ = compute_ssim_and_cs(
        *images, 3, [WINDOW] * 3, [1.5] * 3, kernel_type=KernelType.UNIFORM
    )
    inner = slice(WINDOW // 2, -(WINDOW // 2))
    inside = cone[..., inner, inner, inner]
    return 1 - (similarity * inside).sum() / inside.sum().clamp(min=1)
