"""The CycleGAN's networks (Zhu et al., ICCV 2017, doi:10.1109/ICCV.2017.244)."""

from __future__ import annotations

import torch
from monai.networks.nets import PatchDiscriminator
from torch import nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with instance normalisation, added to their input [B, C, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_convolution(channels, channels, 3),
            nn.ReLU(inplace=True),
            *_convolution(channels, channels, 3),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [B, C, H, W] to the same shape."""
        return x + self.layers(x)


class ResNetGenerator(nn.Sequential):
    """From one domain to the other, float32 [B, 1, H, W] in [-1, 1] both; H, W multiples of 4.

    The paper's residual blocks at a quarter of the resolution. The levels above are lighter than
    the paper's: blocks of 2x2 pixels are folded into channels, as in the eps-networks, and the way
    up unfolds them.

    Args:
        width: channels at half the resolution; the residual blocks have twice as many.
        blocks: number of residual blocks; 6 for images of 128x128, as in the paper.
    """

    def __init__(self, width: int = 32, blocks: int = 6) -> None:
        relu = nn.ReLU(inplace=True)
        super().__init__(
            nn.PixelUnshuffle(2),
            *_convolution(4, width, 7),
            relu,
            *_convolution(width, 2 * width, 3, stride=2),
            relu,
            *(ResidualBlock(2 * width) for _ in range(blocks)),
            *_convolution(2 * width, 4 * width, 3),
            relu,
            nn.PixelShuffle(2),
            nn.Conv2d(width, 4, 7, padding=3, padding_mode="reflect"),
            nn.PixelShuffle(2),
            nn.Tanh(),
        )
        self.apply(_start)


def make_discriminator(width: int) -> PatchDiscriminator:
    """The paper's PatchGAN: each score judges 70x70 pixels of an image [B, 1, H, W]."""
    return PatchDiscriminator(
        spatial_dims=2, channels=width, in_channels=1, num_layers_d=3, norm="INSTANCE"
    )


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> tuple[nn.Module, ...]:
    pad = {"padding": size // 2, "padding_mode": "reflect"}
    layer = nn.Conv2d(inputs, outputs, size, stride, bias=False, **pad)  # type: ignore[arg-type]
    return layer, nn.InstanceNorm2d(outputs)


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
