"""How the threads of torch wait for each other."""

from __future__ import annotations

import os

# A thousand looks, some microseconds: most waits are over by then, and on an idle machine a
# translation takes 5 % longer than with the 300,000 of GNU's OpenMP.
SPINS = "1000"


def wait_asleep() -> None:
    """Let threads that wait for others sleep, instead of holding the core that these need.

    A network's operations take some ten microseconds each, and after each its threads wait for the
    last. On a machine that something else keeps busy too, the last may not have a core: two threads
    that waited awake were ten times as slow as one. To be called before torch is loaded; a policy
    that the user has set in the environment stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "passive"  # Intel's and LLVM's OpenMP
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
