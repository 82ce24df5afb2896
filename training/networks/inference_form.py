"""The form in which eps-networks are exported: fewer operations, rounded the same on more threads.

PyTorch computes a 1x1 convolution of one image otherwise on one thread than on several, and the
way back through a group normalisation with weights too; a normalisation of channels-last tensors
depends on the number even more. What the last digits say hardly matters to a picture, but a median
can then be another pixel's. The forms here compute the same from operations without that property
on 1, 2, 4, 8 ... threads, as ``Testing/training/test_inference_form.py`` holds against the PyTorch
that is installed; matrix products have it on some processors unless
:mod:`USToMRILib.compute.torch_environment` has been called for.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TypeVar

import torch
from monai.networks.blocks.selfattention import SABlock
from monai.networks.nets.diffusion_model_unet import WrappedUpsample
from torch import nn
from torch.nn import functional as F

from training.networks.eps import EpsNet
from USToMRILib.bridge.schedule import Schedule
from USToMRILib.compute.bundle import Bundle

Net = TypeVar("Net", bound=nn.Module)


class PointwiseConvolution(nn.Module):
    """A 1x1 convolution as the matrix product that it is."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        assert convolution.bias is not None
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [B, C, H, W] to [B, D, H, W]."""
        weight = self.weight[:, :, 0, 0].expand(x.shape[0], -1, -1)
        return torch.baddbmm(self.bias[:, None], weight, x.flatten(2)).unflatten(2, x.shape[2:])


class SteadyGroupNorm(nn.Module):
    """A group normalisation whose weights are applied afterwards."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        self.num_groups, self.eps = norm.num_groups, norm.eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise [B, C, H, W]."""
        even = F.group_norm(x, self.num_groups, eps=self.eps)
        # Both at once, by addcmul(), takes longer.
        return even * self.weight[:, None, None] + self.bias[:, None, None]


class FusedAttention(nn.Module):
    """MONAI's self-attention with PyTorch's fused product."""

    def __init__(self, attention: SABlock) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v = attention.to_q, attention.to_k, attention.to_v
        self.out_proj, self.num_heads = attention.out_proj, attention.num_heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map tokens [B, N, C] to as many."""
        x = x.contiguous()  # MONAI hands it over transposed, and each of the three would lay it out
        q, k, v = (
            project(x).unflatten(2, (self.num_heads, -1)).transpose(1, 2)
            for project in (self.to_q, self.to_k, self.to_v)
        )
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class SubpixelUpsample(nn.Module):
    """Pixels doubled and convolved with 3x3, as 2x2 convolutions of what was not doubled.

    Of the nine pixels under the kernel only four differ: two weights of each row and column act on
    the same pixel, and can be added beforehand. Which two depends on the row and the column of the
    pixel that is computed, odd or even, so that there are four kernels.
    """

    def __init__(self, upsample: WrappedUpsample) -> None:
        super().__init__()
        weight, bias = (
            upsample.get_parameter(f"postconv.conv.{kind}").detach() for kind in ("weight", "bias")
        )
        kernels = [k for rows in _of_undoubled(weight, 2) for k in _of_undoubled(rows, 3)]
        self.weight = nn.Parameter(torch.stack(kernels, dim=1).flatten(0, 1))
        self.bias = nn.Parameter(bias.repeat_interleave(len(kernels)))

    def forward(self, x: torch.Tensor, emb: torch.Tensor | None = None) -> torch.Tensor:
        """Map [B, C, H, W] to [B, C, 2 H, 2 W]."""
        return F.pixel_shuffle(F.conv2d(x, self.weight, self.bias, padding=1), 2)[..., 1:-1, 1:-1]


def _of_undoubled(weight: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights along ``dim`` on the two pixels under the kernel: of an odd pixel, of an even one."""
    before, here, after = weight.unbind(dim)
    return torch.stack([before + here, after], dim), torch.stack([before, here + after], dim)


def _of_doubled(odd: torch.Tensor, even: torch.Tensor, dim: int) -> torch.Tensor:
    """The three weights that :func:`_of_undoubled` was given."""
    (before, rest), (_, after) = even.unbind(dim), odd.unbind(dim)
    return torch.stack([before, rest - after, after], dim)


def inference_form(net: Net) -> Net:
    """A copy of an eps-network that computes the same faster, in evaluation.

    Its parameters are laid out as PyTorch does by default, since what channels-last convolutions
    return would have to be laid out anew for every normalisation.
    """
    net = copy.deepcopy(net)
    net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for module in list(net.modules()):
        for name, child in module.named_children():
            setattr(module, name, _form(child))
    return net.eval().requires_grad_(False)


def as_trained(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The parameters of an eps-network, by name, from those of its :func:`inference_form`.

    Those of the upsampling are the same to rounding, the others exactly.
    """
    trained = {}
    for name, values in state.items():
        owner, _, kind = name.rpartition(".")
        if not owner.endswith(".upsampler"):
            trained[name] = values
        elif kind == "bias":
            trained[f"{owner}.postconv.conv.bias"] = values[::4]
        else:
            kernels = values.unflatten(0, (-1, 2, 2))
            odd, even = (_of_doubled(k[:, 0], k[:, 1], 3) for k in kernels.unbind(1))
            trained[f"{owner}.postconv.conv.weight"] = _of_doubled(odd, even, 2)
    return trained


def trained_net(bundle: Bundle) -> EpsNet:
    """The network that a bundle was exported from, as it is trained, in evaluation mode."""
    state = as_trained(bundle.net.get_submodule("script").state_dict())
    width = len(state["unet.conv_in.conv.bias"])
    net = EpsNet(width, Schedule.from_metadata(bundle.metadata))
    net.load_state_dict(state)
    return net.eval()


def _form(module: nn.Module) -> nn.Module:
    if type(module) is nn.Conv2d and _is_matrix_product(module):
        return PointwiseConvolution(module)
    if type(module) is nn.GroupNorm and module.affine:
        return SteadyGroupNorm(module)
    if type(module) is SABlock:
        return FusedAttention(module)
    if type(module) is WrappedUpsample:
        return SubpixelUpsample(module)
    return module


def _is_matrix_product(convolution: nn.Conv2d) -> bool:
    plain = (1, 1), (1, 1), (0, 0), 1
    c = convolution
    return (c.kernel_size, c.stride, c.padding, c.groups) == plain and c.bias is not None
