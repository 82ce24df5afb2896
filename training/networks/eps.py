"""The noise-prediction networks of the fetal diffusion models."""

from __future__ import annotations

import math

import torch
from monai.networks.nets.diffusion_model_unet import DiffusionModelUNet
from torch import nn
from torch.nn import functional as F

from USToMRILib.bridge.schedule import Schedule

# Pixel (0, 0) of the frame is always the same place of an aligned head, and a convolution does not
# know where it is: column, row and distance from the centre go in with the image.
PLACES = 3

# The first level works on 2x2 blocks of pixels: a quarter of the work at the finest level, where
# most of the time goes.
BLOCK = 2

# The image goes in also averaged over blocks of so many pixels: at high noise levels nothing else
# shows where the head is, and to learn such exact averages takes a network most of its training.
# With them, 100 steps gave a better outline at t = 950 than 1500 steps without.
AVERAGES = (4, 8, 16, 32)

# A head is nearly its own mirror image across the midline, which lies along the middle row: the
# image goes in also upside down, so that each half sees what the other shows.
VIEWS = 2

# Length of a brain in mm as a network gets it: from this, in units of that.
USUAL_SIZE_MM, SIZE_SPREAD_MM = 85.0, 25.0

# Weight in the multi-scale loss of images this many times as coarse.
COARSER = {4: 2.0, 16: 4.0}


