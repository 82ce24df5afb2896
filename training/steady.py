"""Networks that round the same on 1, 2, 4, 8 ... CPU threads.

PyTorch computes a 1x1 convolution of one image otherwise on one thread than on several, and the
way back through a group normalisation with weights too; a normalisation of channels-last tensors
depends on the number even more. What the last digits say hardly matters to a picture, but a median
can then be another pixel's. The forms here compute the same from operations without that property,
as ``Testing/test_steady.py`` holds against the PyTorch that is installed; matrix products have it
on some processors unless :mod:`USToMRILib.torch_environment` has been called for.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn
from torch.nn import functional as F

Net = TypeVar("Net", bound=nn.Module)


class PointwiseConvolution(nn.Conv2d):
    """A 1x1 convolution as the matrix product that it is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [B, C, H, W] to [B, D, H, W]."""
        weight = self.weight[:, :, 0, 0].expand(x.shape[0], -1, -1)
        assert self.bias is not None
        return torch.baddbmm(self.bias[:, None], weight, x.flatten(2)).unflatten(2, x.shape[2:])


class SteadyGroupNorm(nn.GroupNorm):
    """A group normalisation whose weights are applied afterwards."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise [B, C, H, W]."""
        even = F.group_norm(x, self.num_groups, eps=self.eps)
        return torch.addcmul(self.bias[:, None, None], even, self.weight[:, None, None])


def steady(net: Net) -> Net:
    """A copy of a 2D network that rounds the same on more threads.

    Its parameters have the same names; they are laid out as PyTorch does by default, since what
    channels-last convolutions return would have to be laid out anew for every normalisation.
    """
    net = copy.deepcopy(net)
    for module in list(net.modules()):
        for name, child in module.named_children():
            replacement = _steady_form(child)
            if replacement is not None:
                replacement.load_state_dict(child.state_dict())
                setattr(module, name, replacement.train(child.training))
    net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return net


def _steady_form(module: nn.Module) -> nn.Module | None:
    if type(module) is nn.Conv2d and _is_matrix_product(module):
        return PointwiseConvolution(module.in_channels, module.out_channels, 1)
    if type(module) is nn.GroupNorm and module.affine:
        return SteadyGroupNorm(module.num_groups, module.num_channels, module.eps)
    return None


def _is_matrix_product(convolution: nn.Conv2d) -> bool:
    plain = (1, 1), (1, 1), (0, 0), 1
    c = convolution
    return (c.kernel_size, c.stride, c.padding, c.groups) == plain and c.bias is not None
