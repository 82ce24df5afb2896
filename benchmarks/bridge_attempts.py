"""Many ways across the diffusion bridge, each timed, on a process for each core."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from benchmarks.bridge_heads import read_heads
from benchmarks.crossing import Attempt, Candidate, cross
from USToMRILib.bridge import imposed, schedule
from USToMRILib.fetal.diffusion import HEADS, load_pair


def crossed(
    attempts: Iterable[Attempt],
    data: Path,
    chosen: int | tuple[int, ...],
    device: str,
    threads: int,
) -> dict[Attempt, Candidate]:
    """Cross the bridge in every way, with all heads.

    The seconds are each process's own, of the cores, so that the others count little.

    Args:
        attempts: the ways.
        data, chosen: for :func:`benchmarks.bridge_heads.read_heads`.
        device: of the networks; on others than the CPU one process works.
        threads: of each process.
    """
    attempts = list(attempts)
    processes = max(1, (os.cpu_count() or 1) // threads) if device == "cpu" else 1
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, torch.set_num_threads, (threads,)) as pool:
        jobs = [pool.submit(_cross, attempt, data, chosen, device) for attempt in attempts]
        return {attempt: job.result() for attempt, job in zip(attempts, jobs)}


_heads = lru_cache(read_heads)


def _cross(attempt: Attempt, data: Path, chosen: int | tuple[int, ...], device: str) -> Candidate:
    heads, pair = _heads(data, chosen, attempt.even), load_pair(device, HEADS)
    changes: list[tuple[Any, str, Any]] = [
        (schedule, "LOG_SNR_RANGE", attempt.log_snr_range),
        (imposed, "PULLED_AT_ONCE", attempt.pulled_at_once),
    ]
    with ExitStack() as changed:
        for module, name, value in changes:
            if value is not None:
                changed.enter_context(mock.patch.object(module, name, value))
        return cross(heads.images, pair, attempt.settings)
