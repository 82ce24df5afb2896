"""The network that turns the ultrasound of a brain into its MRI and its tissues, in one pass."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from training.networks.eps import (
    AVERAGES,
    BLOCK,
    PLACES,
    VIEWS,
    TimedUNet,
    both_views,
    place_planes,
    size_plane,
)
from USToMRILib.fetal.tissues import Tissue

# The tissues of the parcellation, and what is no brain.
CLASSES = len(Tissue) + 1
LEVELS = 4


class SliceTranslator(nn.Module):
    """Pix2Pix's generator (Isola et al. 2017) for slices in the head-scaled frame.

    The U-Net of the eps-networks with one level more. What is the time there is the size of the
    brain here: it changes what every level does, as the age of a fetus does to its brain.

    Args:
        width: channels of the first level.
        pixels: rows and columns of the frame.
    """

    places: torch.Tensor

    def __init__(self, width: int = 32, pixels: int = 128) -> None:
        super().__init__()
        channels = VIEWS * (BLOCK**2 + len(AVERAGES)) + PLACES + 1
        self.unet = TimedUNet(width, channels, BLOCK**2 * (1 + CLASSES), LEVELS)
        # MONAI starts the last convolution at zero, as suits a predicted noise.
        nn.init.normal_(self.unet.out[-1].get_parameter("conv.weight"), std=0.02)
        self.register_buffer("places", place_planes(pixels // BLOCK))

    def forward(self, us: torch.Tensor, size: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """MRI and tissues of brains.

        Args:
            us: float32 [B, 1, 128, 128] in [-1, 1], normalised in the frame.
            size: float32 [B], the brains' long axes in mm.

        Returns:
            MRI [B, 1, 128, 128] in about [-1, 1], and logits of the tissues [B, 9, 128, 128].
        """
        side = us.shape[-1] // BLOCK
        averages = [
            F.interpolate(F.avg_pool2d(us, n), [side] * 2, mode="bilinear") for n in AVERAGES
        ]
        places = self.places.expand(us.shape[0], -1, -1, -1)
        planes = both_views(us, torch.cat(averages, dim=1), places)
        planes = torch.cat([planes, size_plane(size, side)], dim=1)
        answer = F.pixel_shuffle(self.unet(planes, size), BLOCK)
        return answer[:, :1], answer[:, 1:]
