"""How images of heads are varied in training, and what is shown that is no head.

All images are float32 [1, 192, 192] in [-1, 1].
"""

from __future__ import annotations

import math

import torch
from monai.transforms import Compose, RandAdjustContrast, RandGaussianNoise, RandGaussianSmooth
from torch.nn import functional as F


class Appearance:
    """Another gain, compression, speckle, haze and shadows than the scanner's."""

    def __init__(self) -> None:
        self._augment = Compose(
            [
                RandAdjustContrast(prob=0.7, gamma=(0.5, 2.0)),
                RandGaussianSmooth(prob=0.2, sigma_x=(0.4, 1.5), sigma_y=(0.4, 1.5)),
                RandGaussianNoise(prob=0.3, std=0.1),
            ]
        )

    def seed(self, seed: int) -> None:
        """Begin a batch's random numbers."""
        self._augment.set_random_state(seed=seed)

    def __call__(self, image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """An image as it might have looked."""
        for change in (_darkened, _shadowed, _hazy, _brightened):
            image = change(image, generator)
        return torch.as_tensor(self._augment(image))


def _darkened(image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Half of the images [1, 192, 192] fade to black towards a side, as behind dense bone."""
    if not _happens(0.5, generator):
        return image
    angle, place, least = torch.rand(3, generator=generator)
    axis = torch.linspace(-0.5, 0.5, image.shape[-1])
    direction = 2 * math.pi * angle
    along = direction.cos() * axis + direction.sin() * axis[:, None]
    gain = least + (1 - least) * torch.sigmoid((along + 0.5 * place) * 12)
    return (image + 1) * gain - 1


def _shadowed(image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Some images have one to three shadows, as behind ribs, limbs and sutures' edges."""
    if not _happens(0.3, generator):
        return image
    axis = torch.linspace(-0.5, 0.5, image.shape[-1])
    turn = 2 * math.pi * torch.rand((), generator=generator)
    # Sound comes from a probe outside of the image, in any direction from it.
    x, y = axis - turn.cos(), axis[:, None] - turn.sin()
    towards = torch.atan2(-turn.sin(), -turn.cos())
    angle = torch.atan2(y, x) - towards
    angle = torch.atan2(angle.sin(), angle.cos())
    gain = torch.ones_like(angle)
    for _ in range(_draw(3, generator) + 1):
        place, width, depth = torch.rand(3, generator=generator)
        distance = (angle - 0.7 * (place - 0.5)) / (0.02 + 0.08 * width)
        gain = gain * (1 - depth * torch.exp(-(distance**4)))
    return (image + 1) * gain - 1


def _hazy(image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Some images have a veil, as the reverberations beneath the nearer half of the skull."""
    if not _happens(0.3, generator):
        return image
    coarse = torch.rand(1, 1, 4, 4, generator=generator)
    veil = F.interpolate(coarse, image.shape[1:], mode="bicubic")[0].clamp(0, 1)
    veil = veil * 0.5 * torch.rand((), generator=generator)
    seen = (image > -1).float()
    return torch.maximum(image, image + seen * veil * (1 - image)).clamp(-1, 1)


def _brightened(image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Half of the images have another gain; what is too bright is cut off."""
    if not _happens(0.5, generator):
        return image
    gain = 2 ** (2 * torch.rand((), generator=generator) - 1)
    return ((image + 1) * gain - 1).clamp(-1, 1)


def _happens(chance: float, generator: torch.Generator) -> bool:
    return float(torch.rand((), generator=generator)) < chance


def _draw(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (), generator=generator))


def without_head(
    image: torch.Tensor, target: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """An image [1, 192, 192] in [-1, 1] that shows no head, of one of five kinds.

    The first two keep the texture of ultrasound: its tiles in another order, or the head taken
    out. A network that has seen only those finds heads in plain noise and ramps.
    """
    kind = _draw(5, generator)
    if kind == 0:
        return _scrambled(image, generator)
    if kind == 1:
        around = F.max_pool2d(target[None], 15, 1, 7)[0]
        return torch.where(around > 0, torch.tensor(-1.0), image)
    if kind == 2:
        # Rayleigh: the amplitude of fully developed speckle.
        field = torch.randn(2, *image.shape, generator=generator).norm(dim=0)
    elif kind == 3:
        size = 3 + _draw(45, generator)
        coarse = torch.randn(1, 1, size, size, generator=generator)
        field = F.interpolate(coarse, image.shape[1:], mode="bicubic")[0]
    else:
        slopes = torch.randn(2, generator=generator)
        line = torch.linspace(-1, 1, image.shape[-1])
        field = (slopes[0] * line[:, None] + slopes[1] * line)[None]
    low, high = field.min(), field.max()
    return (field - low) / (high - low) * 2 - 1


def _scrambled(image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The tiles of an image [1, 192, 192] in another order."""
    tile = (8, 16, 24, 48)[_draw(4, generator)]
    tiles = image[0].unfold(0, tile, tile).unfold(1, tile, tile)
    rows, columns = tiles.shape[:2]
    order = torch.randperm(rows * columns, generator=generator)
    shuffled = tiles.reshape(-1, tile, tile)[order].reshape(rows, columns, tile, tile)
    return shuffled.permute(0, 2, 1, 3).reshape(image.shape)
