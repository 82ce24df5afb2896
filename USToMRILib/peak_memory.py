"""How much memory a run has taken."""

from __future__ import annotations

import sys


def peak_memory_mib(device: str) -> float | None:
    """The most memory in MiB that this process has held on a device; None where nobody knows.

    For "cuda" that of torch's tensors, otherwise the whole process's since it began.
    """
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return None
    # Kilobytes, but bytes on macOS.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
