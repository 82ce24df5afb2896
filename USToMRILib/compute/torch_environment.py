"""The environment in which torch should be loaded."""

from __future__ import annotations

import os


def prepare_torch() -> None:
    """Let torch's threads wait asleep, and matrix products round the same on any number of them.

    A network's operations take some ten microseconds each, and after each its threads wait for the
    last. On a machine that something else keeps busy too, the last may not have a core, and threads
    that wait awake hold the one that it needs: two were seven times as slow as one. That they fall
    asleep instead costs a sixth on an idle machine (``python -m benchmarks.waiting``).

    To be called before torch first computes. What the user has set in the environment stays.
    """
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
