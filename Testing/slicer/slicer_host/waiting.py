"""Waiting for Qt in tests, by a clock that stands still where a busy machine keeps them waiting."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable

import slicer

_SCHEDULER = Path("/proc/self/schedstat")  # Linux: ns of running, ns of being ready to run, turns


def own_time() -> float:
    """Return seconds of a clock that stands while this process could run and may not.

    A call that waits for something counts; other programs do not. Elsewhere than on Linux it is a
    usual clock.
    """
    now = time.monotonic()
    if not _SCHEDULER.exists():
        return now
    return now - int(_SCHEDULER.read_text().split()[1]) / 1e9


def let_pass(seconds: float) -> None:
    """Let Qt work for so long, so that timers which are shorter have fired."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end)
    slicer.app.processEvents()


def wait_until(condition: Callable[[], Any], seconds: float = 240) -> None:
    """Let Qt work until a condition holds."""
    end = own_time() + seconds
    while not condition():
        assert own_time() < end, "It did not happen in time."
        slicer.app.processEvents()
        time.sleep(0.005)
