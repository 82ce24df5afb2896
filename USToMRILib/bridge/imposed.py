"""The imposed correlation of DDIC: what pulls the pseudo-MRI towards the ultrasound."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError
from .median import median_filter
from .schedule import Schedule
from .similarity import PEARSON, SIMILARITIES, check_similarity

if TYPE_CHECKING:
    import torch

# Of the DDIC paper, at 1000 steps and for 128x128 pixels.
GRADIENT_STEP = 3.0
MEDIAN_KERNEL = 5

# The pull of so many published steps is taken at once. Taken in larger parts it overshoots: the
# gradient shrinks as the images become alike, and the median hands it on from pixel to pixel.
PULLED_AT_ONCE = 16


@dataclass(frozen=True)
class Imposed:
    """A similarity of median-filtered images, and how far one of 1000 steps follows its gradient.

    Attributes:
        similarity: a key of :data:`USToMRILib.bridge.similarity.SIMILARITIES`.
        lr: size of the gradient step.
        median_kernel: odd width in pixels of the median filter; 1 turns it off.

    Raises:
        InputError: for an unknown similarity or an even kernel.
    """

    similarity: str = PEARSON
    lr: float = GRADIENT_STEP
    median_kernel: int = MEDIAN_KERNEL

    def __post_init__(self) -> None:
        check_similarity(self.similarity)
        if self.median_kernel < 1 or self.median_kernel % 2 == 0:
            raise InputError(
                f"A median filter of width {self.median_kernel} has no centre; give an odd width."
            )

    def filtered(self, image: torch.Tensor) -> torch.Tensor:
        """What of images [B, 1, H, W] is compared, the same shape."""
        return median_filter(image, self.median_kernel)

    def similarities(self, target: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """How alike each y is to its target, an ultrasound that is :meth:`filtered`, [B]."""
        return SIMILARITIES[self.similarity](target, self.filtered(y))

    def gradient_step(
        self, target: torch.Tensor, below: torch.Tensor, y: torch.Tensor, weight: float
    ) -> torch.Tensor:
        """Move y along the gradient, with respect to y, of how alike target and ``below`` are.

        Args:
            target: ultrasound that is :meth:`filtered`, [B, 1, H, W].
            below: what the network makes of y, or y itself; the same shape.
            y: asks for its gradient.
            weight: number of published steps that this one stands for.
        """
        import torch

        with torch.enable_grad():
            # The sum keeps the images of a batch independent of each other.
            (gradient,) = torch.autograd.grad(self.similarities(target, below).sum(), y)
        return y.detach() + weight * self.lr * gradient

    def pull(self, x: torch.Tensor, y: torch.Tensor, weight: float) -> torch.Tensor:
        """Move y along the gradient of its similarity with x, both [B, 1, H, W] at one level.

        The published algorithm takes the gradient through the network, from y_{t-1} to y_t, and
        lets the network carry the move back to y_{t-1}. Over a small step both are nearly the
        identity, and without them there is no second pass and no way back through the network.

        Args:
            weight: number of published steps that this one stands for.
        """
        parts = max(1, math.ceil(weight / PULLED_AT_ONCE))
        target = self.filtered(x)
        for _ in range(parts):
            y = y.detach().requires_grad_(True)
            y = self.gradient_step(target, y, y, weight / parts)
        return y


def pull_weights(levels: list[int], schedule: Schedule, remembers: bool) -> list[float]:
    """How many published steps the pull at each of ``levels`` after the first stands for.

    By the trapezoid rule: half of the levels passed on the way to it, and half of those to the
    next.

    A solver that ``remembers`` earlier levels draws its line through images that were pulled, and
    so continues the pull by itself. What is left of a pull before such a step is what the step
    makes of x_s alone: it fades by sigma_t / sigma_s.

    Args:
        levels: downwards from the latent to the clean image.
    """
    weights = []
    for before, level, after in zip(levels, levels[1:], [*levels[2:], levels[-1]]):
        fades = (
            schedule.signal_noise(after)[1] / schedule.signal_noise(level)[1]
            if remembers and level != after
            else 1.0
        )
        weights.append((before - level) / 2 + fades * (level - after) / 2)
    return weights
