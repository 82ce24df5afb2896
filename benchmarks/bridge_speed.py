"""Where the time goes, and how much memory it takes."""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
from functools import partial
from typing import Any, Callable

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from USToMRILib.bridge.imposed import Imposed
from USToMRILib.compute.peak_memory import peak_memory_mib
from USToMRILib.fetal.diffusion import HEADS, DdicOptions, EpsPair, load_pair, translate_frames
from USToMRILib.progress import Progress

Clock = Callable[[str], float]
MATRIX = 2048
# Solver, frames and threads of the processes whose memory is measured.
MEMORY_OF = (
    ("none", 0, 1),
    ("dpm++2m", 1, 1),
    ("dpm++2m", 8, 1),
    ("dpm++2m", 8, 8),
    ("ddim", 8, 8),
)


def _attention(*shapes: Any, **_: Any) -> int:
    return sdpa_flop_count(*shapes[:3])


def _attention_back(*shapes: Any, **_: Any) -> int:
    return sdpa_backward_flop_count(*shapes[:4])


# What torch counts nothing for.
CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_back,
}


def _timed(work: Callable[[], Any], clock: Clock, device: str, times: int = 3) -> float:
    """The least of some measurements, in seconds."""
    work()
    seconds = []
    for _ in range(times):
        gc.collect()
        start = clock(device)
        work()
        seconds.append(clock(device) - start)
    return min(seconds)


def cost_of_parts(images: torch.Tensor, pair: EpsPair, clock: Clock) -> dict[str, Any]:
    """Seconds and floating point operations of a pass, of the pull, of volumes of many slices."""
    device, net = pair.device, pair.mri.net

    def forward(x: torch.Tensor) -> None:
        with torch.no_grad():
            net(x, torch.full((len(x),), 500, device=device))

    def back(x: torch.Tensor) -> None:
        y = x.clone().requires_grad_(True)
        # Not autograd.grad(), in which torch cannot count operations.
        net(y, torch.full((len(x),), 500, device=device)).sum().backward()

    matrix = torch.randn(MATRIX, MATRIX, device=device)
    peak = 2 * MATRIX**3 / _timed(lambda: matrix @ matrix, clock, device)
    passes = []
    for count in (1, 2, 4, 8, 16):
        x = images[torch.arange(count) % len(images)].to(device)
        for name, work in (("forward", forward), ("forward and back", back)):
            with FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as counter:
                work(x)
            flop = counter.get_total_flops() / count
            seconds = _timed(partial(work, x), clock, device) / count
            rate = flop / seconds
            passes.append(
                {
                    "batch": count,
                    "pass": name,
                    "seconds": seconds,
                    "gflop": flop / 1e9,
                    "gflops": rate / 1e9,
                    "share_of_peak": rate / peak,
                }
            )
    one = images[:1].to(device)
    pull = _timed(lambda: Imposed().pull(one, one.flip(-1), 1.0), clock, device)
    slices = {
        count: _timed(
            partial(
                translate_frames,
                images[torch.arange(count) % len(images)],
                pair,
                DdicOptions(),
                Progress(),
            ),
            clock,
            device,
            1,
        )
        for count in (1, 4, 16)
    }
    return {"matrix_gflops": peak / 1e9, "passes": passes, "pull_seconds": pull, "slices": slices}


def peak_memory(device: str) -> dict[str, float | None]:
    """Peak memory in MiB of processes that do one thing each; two steps reach the peak."""
    found: dict[str, float | None] = {}
    for solver, frames, threads in MEMORY_OF:
        job = [solver, str(frames), str(threads), device]
        command = [sys.executable, "-m", "benchmarks.bridge_speed", *job]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        name = f"{solver}, frames: {frames}, threads: {threads}"
        found[name] = None if answer == "None\n" else float(answer)
    return found


def main() -> None:
    """Load the networks, take two steps, and print the peak memory in MiB."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("solver")
    parser.add_argument("frames", type=int)
    parser.add_argument("threads", type=int)
    parser.add_argument("device")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pair = load_pair(options.device, HEADS)
    if options.solver != "none":
        frames = torch.zeros(options.frames, 1, 128, 128)
        frames[..., 32:96, 32:96] = torch.linspace(-1, 1, 64)
        settings = DdicOptions(2, options.solver)
        translate_frames(frames, pair, settings, Progress())
    print(peak_memory_mib(options.device))


if __name__ == "__main__":
    main()
