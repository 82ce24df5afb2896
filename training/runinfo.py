"""What made a file: command, commit, versions. Model cards and checkpoints carry it."""

from __future__ import annotations

import datetime
import json
import platform
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def run_record(seed: int, processes: int = 1) -> dict[str, Any]:
    """The record of the running command.

    Args:
        seed: of its random numbers.
        processes: that ``torchrun`` started for it; each has its own batch.

    Returns:
        ``command`` as typed, ``commit`` of this checkout (``dirty`` when a file that is in use
        differs from it), ``date``, ``seed``, ``versions`` of Python and of the packages that shape
        weights.
    """
    return {
        "command": "python -m " + shlex.join([_module_name(), *sys.argv[1:]]),
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no", "--", *_own_files())),
        "date": datetime.date.today().isoformat(),
        "seed": seed,
        **({"processes": processes} if processes > 1 else {}),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "monai", "numpy", "SimpleITK")},
        },
    }


def append_record(path: Path, record: dict[str, Any], step: int) -> None:
    """Add the record of a command that goes on from ``step`` to the records of its run.

    Earlier commands that started at ``step`` or beyond left nothing and are dropped.
    """
    records = json.loads(path.read_text()) if path.exists() else []
    kept = [earlier for earlier in records if earlier["from_step"] < step]
    path.write_text(json.dumps([*kept, {**record, "from_step": step}], indent=2))


def _own_files() -> list[str]:
    """The checkout's files whose code this process has loaded."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    places = [Path(file).resolve() for file in files if file]
    return sorted(str(p.relative_to(ROOT)) for p in places if _is_own(p))


def _is_own(path: Path) -> bool:
    return ROOT in path.parents and ".venv" not in path.parts


def _module_name() -> str:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name if spec is not None else Path(sys.argv[0]).stem


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(
            ["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
