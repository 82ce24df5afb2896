"""The environment in which torch should be loaded."""

from __future__ import annotations

import os

# A thousand looks, some microseconds: most waits are over by then, and on an idle machine a
# translation takes 5 % longer than with the 300,000 of GNU's OpenMP.
SPINS = "1000"


def prepare_torch() -> None:
    """Let torch's threads wait asleep, and matrix products round the same on any number of them.

    A network's operations take some ten microseconds each, and after each its threads wait for the
    last. On a machine that something else keeps busy too, the last may not have a core: two threads
    that waited awake were ten times as slow as one (``python -m benchmarks.waiting``). Measured
    with GNU's OpenMP, which torch has on Linux; Intel's and LLVM's let their threads sleep at once.

    To be called before torch first computes. What the user has set in the environment stays.
    """
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "passive"
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
