"""The engine's exact mode beside the line-by-line reference, and what a thread a frame gains."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from benchmarks.crossing import wall_seconds
from Testing.bridge.reference_bridge import reference_ddic
from training.networks.inference_form import trained_net
from USToMRILib.bridge.imposed import GRADIENT_STEP, MEDIAN_KERNEL
from USToMRILib.bridge.solvers import PUBLISHED
from USToMRILib.compute.threads import power_of_two
from USToMRILib.fetal.diffusion import DdibOptions, DdicOptions, EpsPair, translate_frames
from USToMRILib.progress import Progress

STACK = 4
ROUNDS = 3


def against_reference(images: torch.Tensor, pair: EpsPair, steps: int) -> list[dict[str, Any]]:
    """Seconds of wall clock for an image, on one thread and on many: reference, exact and default.

    All take turns, and the least of some rounds counts.

    Args:
        images: float32 [B, 1, 128, 128] in [-1, 1].
        pair: on its device.
        steps: of the published mode and of its reference, of which the times of 1000 are reckoned.

    Returns:
        For each number of threads: ``threads``, ``seconds`` by name, the ``largest_difference``
        between reference and engine with the same networks, and ``difference_by_rounding`` with
        those that were trained.
    """
    numbers = sorted({1, power_of_two(os.cpu_count() or 1)}) if pair.device == "cpu" else [1]
    return [_on(threads, images, pair, steps) for threads in numbers]


def _on(threads: int, images: torch.Tensor, pair: EpsPair, steps: int) -> dict[str, Any]:
    scale = pair.schedule.num_steps / steps
    stack = images[torch.arange(STACK) % len(images)]
    exact, default = DdicOptions(steps, PUBLISHED), DdicOptions()
    levels, lr = pair.schedule.levels(steps), GRADIENT_STEP * scale

    def reference(us_net: torch.nn.Module, mri_net: torch.nn.Module) -> torch.Tensor:
        x0, arguments = images[:1].to(pair.device), (pair.schedule.alpha_bar, levels, lr)
        return reference_ddic(x0, us_net, mri_net, *arguments, MEDIAN_KERNEL).clamp(-1, 1)

    def engine(frames: torch.Tensor, settings: DdibOptions) -> torch.Tensor:
        return translate_frames(frames, pair, settings, Progress())

    works: dict[str, tuple[Callable[[], torch.Tensor], float]] = {
        "reference": (partial(reference, *_trained(pair, torch.contiguous_format)), scale),
        "the same, channels last": (
            partial(reference, *_trained(pair, torch.channels_last)),
            scale,
        ),
        "exact, one image": (lambda: engine(images[:1], exact), scale),
        f"exact, {STACK} images": (lambda: engine(stack, exact), scale / STACK),
        "default, one image": (lambda: engine(images[:1], default), 1),
        f"default, {STACK} images": (lambda: engine(stack, default), 1 / STACK),
    }
    seconds = {name: float("inf") for name in works}
    made = {}
    with _threads(threads):
        for _ in range(ROUNDS):
            for name, (work, part) in works.items():
                gc.collect()
                start = wall_seconds(pair.device)
                made[name] = work().cpu()
                seconds[name] = min(seconds[name], part * (wall_seconds(pair.device) - start))
        same_networks = reference(pair.us.net, pair.mri.net).cpu()
    return {
        "threads": threads,
        "seconds": seconds,
        "largest_difference": _largest(same_networks - made["exact, one image"]),
        "difference_by_rounding": _largest(made["reference"] - made["exact, one image"]),
    }


def _trained(pair: EpsPair, layout: torch.memory_format) -> list[torch.nn.Module]:
    return [
        trained_net(bundle).to(pair.device, memory_format=layout)  # type: ignore[call-overload]
        for bundle in (pair.us, pair.mri)
    ]


def _largest(difference: torch.Tensor) -> float:
    return float(difference.abs().max())


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    yield
    torch.set_num_threads(before)
