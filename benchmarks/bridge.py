"""The diffusion bridge: its fast mode against the published algorithm, and its engine's speed.

``python -m benchmarks.bridge --heads 30`` writes ``benchmarks/bridge.md``, ``.json`` and ``.png``.
The dearest part is the published algorithm for every head, some 150 seconds of a core each. Its
pictures are kept, and a run that was stopped goes on; ``--only-published 0/2`` and ``1/2`` in two
processes make them on two cores ahead of the measurement. What takes turns with the reference is
measured by the wall clock right after them, in a minute in which the machine should be idle.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.bridge_attempts import crossed
from benchmarks.bridge_heads import Heads, filled, read_heads
from benchmarks.bridge_reference import against_reference
from benchmarks.bridge_report import write_report
from benchmarks.bridge_speed import cost_of_parts, peak_memory
from benchmarks.crossing import Attempt, Candidate, busy_seconds
from benchmarks.published_pictures import published_pictures
from training.data.location import add_data_option
from training.runinfo import run_record
from USToMRILib.bridge.diffusion_bridge import ddib, residual
from USToMRILib.bridge.similarity import PEARSON, SIMILARITIES
from USToMRILib.bridge.solvers import PUBLISHED
from USToMRILib.fetal.diffusion import (
    DEFAULT_SOLVER,
    HEADS,
    STEPS,
    DdibOptions,
    DdicOptions,
    EpsPair,
    load_pair,
    translate_frames,
)
from USToMRILib.progress import Progress

SEARCHED = {
    "ddim": (25, 50),
    "dpm++2m": (8, 12, 16, 18, 20, 24, 32),
}

# Of lambda, between which the levels of the second order solvers are spread.
RANGES = (
    (-1.75, 4.0),
    (-3.0, 5.0),
    (-3.5, 4.5),
    (-3.5, 5.0),
    (-3.5, 5.5),
    (-3.75, 5.0),
    (-4.0, 5.0),
)

DEFAULT = Attempt(DdicOptions(STEPS[DEFAULT_SOLVER], DEFAULT_SOLVER))
AS_RECORDED = Attempt(DdicOptions(), even=False)

# On which the voxels should be the same: two for each of eight frames.
OTHER_THREADS = 16

# Published steps whose pull is taken at once; the last is more than any step stands for.
AT_ONCE = (8, 16, 32, 1000)


def settings_searched() -> Iterator[DdibOptions]:
    """The candidates beside the published algorithm, the default among them."""
    for solver, counts in SEARCHED.items():
        for steps in counts:
            yield DdicOptions(steps, solver)
    yield DdibOptions(STEPS[DEFAULT_SOLVER], DEFAULT_SOLVER)
    for similarity in list(SIMILARITIES)[1:]:
        yield DdicOptions(STEPS[DEFAULT_SOLVER], DEFAULT_SOLVER, similarity=similarity)


def quality(done: Candidate, published: Candidate, heads: Heads) -> dict[str, Any]:
    """How close a candidate's pictures are to the published algorithm's."""
    measured = heads.compare(done.pictures, published.pictures)
    return {
        "method": "ddic" if done.settings.imposed else "ddib",
        "solver": done.settings.solver,
        "similarity": getattr(done.settings, "similarity", PEARSON),
        "steps": done.settings.steps_each_way,
        "passes": done.passes,
        "seconds": done.seconds,
        "times_as_fast_as_published": published.seconds / done.seconds,
        **measured,
    }


def invariance(heads: Heads, pair: EpsPair) -> dict[str, float]:
    """Greatest differences that should not be: of two runs, batch and alone, other threads."""
    settings = DdicOptions()
    batch = heads.images[:8]
    first = translate_frames(batch, pair, settings, Progress())
    again = translate_frames(batch, pair, settings, Progress())
    alone = translate_frames(batch[-1:], pair, settings, Progress())
    before = torch.get_num_threads()
    torch.set_num_threads(OTHER_THREADS)
    threads = translate_frames(batch, pair, settings, Progress())
    torch.set_num_threads(before)
    return {
        "twice": float((first - again).abs().max()),
        "batch_and_alone": float((first[-1:] - alone).abs().max()),
        "threads": float((first - threads).abs().max()),
    }


def consistency(heads: Heads, pair: EpsPair, done: Candidate) -> dict[str, float]:
    """The residual map's mean inside the heads, in grey levels, with the pull and without."""
    few, masks = heads.images[:4].to(pair.device), heads.masks[:4]
    way = (pair.us.net, pair.mri.net, STEPS[DEFAULT_SOLVER], DEFAULT_SOLVER, pair.schedule)
    plain = ddib(few, *way).clamp(-1, 1)
    pictures = {"ddib": plain, "ddic": done.pictures[:4].to(pair.device)}
    return {
        name: float(residual(few, y, *way)[:, 0].cpu().numpy()[masks].mean() * 127.5)
        for name, y in pictures.items()
    }


