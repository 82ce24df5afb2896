"""Runs that are stopped, killed and spread over processes: nothing lost, nothing done twice."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from Testing.batch_images import FAST, add_damaged, add_image
from USToMRILib import InputError
from USToMRILib.batch.cases import find_cases
from USToMRILib.batch.job import Job
from USToMRILib.batch.processes import in_processes
from USToMRILib.batch.run import run_batch
from USToMRILib.fetal.diffusion import DdibOptions
from USToMRILib.progress import CancelToken

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are sent as on POSIX")


@pytest.fixture
def images(tmp_path, tiny_models):
    folder = tmp_path / "in"
    for number in range(10):
        add_image(folder / f"{number}.nrrd", number)
    return folder


def start(
    folder: Path, output: Path, *options: str, fast: Sequence[str] = FAST
) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", "-m", "USToMRILib", "batch", folder, output, *fast, *options]
    return subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def read_until_done(process: subprocess.Popen[str], number: int) -> None:
    """Wait for so many cases to be done."""
    assert process.stdout is not None
    for line in process.stdout:
        number -= ": done" in line
        if number == 0:
            return
    raise AssertionError(process.communicate())


def statuses(output: Path) -> dict[str, str]:
    with open(output / "summary.csv", newline="", encoding="utf-8") as file:
        return {row["case"]: row["status"] for row in csv.DictReader(file)}


def no_half_files(output: Path) -> None:
    assert [p for p in output.rglob(".*") if p.name != ".ustomri"] == []


def no_leftovers(output: Path) -> None:
    no_half_files(output)
    assert list((output / ".ustomri" / "claims").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "jobs"), [(signal.SIGTERM, "1"), (signal.SIGINT, "2")], ids=["TERM", "INT, 2 jobs"]
)
def test_a_signal_ends_the_run_cleanly(images, tmp_path, number, jobs):
    output = tmp_path / "out"
    slow = ("--method", "ddic", "--steps", "40", "--jobs", jobs)
    process = start(images, output, *slow)
    read_until_done(process, 2)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "ustomri: cancelled; what is complete stays, go on with --resume.\n"
    ended = statuses(output)
    assert 2 <= list(ended.values()).count("done") < 10
    assert set(ended.values()) == {"done", "not run"}
    assert len(list(output.glob("*.nrrd"))) == list(ended.values()).count("done")
    no_leftovers(output)
    assert list((output / ".ustomri").glob("stop-*")) == []
    assert list((output / ".ustomri" / "processes").iterdir()) == []


def test_a_killed_run_goes_on(images, tmp_path):
    output = tmp_path / "out"
    process = start(images, output, "--method", "ddic", "--steps", "10")
    read_until_done(process, 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    made = {p: p.stat().st_mtime_ns for p in output.glob("*.nrrd")}
    assert len(made) >= 3
    again = start(images, output, "--method", "ddic", "--steps", "10", "--resume")
    printed, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert printed.count("complete already") >= 3
    assert set(statuses(output).values()) == {"done"}
    kept = [p for p, t in made.items() if p.stat().st_mtime_ns == t]
    assert len(kept) >= len(made) - 1  # at most the one that was being written is written again
    no_leftovers(output)


def job(output: Path) -> Job:
    output.mkdir()
    return Job(output, "ddib", DdibOptions(2, "ddim"), head_mask="none")


def test_a_process_that_dies_takes_no_case_with_it(images, tmp_path):
    """A process is killed in mid-run; another one begins, and takes its case over."""
    output = tmp_path / "out"
    killed = []

    def kill_one(outcome, ended, of):
        if ended == 3:
            children = {child.pid: child for child in multiprocessing.active_children()}
            begun = (json.loads(p.read_text())["pid"] for p in output.rglob("processes/*"))
            killed.append(next(children[pid] for pid in begun if pid in children))
            killed[0].kill()

    cases = find_cases(images, output)
    report = run_batch(cases, job(output), in_processes(2), CancelToken(), kill_one)
    assert killed[0].exitcode == -signal.SIGKILL
    assert [outcome.status for outcome in report.outcomes] == ["done"] * 10
    assert multiprocessing.active_children() == []
    # Its last claim may stay, where it was killed between the end of a case and the claim's.
    no_half_files(output)


def test_two_runs_of_two_processes_each_on_one_folder(images, tmp_path):
    output = tmp_path / "out"
    runs = [start(images, output, "--jobs", "2") for _ in range(2)]
    for run in runs:
        _, errors = run.communicate(timeout=180)
        assert run.returncode == 0, errors
    assert set(statuses(output).values()) == {"done"}
    assert len(list(output.glob("*.nrrd"))) == 10
    no_leftovers(output)


def test_the_processes_share_the_memory(tmp_path, tiny_models):
    """What suffices for one process is too little for each of many; nobody may take the others'."""
    add_image(tmp_path / "in" / "a.nrrd", size=64)
    add_image(tmp_path / "in" / "b.nrrd", size=64)
    reasons = {}
    for jobs in ("1", "2"):
        output = tmp_path / jobs
        options = ("--method", "pix2pix3d", "--memory", "1", "--jobs", jobs)
        start(tmp_path / "in", output, *options, fast=()).communicate(timeout=120)
        with open(output / "summary.csv", newline="", encoding="utf-8") as file:
            reasons[jobs] = {row["reason"] for row in csv.DictReader(file)}
    assert reasons["1"] == {""}
    assert all("GiB" in reason for reason in reasons["2"])


