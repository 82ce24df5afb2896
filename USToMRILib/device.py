"""Choosing the device that a run computes on."""

from __future__ import annotations

from .errors import InputError

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
