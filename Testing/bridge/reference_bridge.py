"""DDIC as published, line by line: what the engine's result and time are compared with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

Net = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def ddim_step(x: torch.Tensor, net: Net, alpha_bar: np.ndarray, a: int, b: int) -> torch.Tensor:
    """Song et al. 2021, eq. 12 with sigma = 0, from level a to level b; level -1 is clean."""
    eps = net(x, torch.full((len(x),), max(a, 0)))
    clean = (x - np.sqrt(1 - alpha_bar[a + 1]) * eps) / np.sqrt(alpha_bar[a + 1])
    return np.sqrt(alpha_bar[b + 1]) * clean + np.sqrt(1 - alpha_bar[b + 1]) * eps


def median(image: torch.Tensor, kernel: int) -> torch.Tensor:
    """Median of kernel x kernel pixels, mirrored at the border; image [1, 1, H, W]."""
    padded = F.pad(image, [kernel // 2] * 4, mode="reflect")
    return F.unfold(padded, kernel).median(dim=1).values


def reference_ddic(
    x0: torch.Tensor,
    us_net: Net,
    mri_net: Net,
    alpha_bar: np.ndarray,
    levels: list[int],
    lr: float,
    kernel: int,
) -> torch.Tensor:
    """DDIC of one image [1, 1, H, W]; with every level of the schedule, the published one.

    Args:
        x0: the ultrasound.
        us_net, mri_net: eps of both domains.
        alpha_bar: [T + 1], that of the clean image first.
        levels: from -1, the clean image, to the latent.
        lr: of the gradient step.
        kernel: width of the median filter.
    """
    x = x0
    with torch.no_grad():
        for level, above in zip(levels, levels[1:]):
            x = ddim_step(x, us_net, alpha_bar, level, above)
    y = x.clone()
    for below, level in list(zip(levels, levels[1:]))[::-1]:
        with torch.no_grad():
            x = ddim_step(x, us_net, alpha_bar, level, below)
        y = y.detach().requires_grad_(True)
        y_next = ddim_step(y, mri_net, alpha_bar, level, below)
        images = torch.cat([median(x, kernel), median(y_next, kernel)])
        (-torch.corrcoef(images)[0, 1]).backward()
        assert y.grad is not None
        with torch.no_grad():
            y = ddim_step(y - lr * y.grad, mri_net, alpha_bar, level, below)
    return y.detach()
