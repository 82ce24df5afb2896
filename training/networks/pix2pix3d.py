"""Generator and discriminator of the 3D pix2pix (BrainVoxGen's recipe), from MONAI networks."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from monai.networks.blocks.dynunet_block import UnetBasicBlock
from monai.networks.nets import DynUNet, PatchDiscriminator
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

DIVISORS = (2, 16, 16)
"""What D, H and W of the generator's input must be multiples of."""

ENDS = ("unet.input_block", "unet.output_block")
"""How the names of the parameters of the generator's first and last layers begin."""

_SLICE = (1, 2, 2)
_VOLUME = (2, 2, 2)


class Generator(nn.Module):
    """U-Net from ultrasound to pseudo-MRI, both float32 [B, 1, D, H, W] in [-1, 1].

    Slices are folded 2x2 into channels in front, so that the first level works at half the
    resolution in plane; the patches are thin, so that only the last level halves D as well.
    Batch normalisation, not instance normalisation: in eval its statistics are fixed, and a voxel
    does not depend on which other voxels are in its window. No dropout.

    Args:
        width: channels of the first level.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        strides: list[tuple[int, int, int]] = [(1, 1, 1), _SLICE, _SLICE, _VOLUME]
        self.unet = DynUNet(
            spatial_dims=3,
            in_channels=4,
            out_channels=4,
            kernel_size=[(1, 3, 3), 3, 3, 3],
            strides=strides,
            upsample_kernel_size=strides[1:],
            filters=[width, 2 * width, 3 * width, 4 * width],
            norm_name="batch",
        )

    def forward(self, ultrasound: torch.Tensor) -> torch.Tensor:
        """Translate [B, 1, D, H, W]; D, H, W multiples of `DIVISORS`."""
        folded = F.pixel_unshuffle(ultrasound.transpose(1, 2), 2).transpose(1, 2)
        out = F.pixel_shuffle(self.unet(folded).transpose(1, 2), 2)
        # In float32: where the weights are bfloat16, its steps would be half a grey level.
        return torch.tanh(out.transpose(1, 2).float())


def folded(generator: Generator) -> Generator:
    """The same function with the batch normalisations folded into the convolutions before them.

    Faster, and what is left can run in bfloat16, which is too coarse for the statistics.

    Args:
        generator: in evaluation mode.
    """
    whole = copy.deepcopy(generator)
    for block in whole.modules():
        if isinstance(block, UnetBasicBlock):
            for layer, norm in ((block.conv1, "norm1"), (block.conv2, "norm2")):
                layer.conv = fuse_conv_bn_eval(layer.conv, getattr(block, norm))
                setattr(block, norm, nn.Identity())
    return whole.requires_grad_(False)


def make_discriminator(width: int = 24) -> PatchDiscriminator:
    """Return a 3D PatchGAN that judges ultrasound and MRI together, [B, 2, D, H, W], D >= 4."""
    return PatchDiscriminator(
        spatial_dims=3, channels=width, in_channels=2, num_layers_d=3, kernel_size=3
    )
