"""The CycleGAN on fetal head frames: the unpaired baseline of the DDIC paper, one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compute.bundle import Bundle, load_bundle
from ..progress import Progress

if TYPE_CHECKING:
    import torch

METHOD, BUNDLE = "cyclegan", "cyclegan_fetal"


def load_generator(device: str) -> Bundle:
    """The generator from ultrasound to MRI, on ``device``.

    Raises:
        InputError: if the bundle cannot be used.
    """
    return load_bundle(BUNDLE, device)


def translate_frames(
    x0: torch.Tensor, bundle: Bundle, device: str, progress: Progress
) -> torch.Tensor:
    """Carry ultrasound frames to MRI; each as if it were alone.

    Args:
        x0: float32 [B, 1, H, W] in [-1, 1] of the bundle's frame, on any device.
        bundle: as loaded by :func:`load_generator`, on ``device``.
        progress: phase "generate".

    Returns:
        float32 of the shape of x0 on the CPU, in [-1, 1].

    Raises:
        Cancelled: when the progress' token is set.
    """
    import torch

    with progress.phase("generate"), torch.no_grad():
        return bundle.net(x0.to(device)).clamp(-1, 1).cpu()
