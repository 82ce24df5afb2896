"""A loaded day of ``ustomri batch``: many small cases, damaged ones, kills and resumes.

``python -m benchmarks.batch`` writes ``benchmarks/batch.md``. The networks are tiny ones with known
answers, so that it measures what the batch does around them.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from Testing.batch_images import DAMAGES, FAST, add_damaged, add_image
from Testing.conftest import export_tiny_models
from training.runinfo import run_record
from USToMRILib import Volume
from USToMRILib.files import sidecar_path

ROOT = Path(__file__).resolve().parents[1]

# After how large a part of the cases the memory is taken for settled.
SETTLED = 0.1
KILLS = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)


@dataclass(frozen=True)
class Run:
    """One process of ``ustomri batch``.

    Attributes:
        status: of its exit; negative: the signal that killed it.
        seconds: from its start to its end.
        translated: cases that it reported as done, without those that it found complete.
        rss_mib: its resident memory after each case.
    """

    status: int
    seconds: float
    translated: list[str]
    rss_mib: list[float]


@dataclass(frozen=True)
class Day:
    """What was measured.

    Attributes:
        whole: a run that nobody disturbed.
        runs: on another folder, killed three times and resumed to its end.
        complete: good cases with output, record and summary line in the end, whose output is
            voxel for voxel that of the undisturbed run.
        twice: cases that more than one run reported as translated.
        named: damaged cases that the summary names with a reason.
        leftovers: files that no user expects in the output folder.
    """

    whole: Run
    runs: list[Run]
    complete: int
    twice: int
    named: int
    leftovers: int

    @property
    def growth(self) -> float:
        """Memory after the last case over that when it had settled, less 1."""
        rss = self.whole.rss_mib
        return rss[-1] / rss[int(len(rss) * SETTLED) - 1] - 1


def make_cases(folder: Path, good: int, damaged: int) -> None:
    """Write the cases, the damaged ones among the good ones."""
    for number in range(good):
        add_image(folder / f"day{number % 5}" / f"{number:04}.nrrd", number)
    for number, damage in zip(range(damaged), itertools.cycle(DAMAGES)):
        name = f"{number:04} {damage}"
        add_damaged(folder / f"day{number % 5}", name, damage, good + number)


def loaded_day(work: Path, good: int, damaged: int) -> Day:
    """Measure a day in the folder ``work``."""
    make_cases(work / "in", good, damaged)
    export_tiny_models(work / "models")
    whole = _run(work, "whole")
    parts = [(n + 1) / (len(KILLS) + 1) for n in range(len(KILLS))]
    runs = [
        _run(work, "killed", number, int(part * (good + damaged)))
        for number, part in zip(KILLS, parts)
    ]
    runs.append(_run(work, "killed"))
    reported = [case for run in runs for case in run.translated]
    rows = _table(work / "killed")
    return Day(
        whole,
        runs,
        sum(_is_complete(work, row) for row in rows),
        len(reported) - len(set(reported)),
        sum(row["status"] == "failed" and bool(row["reason"]) for row in rows),
        sum(path.name != ".ustomri" for path in (work / "killed").rglob(".*")),
    )


def _run(work: Path, output: str, end: signal.Signals | None = None, after: int = 0) -> Run:
    """Run ``ustomri batch --resume``; send the signal ``end`` when so many cases have ended."""
    command = [sys.executable, "-u", "-m", "USToMRILib", "batch", work / "in", work / output]
    environment = {**os.environ, "USTOMRI_MODELS": str(work / "models")}
    start = time.perf_counter()
    rss, translated = [], []
    with subprocess.Popen(
        list(map(str, [*command, *FAST, "--resume"])),
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if not line.startswith("["):
                continue
            rss.append(_rss_mib(process.pid))
            if ": done" in line and "complete already" not in line:
                translated.append(line.partition("] ")[2].partition(": done")[0])
            if end and len(rss) == after:
                process.send_signal(end)
    return Run(process.returncode, time.perf_counter() - start, translated, rss)


def _rss_mib(pid: int) -> float:
    """Resident memory of a process (Linux); 0 when it has just ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    fields = text.partition("VmRSS:")[2].split()
    return int(fields[0]) / 1024 if fields else 0.0


def _table(output: Path) -> list[dict[str, str]]:
    with open(output / "summary.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _is_complete(work: Path, row: dict[str, str]) -> bool:
    if row["status"] != "done":
        return False
    output, other = (work / name / row["output"] for name in ("killed", "whole"))
    same = Volume.read(output).array.tobytes() == Volume.read(other).array.tobytes()
    return same and sidecar_path(output).is_file()


@contextmanager
def _folder(chosen: Path | None) -> Iterator[Path]:
    if chosen:
        yield chosen
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def main() -> None:
    """Measure a loaded day."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--good", type=int, default=450)
    parser.add_argument("--damaged", type=int, default=50)
    parser.add_argument("--folder", type=Path, help="to keep the files in")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    with _folder(options.folder) as work:
        day = loaded_day(work, options.good, options.damaged)
    options.output.write_text(_page(day, options.good, options.damaged), encoding="utf-8")


def _page(day: Day, good: int, damaged: int) -> str:
    record = run_record(seed=0)
    rss, settled = day.whole.rss_mib, int((good + damaged) * SETTLED)
    rows = [
        f"| {number} | {_end(run)} | {len(run.rss_mib)} | {len(run.translated)} | "
        f"{run.seconds:.0f} |"
        for number, run in enumerate(day.runs, start=1)
    ]
    lines = [
        "# A loaded day",
        "",
        f"`{record['command']}` at commit `{record['commit']}`, {record['date']}; "
        f"{os.cpu_count()} CPU cores, shared with other work. {good} small good cases and "
        f"{damaged} damaged in {len(DAMAGES)} ways ({', '.join(DAMAGES)}), drawn; the tests' tiny "
        "networks, DDIB with 2 steps, one process.",
        "",
        "## One run",
        "",
        f"{len(rss)} cases in {day.whole.seconds:.0f} s, exit status {day.whole.status}. Resident "
        f"memory {rss[settled - 1]:.1f} MiB after case {settled}, {rss[-1]:.1f} MiB after case "
        f"{len(rss)}: {day.growth:+.1%}.",
        "",
        "## Three kills and resumes",
        "",
        "| run | end | cases ended | of them translated | seconds |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
        f"In the end {day.complete} of {good} good cases are complete, with the same voxels as in "
        f"the undisturbed run; {day.twice} were reported as translated by two runs; {day.named} "
        f"of {damaged} damaged ones are named with a reason; {day.leftovers} files were left over.",
        "",
    ]
    return "\n".join(lines)


def _end(run: Run) -> str:
    if run.status < 0:
        return f"killed by {signal.Signals(-run.status).name}"
    return {130: "SIGTERM, exit status 130"}.get(run.status, f"exit status {run.status}")


if __name__ == "__main__":
    main()
