"""Choosing the device that a run computes on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(device: str = "auto") -> str:
    """The device to use: the one asked for, or for "auto" the fastest there is.

    Raises:
        InputError: for an unknown device or one that this machine or this torch does not have.
    """
    if device not in DEVICES:
        raise InputError(f"The device {device!r} is unknown; choose from {', '.join(DEVICES)}.")
    import torch

    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return next(name for name, is_there in present.items() if is_there)
    if not present[device]:
        raise InputError(
            f"The device {device!r} is not available to torch {torch.__version__} here; "
            "use --device auto or cpu."
        )
    return device


@dataclass(frozen=True)
class DeviceInfo:
    """A device of this machine.

    Attributes:
        name: the library's word for it, one of :data:`DEVICES`.
        label: what its maker calls it.
        free_bytes: memory that a run can take now; None where the system does not tell.
    """

    name: str
    label: str
    free_bytes: int | None


def list_devices() -> list[DeviceInfo]:
    """The devices that torch can use here, in the order in which "auto" prefers them."""
    import torch

    found = []
    if torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info()
        found.append(DeviceInfo("cuda", torch.cuda.get_device_name(), free))
    if torch.backends.mps.is_available():
        limit = getattr(torch.mps, "recommended_max_memory", None)  # torch 2.5 and later
        left = limit() - torch.mps.driver_allocated_memory() if limit else None
        found.append(DeviceInfo("mps", "Apple GPU", left))
    label = f"{platform.machine()}, {torch.get_num_threads()} threads"
    return [*found, DeviceInfo("cpu", label, _free_memory())]


def _free_memory() -> int | None:
    """Bytes of main memory that a process can take without swapping."""
    if os.name == "nt":
        return _free_memory_of_windows()
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:  # macOS has no number that means the same
        return None
    return int(text.partition("MemAvailable:")[2].split()[0]) * 1024


def _free_memory_of_windows() -> int:
    import ctypes

    # MEMORYSTATUSEX: two 32-bit numbers, then seven 64-bit ones, of which the second is what is
    # available.
    status = (ctypes.c_uint64 * 8)(64)
    ctypes.windll.kernel32.GlobalMemoryStatusEx(status)  # type: ignore[attr-defined,unused-ignore]
    return int(status[2])
