"""How training computes: bfloat16 where the machine multiplies it in hardware, else float32."""

from __future__ import annotations

import torch

from USToMRILib.compute.precision import has_matrix_unit


def mixed_precision(device: torch.device) -> torch.autocast:
    """The context in which a training step computes on ``device``; weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=_has_bfloat16(device))


def convolution_layout(device: torch.device, spatial_dims: int = 2) -> torch.memory_format:
    """The memory format in which networks of convolutions train fastest.

    Channels last is what tensor cores want, and 10 to 20 % faster on CPUs in float32; where a CPU
    computes in bfloat16 it is 20 % slower.
    """
    if device.type == "cpu" and _has_bfloat16(device):
        return torch.contiguous_format
    return torch.channels_last if spatial_dims == 2 else torch.channels_last_3d


def _has_bfloat16(device: torch.device) -> bool:
    """Whether a training step is faster in bfloat16.

    With vector instructions alone a network's answer is not, but the step is: 1.7 times.
    """
    if device.type == "cpu" and getattr(torch.cpu, "_is_avx512_bf16_supported", bool)():
        return True
    return has_matrix_unit(device)
