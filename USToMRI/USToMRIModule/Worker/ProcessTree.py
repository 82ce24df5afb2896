"""Ending a process together with the processes that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path


def killProcessTree(pid: int) -> None:
    """End a process and all its descendants at once.

    Slicer's Python is started by a launcher: ending only the launcher leaves the worker alive.
    """
    if os.name == "nt":
        subprocess.run(
            ["taskkill", "/PID", str(pid), "/T", "/F"],
            capture_output=True,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        return
    for member in [pid, *descendants(pid)]:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself meanwhile
            os.kill(member, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Return the ids of the processes that a process started, and that those started (POSIX)."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found = list(children.get(pid, []))
    for member in found:  # grows while it runs
        found.extend(children.get(member, []))
    return found


def _parents() -> list[tuple[int, int]]:
    """Return (process, parent) of every process of this machine."""
    if Path("/proc/self/stat").exists():
        return _parentsFromProc()
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split() for line in listing.splitlines())
    return [(int(pid), int(parent)) for pid, parent in rows]


def _parentsFromProc() -> list[tuple[int, int]]:
    pairs = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # "pid (name) state parent ...", where the name may hold spaces and brackets
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        pairs.append((int(stat.parent.name), int(fields[1])))
    return pairs
