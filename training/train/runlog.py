"""The log of a run: lines of JSON for programs, TensorBoard events for eyes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from training.train.parallel import ALONE, Ranks

LOG_FILE = "log.jsonl"


class RunLog:
    """Writes the figures of a run to ``log.jsonl`` and, for TensorBoard, to ``tensorboard/``.

    Args:
        work: folder of the run.
        step: from which the run goes on; what the log says about later steps is dropped, for they
            will be taken again.
        ranks: the processes of the run; only the first one writes.
    """

    def __init__(self, work: Path, step: int, ranks: Ranks = ALONE) -> None:
        self._open = ranks.first
        if not self._open:
            return
        _forget_after(work / LOG_FILE, step)
        self._lines = (work / LOG_FILE).open("a")
        self._events = SummaryWriter(str(work / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, figures: dict[str, float]) -> None:
        """Log ``figures`` as those of ``step``."""
        self._lines.write(json.dumps({"step": step, **figures}) + "\n")
        self._lines.flush()
        for name, value in figures.items():
            self._events.add_scalar(name, value, step)
        self._events.flush()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: Any) -> None:
        if self._open:
            self._lines.close()
            self._events.close()


def progress_bar(step: int, steps: int, ranks: Ranks = ALONE) -> tqdm:
    """The steps from ``step`` on, with the time that remains; only the first process shows it."""
    return tqdm(range(step, steps), initial=step, total=steps, unit="step", disable=not ranks.first)


def read_log(path: Path) -> list[dict[str, float]]:
    """The entries of a log, in the order in which they were written.

    Raises:
        ValueError: the file holds anything but lines of JSON.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def _forget_after(log: Path, step: int) -> None:
    if log.exists():
        kept = [entry for entry in read_log(log) if entry["step"] <= step]
        log.write_text("".join(json.dumps(entry) + "\n" for entry in kept))
