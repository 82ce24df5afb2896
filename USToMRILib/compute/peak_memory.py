"""How much memory a run has taken."""

from __future__ import annotations

import sys
from pathlib import Path


def peak_memory_mib(device: str) -> float | None:
    """The most memory in MiB that this process has held on a device; None where nobody knows.

    For "cuda" that of torch's tensors, otherwise the whole process's since it began.
    """
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    if status.exists():  # getrusage() counts what the parent held when it started this process
        lines = status.read_text(encoding="utf-8").splitlines()
        peaks = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
        return int(peaks[0]) / 2**10 if peaks else None
    try:
        import resource
    except ImportError:  # Windows
        return None
    # Kilobytes, but bytes on macOS.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