class TimedUNet(DiffusionModelUNet):
    """MONAI's U-Net with the time embedding's frequencies in a buffer.

    The parent makes them anew in every call, and a trace would keep them on the device it was made
    on. Unconditional use only.
    """

    frequencies: torch.Tensor

    def __init__(
        self, width: int, in_channels: int, out_channels: int = BLOCK**2, levels: int = 3
    ) -> None:
        super().__init__(
            spatial_dims=2,
            in_channels=in_channels,
            out_channels=out_channels,
            channels=tuple(width * n for n in range(1, levels + 1)),
            num_res_blocks=(1, *[2] * (levels - 1)),
            attention_levels=(False, False, *[True] * (levels - 2)),
            num_head_channels=width,
            norm_num_groups=width // 2,
        )
        half = width // 2
        exponents = torch.arange(half) / half
        self.register_buffer("frequencies", torch.exp(-math.log(10_000) * exponents))

    def forward(self, x: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Map x [B, in, H, W] at ``timesteps`` [B] to [B, out, H, W]."""
        phases = timesteps[:, None].to(x.dtype) * self.frequencies[None, :]
        emb = self.time_embed(torch.cat([phases.cos(), phases.sin()], dim=1))
        h = self.conv_in(x)
        skips = [h]
        for down in self.down_blocks:
            h, residuals = down(hidden_states=h, temb=emb)
            skips.extend(residuals)
        h = self.middle_block(hidden_states=h, temb=emb)
        for up in self.up_blocks:
            count = len(up.resnets)  # type: ignore[arg-type]
            h = up(hidden_states=h, res_hidden_states_list=skips[-count:], temb=emb)
            skips = skips[:-count]
        return self.out(h)


def place_planes(side: int) -> torch.Tensor:
    """Column, row and distance from the centre, each from -1 to 1, float32 [3, side, side]."""
    axis = torch.linspace(-1, 1, side)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([columns, rows, torch.hypot(columns, rows)])


def size_plane(size_mm: torch.Tensor, side: int) -> torch.Tensor:
    """The brain's length in mm, float32 [B], as a plane of about unit size [B, 1, side, side]."""
    relative = (size_mm - USUAL_SIZE_MM) / SIZE_SPREAD_MM
    return relative.view(-1, 1, 1, 1).expand(-1, 1, side, side)


def both_views(x: torch.Tensor, averages: torch.Tensor, planes: torch.Tensor) -> torch.Tensor:
    """An image [B, 1, 128, 128] as the networks take it, upright, upside down, and with planes."""
    parts = [
        *(F.pixel_unshuffle(x, BLOCK), planes, averages),
        *(F.pixel_unshuffle(x.flip(2), BLOCK), averages.flip(2)),
    ]
    return torch.cat(parts, dim=1)


class EpsNet(nn.Module):
    """Noise prediction eps(x_t, t), learned as velocity.

    The network inside predicts v = sqrt(ab_t) eps - sqrt(1 - ab_t) x_0 (Salimans & Ho 2022), which
    stays of unit size at every level, and :meth:`forward` turns it into eps = sqrt(1 - ab_t) x_t +
    sqrt(ab_t) v.

    Args:
        width: channels of the first level.
        schedule: of the diffusion; its square roots travel with the network.
        sized: whether the length of the brain is an input, for a frame that is scaled to the head.
        pixels: rows and columns of the frame.
    """

    sqrt_ab: torch.Tensor
    sqrt_one_minus_ab: torch.Tensor
    places: torch.Tensor

    def __init__(
        self, width: int, schedule: Schedule, sized: bool = False, pixels: int = 128
    ) -> None:
        super().__init__()
        self.sized = sized
        channels = VIEWS * (BLOCK**2 + len(AVERAGES)) + PLACES
        self.unet = TimedUNet(width, channels + int(sized))
        alpha_bar = torch.from_numpy(schedule.alpha_bar[1:])
        self.register_buffer("sqrt_ab", alpha_bar.sqrt().float())
        self.register_buffer("sqrt_one_minus_ab", (1 - alpha_bar).sqrt().float())
        self.register_buffer("places", place_planes(pixels // BLOCK))

    def velocity(
        self, x: torch.Tensor, t: torch.Tensor, size: torch.Tensor | None = None
    ) -> torch.Tensor:
        """v of x float32 [B, 1, 128, 128] at t int64 [B] in 0 .. T-1, for brains of size mm [B]."""
        places = self.places.expand(x.shape[0], -1, -1, -1)
        planes = both_views(x, self._averages(x, t), places)
        if self.sized:
            assert size is not None, "this network is conditioned on the size of the brain"
            # Last, so that a network that was not conditioned begins where it was.
            planes = torch.cat([planes, size_plane(size, x.shape[-1] // BLOCK)], dim=1)
        return F.pixel_shuffle(self.unet(planes, t), BLOCK)

    def _averages(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Block averages of x, a channel for each, scaled to about unit size at every level."""
        signal = self.sqrt_ab[t].square().view(-1, 1, 1, 1)
        size = list(self.places.shape[1:])
        averages = [
            F.interpolate(
                F.avg_pool2d(x, n) * (signal + (1 - signal) / n**2).rsqrt(), size, mode="bilinear"
            )
            for n in AVERAGES
        ]
        return torch.cat(averages, dim=1)

    def forward(
        self, x: torch.Tensor, t: torch.Tensor, size: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Eps of x float32 [B, 1, 128, 128] at t int64 [B] in 0 .. T-1, same shape as x."""
        signal = self.sqrt_ab[t].view(-1, 1, 1, 1)
        noise = self.sqrt_one_minus_ab[t].view(-1, 1, 1, 1)
        return noise * x + signal * self.velocity(x, t, size)

    def error(
        self,
        x0: torch.Tensor,
        t: torch.Tensor,
        eps: torch.Tensor,
        size: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Error of v for clean images x0 noised by eps, all [B, 1, 128, 128]."""
        signal = self.sqrt_ab[t].view(-1, 1, 1, 1)
        noise = self.sqrt_one_minus_ab[t].view(-1, 1, 1, 1)
        velocity = self.velocity(signal * x0 + noise * eps, t, size)
        return velocity - (signal * eps - noise * x0)

    def loss(
        self,
        x0: torch.Tensor,
        t: torch.Tensor,
        eps: torch.Tensor,
        size: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Mean squared error of v."""
        return self.error(x0, t, eps, size).square().mean()

    def multiscale_loss(
        self,
        x0: torch.Tensor,
        t: torch.Tensor,
        eps: torch.Tensor,
        size: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """:meth:`loss` plus that of the coarser images (Hoogeboom et al. 2023, section 3.3).

        The noise of single pixels makes up most of the plain loss and averages out in the coarser
        images, so that they teach the large shapes: the outline of the head, its ventricles.
        """
        error = self.error(x0, t, eps, size)
        coarser = [w * F.avg_pool2d(error, f).square().mean() for f, w in COARSER.items()]
        return error.square().mean() + torch.stack(coarser).sum()
