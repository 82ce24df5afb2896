"""What the devices of this machine compute fastest in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def has_matrix_unit(device: torch.device) -> bool:
    """Whether ``device`` multiplies matrices of bfloat16 in hardware: GPUs, and CPUs with AMX.

    A CPU that only has vector instructions for bfloat16 gains nothing by it.
    """
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)  # Ampere was the first
    if device.type != "cpu":
        return False
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16", False))
