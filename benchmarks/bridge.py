"""The diffusion bridge: its fast mode against the published algorithm, and its engine's speed.

``python -m benchmarks.bridge --heads 30`` writes ``benchmarks/bridge.md``, ``.json`` and ``.png``.
The dearest part is the published algorithm for every head: some 200 seconds of a core each.
``--heads 4`` fits into a quarter of an hour.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.bridge_heads import Heads, read_heads
from benchmarks.bridge_report import write_report
from benchmarks.bridge_speed import cost_of_parts, peak_memory, reference_time
from training.data import add_data_option
from training.runinfo import run_record
from USToMRILib.bridge import residual
from USToMRILib.fetal_bridge import (
    BRIDGES,
    DEFAULT_SOLVER,
    STEPS,
    BridgeSettings,
    EpsPair,
    frames_at_once,
    load_pair,
    translate_frames,
)
from USToMRILib.progress import Progress
from USToMRILib.similarity import SIMILARITIES
from USToMRILib.solvers import PUBLISHED

SEARCHED = {
    "ddim": (25, 50, 100),
    "heun": (6, 8, 12, 16),
    "dpm++2m": (8, 12, 16, 20, 24, 32),
}


@dataclass(frozen=True)
class Candidate:
    """One way to cross the bridge, made and timed.

    Attributes:
        settings: of the bridge.
        pictures: float32 [B, 1, 128, 128] in [-1, 1].
        seconds: for each image, of all cores together (of the clock on a GPU).
        passes: of a network, for each image; a way back through one counts as another.
    """

    settings: BridgeSettings
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


def busy_seconds(device: str) -> float:
    """A clock that other programs on the machine move as little as can be."""
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def cross(heads: Heads, pair: EpsPair, settings: BridgeSettings) -> Candidate:
    """Translate all heads."""
    nets = [Counted(bundle.net) for bundle in (pair.us, pair.mri)]
    options: dict[str, Any] = {**settings.parameters, "schedule": pair.schedule}
    gc.collect()
    start = busy_seconds(pair.device)
    made = [
        BRIDGES[settings.method](part, *nets, **options).clamp(-1, 1).cpu()
        for part in heads.images.to(pair.device).split(frames_at_once(pair.device))
    ]
    seconds = busy_seconds(pair.device) - start
    count = len(heads.images)
    done = Candidate(
        settings, torch.cat(made), seconds / count, sum(net.passes for net in nets) / count
    )
    print(settings, f"{done.seconds:.2f} s and {done.passes:.0f} passes an image", flush=True)
    return done


def settings_searched() -> Iterator[BridgeSettings]:
    """The candidates beside the published algorithm, the default among them."""
    for solver, counts in SEARCHED.items():
        for steps in counts:
            yield BridgeSettings("ddic", steps, solver)
    yield BridgeSettings("ddib", STEPS[DEFAULT_SOLVER], DEFAULT_SOLVER)
    for similarity in list(SIMILARITIES)[1:]:
        yield BridgeSettings("ddic", STEPS[DEFAULT_SOLVER], DEFAULT_SOLVER, similarity)


def quality(done: Candidate, published: Candidate, heads: Heads) -> dict[str, Any]:
    """How close a candidate's pictures are to the published algorithm's."""
    measured = heads.compare(done.pictures, published.pictures)
    return {
        **{name: getattr(done.settings, name) for name in ("method", "solver", "similarity")},
        "steps": done.settings.steps_each_way,
        "passes": done.passes,
        "seconds": done.seconds,
        "times_as_fast_as_published": published.seconds / done.seconds,
        **measured,
    }


def invariance(heads: Heads, pair: EpsPair) -> dict[str, float]:
    """Greatest differences that should not be: between batch and alone, and between two runs."""
    settings = BridgeSettings("ddic")
    batch = heads.images[:8]
    first = translate_frames(batch, pair, settings, Progress())
    again = translate_frames(batch, pair, settings, Progress())
    alone = translate_frames(batch[-1:], pair, settings, Progress())
    return {
        "twice": float((first - again).abs().max()),
        "batch_and_alone": float((first[-1:] - alone).abs().max()),
    }


def consistency(heads: Heads, pair: EpsPair, done: Candidate) -> dict[str, float]:
    """The residual map's mean inside the heads, in grey levels, with the pull and without."""
    few, masks = heads.images[:4].to(pair.device), heads.masks[:4]
    way = (pair.us.net, pair.mri.net, STEPS[DEFAULT_SOLVER], DEFAULT_SOLVER, pair.schedule)
    plain = BRIDGES["ddib"](few, *way).clamp(-1, 1)
    pictures = {"ddib": plain, "ddic": done.pictures[:4].to(pair.device)}
    return {
        name: float(residual(few, y, *way)[:, 0].cpu().numpy()[masks].mean() * 127.5)
        for name, y in pictures.items()
    }


def main() -> None:
    """Measure the diffusion bridge, its fast mode against the published algorithm."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--heads", type=int, default=30, help="of HC18's validation part")
    parser.add_argument(
        "--steps-reference",
        type=int,
        default=STEPS[PUBLISHED],
        help="of what the candidates are compared with; the published algorithm has 1000",
    )
    parser.add_argument(
        "--steps-timed", type=int, default=20, help="of the line-by-line reference, which is timed"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(""))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pair, heads = load_pair(options.device), read_heads(options.data, options.heads)
    published = cross(heads, pair, BridgeSettings("ddic", options.steps_reference, PUBLISHED))
    searched = [cross(heads, pair, settings) for settings in settings_searched()]
    default = next(
        c for c in searched if c.settings.parameters == BridgeSettings("ddic").parameters
    )
    results = {
        "run": {**run_record(0), "threads": options.threads, "device": options.device},
        "weights": pair.bundles,
        "heads": len(heads.images),
        "candidates": [quality(done, published, heads) for done in (published, *searched)],
        "reference": reference_time(heads.images[:1], pair, options.steps_timed, busy_seconds),
        "parts": cost_of_parts(heads.images, pair, busy_seconds),
        "memory_mib": peak_memory(options.device),
        "largest_difference": invariance(heads, pair),
        "residual_grey_levels": consistency(heads, pair, default),
    }
    write_report(
        results, options.output, np.stack([c.pictures[0, 0] for c in (published, default)])
    )


if __name__ == "__main__":
    main()
