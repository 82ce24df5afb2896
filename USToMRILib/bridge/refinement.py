"""A picture refined by a diffusion model: noised part of the way, and taken down again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..progress import Progress
from .schedule import Schedule
from .similarity import pearson
from .solvers import predict_eps

if TYPE_CHECKING:
    import torch

    from .solvers import EpsNet


def refine(
    guess: torch.Tensor,
    net: EpsNet,
    schedule: Schedule,
    start: int,
    steps: int,
    pull: float,
    noise: torch.Tensor,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Draw an image that the model could have made and that looks like a guess.

    The guess is noised to a level and taken down by the model's ODE (SDEdit, Meng et al. 2022).
    At every level the clean image that the model sees is moved along the gradient of its
    correlation with the guess, as DDIC moves the MRI towards the ultrasound; here both have the
    contrast of MRI. The higher the level, the more is drawn anew; the stronger the pull, the less.

    Args:
        guess: float32 [B, 1, H, W] in [-1, 1].
        net: noise-prediction network of the images.
        schedule: of the network.
        start: level to which the guess is noised.
        steps: down from there.
        pull: how far the clean image moves along the gradient, in units in which 1 takes an image
            whose difference from the guess is as noise about half of the way.
        noise: of unit variance, float32 [B, 1, H, W] or one for all, [1, 1, H, W].
        progress: looked at in every step.

    Returns:
        Images of the same shape; not clipped.
    """
    import torch

    progress = progress or Progress()
    alpha, sigma = schedule.signal_noise(start)
    y = alpha * guess + sigma * noise
    levels = schedule.levels_below(start, steps)
    for level, next_level in progress.track("refine", list(zip(levels, levels[1:]))):
        alpha, sigma = schedule.signal_noise(level)
        next_alpha, next_sigma = schedule.signal_noise(next_level)
        with torch.no_grad():
            eps = predict_eps(y, net, level)
            clean = ((y - sigma * eps) / alpha).clamp(-1, 1)
        clean = towards(clean, guess, pull)
        with torch.no_grad():
            y = next_alpha * clean + next_sigma * (y - alpha * clean) / sigma
    return y


def towards(image: torch.Tensor, target: torch.Tensor, pull: float) -> torch.Tensor:
    """Move images [B, 1, H, W] along the gradient of their correlation with others."""
    import torch

    if pull == 0:
        return image
    with torch.enable_grad():
        moving = image.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(pearson(moving, target).sum(), moving)
    # The gradient of a correlation shrinks with the number of pixels and the image's spread.
    scale = image.var((1, 2, 3), keepdim=True) * image[0].numel()
    return image + pull / 2 * scale * gradient