@pytest.mark.parametrize("after_s", [0.0, 0.5, 1.0, 1.5])
def test_a_signal_to_all_processes_ends_a_run_whose_processes_begin(images, tmp_path, after_s):
    """The terminal and schedulers of jobs send theirs to the whole group."""
    process = start(images, tmp_path / "out", "--method", "ddic", "--steps", "40", "--jobs", "2")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("10 cases")
    time.sleep(after_s)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "ustomri: cancelled; what is complete stays, go on with --resume.\n"
    no_leftovers(tmp_path / "out")


def test_a_run_whose_processes_cannot_keep_its_state_ends_with_one_sentence(images, tmp_path):
    output = tmp_path / "out"
    asked = job(output)
    (output / ".ustomri").mkdir()
    (output / ".ustomri" / "cases").touch()
    with pytest.raises(InputError, match="cannot be kept"):
        run_batch(find_cases(images, output), asked, in_processes(2), CancelToken())
    assert multiprocessing.active_children() == []


def test_a_short_day(tmp_path, tiny_models):
    """30 cases, 6 of them damaged, killed once in the middle and resumed by two runs at once."""
    folder, output = tmp_path / "in", tmp_path / "out"
    for number in range(24):
        add_image(folder / "good" / f"{number}.nrrd", number)
    damages = ("cut", "empty", "rubbish", "constant", "no pixel size", "text")
    bad = {add_damaged(folder / "bad", d, d, 50).name for d in damages}
    first = start(folder, output)
    read_until_done(first, 8)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    runs = [start(folder, output, "--resume") for _ in range(2)]
    assert [(run.communicate(timeout=180), run.returncode)[1] for run in runs] == [3, 3]
    with open(output / "summary.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    failed = {Path(row["case"]).name for row in rows if row["status"] == "failed"}
    assert failed == bad
    assert all(row["reason"] for row in rows if row["status"] == "failed")
    assert len(list((output / "good").glob("*.nrrd"))) == 24
    no_leftovers(output)


def test_the_other_commands_start_without_the_batch():
    code = (
        "import sys, USToMRILib.cli.command; USToMRILib.cli.command.parser(); "
        "sys.exit(any(m.startswith(('USToMRILib.batch', 'multiprocessing.pool', 'torch', "
        "'jinja2')) for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
