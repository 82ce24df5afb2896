"""Crossing the diffusion bridge, timed."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from USToMRILib.fetal.diffusion import DdibOptions, EpsPair, bridge_of, frames_at_once


@dataclass(frozen=True)
class Attempt:
    """A way to cross the bridge with many images.

    Attributes:
        settings: of the bridge.
        log_snr_range: in place of the library's, where given.
        pulled_at_once: published steps, likewise.
        even: whether the heads have even gain.
    """

    settings: DdibOptions
    log_snr_range: tuple[float, float] | None = None
    pulled_at_once: int | None = None
    even: bool = True


@dataclass(frozen=True)
class Candidate:
    """One way to cross the bridge, made and timed.

    Attributes:
        settings: of the bridge.
        pictures: float32 [B, 1, 128, 128] in [-1, 1].
        seconds: for each image, of all cores together (of the clock on a GPU).
        passes: of a network, for each image; a way back through one counts as another.
    """

    settings: DdibOptions
    pictures: torch.Tensor
    seconds: float
    passes: float


class Counted:
    """A network that counts its passes over images, forwards and backwards."""

    def __init__(self, net: Callable[..., torch.Tensor]) -> None:
        self.net, self.passes = net, 0

    def __call__(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        self.passes += len(x) * (2 if x.requires_grad else 1)
        return self.net(x, t)


def wall_seconds(device: str) -> float:
    """A clock that has waited for the device."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def busy_seconds(device: str) -> float:
    """A clock that other programs on the machine move as little as can be."""
    return wall_seconds(device) if device == "cuda" else time.process_time()


def cross(images: torch.Tensor, pair: EpsPair, settings: DdibOptions) -> Candidate:
    """Translate all images, float32 [B, 1, 128, 128] in [-1, 1]."""
    nets = [Counted(bundle.net) for bundle in (pair.us, pair.mri)]
    options: dict[str, Any] = {**settings.crossing, "schedule": pair.schedule}
    gc.collect()
    start = busy_seconds(pair.device)
    made = [
        bridge_of(settings)(part, *nets, **options).clamp(-1, 1).cpu()
        for part in images.to(pair.device).split(frames_at_once(pair.device))
    ]
    seconds = busy_seconds(pair.device) - start
    count = len(images)
    done = Candidate(
        settings, torch.cat(made), seconds / count, sum(net.passes for net in nets) / count
    )
    print(settings, f"{done.seconds:.2f} s and {done.passes:.0f} passes an image", flush=True)
    return done
