"""How torch's threads should wait for each other: on an idle machine, and beside other work.

``python -m benchmarks.waiting`` writes ``benchmarks/waiting.md``. The machine should be idle: the
other work is a process of the benchmark's own. Linux alone: torch's OpenMP is GNU's there.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.machine import processor
from benchmarks.markdown import table
from training.runinfo import run_record
from USToMRILib.compute.threads import power_of_two
from USToMRILib.fetal.diffusion import HEADS, DdicOptions, load_pair, translate_frames
from USToMRILib.progress import Progress

# Looks at a barrier before a thread sleeps. The first is the default; none is "passive".
LOOKS = ("300000", "1000", "0")
ROUNDS = 3


def seconds_an_image() -> float:
    """Of wall clock for a drawn frame in the default mode, the least of some rounds."""
    pair, settings = load_pair("cpu", HEADS), DdicOptions()
    frame = torch.full((1, 1, 128, 128), -1.0)
    frame[..., 32:96, 16:112] = torch.linspace(-1, 1, 96)
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        translate_frames(frame, pair, settings, Progress())
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _measured(threads: int, looks: str) -> float:
    """:func:`seconds_an_image` in a process of its own."""
    chosen = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": looks}
    command = [sys.executable, "-m", "benchmarks.waiting", "--one-image", str(threads)]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **chosen}
    )
    return float(done.stdout)


def _work_on() -> None:
    while True:
        pass


@contextmanager
def busy_process() -> Iterator[None]:
    """A process that keeps a core busy."""
    other = multiprocessing.Process(target=_work_on, daemon=True)
    other.start()
    yield
    other.kill()


def main() -> None:
    """Measure ways of waiting, with and without other work on the machine."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--one-image", type=int, metavar="THREADS", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    if options.one_image:
        torch.set_num_threads(options.one_image)
        print(seconds_an_image())
        return
    cores = power_of_two(os.cpu_count() or 1)
    runs = [(1, "0"), *((cores, looks) for looks in LOOKS)]
    idle = [_measured(*run) for run in runs]
    with busy_process():
        busy = [_measured(*run) for run in runs]
    rows = (
        (str(threads), looks, *(f"{s:.2f} ({s / idle[0]:.2f})" for s in seconds))
        for (threads, looks), *seconds in zip(runs, idle, busy)
    )
    header = ("threads", "looks", "idle machine", "beside a busy process")
    options.output.write_text(_text(table(header, rows)), encoding="utf-8")


def _text(rows: str) -> str:
    run = run_record(0)
    return f"""\
# Threads that wait for each other

`{run["command"]}` at commit `{run["commit"]}`, {run["date"]}; {processor()}, GNU's
OpenMP.

Seconds of wall clock for a drawn frame by `ddic` in its default mode, the least of {ROUNDS}; in
brackets, how many times those of one thread on the idle machine. *Looks* are how often a thread
looks whether the others are ready before it sleeps (`GOMP_SPINCOUNT`): {LOOKS[0]} by default, none
with `OMP_WAIT_POLICY=passive`, as `ustomri` has it. The busy process works on its own and needs one
core.

{rows}
"""


if __name__ == "__main__":
    main()