def attempts() -> Iterator[Attempt]:
    """All ways that are measured beside the published algorithm."""
    default = DdicOptions()
    yield from map(Attempt, settings_searched())
    yield from (Attempt(default, log_snr_range=ends) for ends in RANGES)
    yield from (Attempt(default, pulled_at_once=count) for count in AT_ONCE)
    yield AS_RECORDED


def _part(text: str) -> tuple[int, int]:
    part, parts = map(int, text.split("/"))
    return part, parts


def measured(
    heads: Heads, pair: EpsPair, published: Candidate, done: dict[Attempt, Candidate]
) -> dict[str, Any]:
    """What is compared with the published pictures, and what else the networks alone need."""
    default = done[DEFAULT]
    searched = [done[Attempt(settings)] for settings in settings_searched()]

    def compared(attempt: Attempt) -> dict[str, Any]:
        made = done[attempt]
        near = heads.compare(made.pictures, published.pictures)
        return {**asdict(attempt), "seconds": made.seconds, **near}

    return {
        "weights": pair.bundles,
        "heads": len(heads.images),
        "candidates": [quality(way, published, heads) for way in (published, *searched)],
        "each_head": heads.correlations(default.pictures, published.pictures),
        "ranges": [compared(attempt) for attempt in done if attempt.log_snr_range],
        "pulls": [compared(attempt) for attempt in done if attempt.pulled_at_once],
        "gains": {
            "even": sorted(filled(default.pictures, heads.masks)),
            "as recorded": sorted(filled(done[AS_RECORDED].pictures, heads.masks)),
        },
        "parts": cost_of_parts(heads.images, pair, busy_seconds),
        "memory_mib": peak_memory(pair.device),
        "largest_difference": invariance(heads, pair),
        "residual_grey_levels": consistency(heads, pair, default),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--heads", type=int, default=30, help="of HC18's validation part")
    parser.add_argument(
        "--places", type=int, nargs="+", help="of the heads in the part's table, instead"
    )
    parser.add_argument(
        "--steps-reference",
        type=int,
        default=STEPS[PUBLISHED],
        help="of what the candidates are compared with; the published algorithm has 1000",
    )
    parser.add_argument(
        "--steps-timed", type=int, default=20, help="of the line-by-line reference, which is timed"
    )
    parser.add_argument(
        "--kept", type=Path, default=Path("runs/published_pictures"), help="folder of its pictures"
    )
    parser.add_argument(
        "--only-published", type=_part, metavar="I/N", help="make the I-th of N parts of these"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(""))
    return parser.parse_args()


def main() -> None:
    """Measure the diffusion bridge, its fast mode against the published algorithm."""
    options = _options()
    torch.set_num_threads(options.threads)
    chosen = tuple(options.places) if options.places else options.heads
    pair, heads = load_pair(options.device, HEADS), read_heads(options.data, chosen)
    settings = DdicOptions(options.steps_reference, PUBLISHED)
    part, parts = options.only_published or (0, 1)
    published = published_pictures(
        heads.images, pair, settings, options.kept, lambda number: number % parts == part
    )
    if options.only_published or published is None:
        return
    reference = against_reference(heads.images, pair, options.steps_timed)
    done = crossed(attempts(), options.data, chosen, options.device, options.threads)
    results = {
        "run": {**run_record(0), "threads": options.threads, "device": options.device},
        "steps_timed": options.steps_timed,
        "reference": reference,
        **measured(heads, pair, published, done),
    }
    pictures = np.stack([way.pictures[0, 0] for way in (published, done[DEFAULT])])
    write_report(results, options.output, pictures)


if __name__ == "__main__":
    main()
