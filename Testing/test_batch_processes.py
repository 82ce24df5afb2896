"""Runs that are stopped, killed and spread over processes: nothing lost, nothing done twice."""

from __future__ import annotations

import csv
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from batch_images import FAST, add_damaged, add_image

from USToMRILib import InputError
from USToMRILib.batch import processes
from USToMRILib.batch.cases import Case, find_cases
from USToMRILib.batch.job import Job
from USToMRILib.batch.processes import in_processes
from USToMRILib.batch.run import run_batch
from USToMRILib.progress import CancelToken

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are sent as on POSIX")


@pytest.fixture
def images(tmp_path, tiny_models):
    folder = tmp_path / "in"
    for number in range(10):
        add_image(folder / f"{number}.nrrd", number)
    return folder


def start(folder: Path, output: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", "-m", "USToMRILib", "batch", folder, output, *FAST, *options]
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


def no_leftovers(output: Path) -> None:
    hidden = [p for p in output.rglob(".*") if p.name != ".ustomri"]
    assert hidden == []
    assert list((output / ".ustomri" / "claims").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "jobs"), [(signal.SIGTERM, "1"), (signal.SIGINT, "2")], ids=["TERM", "INT, 2 jobs"]
)
def test_a_signal_ends_the_run_cleanly(images, tmp_path, number, jobs):
    output = tmp_path / "out"
    slow = ("--steps", "40", "--jobs", jobs)
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
    assert list((output / ".ustomri" / "workers").iterdir()) == []


def test_a_killed_run_goes_on(images, tmp_path):
    output = tmp_path / "out"
    process = start(images, output, "--steps", "10")
    read_until_done(process, 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    made = {p: p.stat().st_mtime_ns for p in output.glob("*.nrrd")}
    assert len(made) >= 3
    again = start(images, output, "--steps", "10", "--resume")
    printed, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert printed.count("complete already") >= 3
    assert set(statuses(output).values()) == {"done"}
    kept = [p for p, t in made.items() if p.stat().st_mtime_ns == t]
    assert len(kept) >= len(made) - 1  # at most the one that was being written is written again
    no_leftovers(output)


def test_a_process_that_dies_takes_no_case_with_it(images, tmp_path, monkeypatch):
    """A process is killed over a case; another one takes the case over."""
    hired, killed = [], []
    hire = processes._Crew._hired

    def told(crew):
        hired.append(hire(crew))
        return hired[-1]

    monkeypatch.setattr(processes._Crew, "_hired", told)

    def kill_one(outcome, ended, of):
        if ended == 3:
            victim = next(member for member in hired if member.ready).process
            victim.kill()
            killed.append(victim)

    output = tmp_path / "out"
    output.mkdir()
    job = Job(output, {"method": "ddib", "steps": 2, "solver": "ddim", "seed": 0}, head_mask="none")
    report = run_batch(find_cases(images, output), job, in_processes(2), CancelToken(), kill_one)
    assert killed
    assert [outcome.status for outcome in report.outcomes] == ["done"] * 10
    no_leftovers(output)


def test_two_runs_of_two_processes_each_on_one_folder(images, tmp_path):
    output = tmp_path / "out"
    runs = [start(images, output, "--jobs", "2") for _ in range(2)]
    for run in runs:
        _, errors = run.communicate(timeout=180)
        assert run.returncode == 0, errors
    assert set(statuses(output).values()) == {"done"}
    assert len(list(output.glob("*.nrrd"))) == 10
    no_leftovers(output)


def test_a_dask_cluster_loses_a_worker_and_no_case(images, tmp_path):
    """Two workers, of which one is killed in mid-run."""
    distributed = pytest.importorskip("distributed")
    output = tmp_path / "out"
    finished: dict[str, int] = {}

    def written(case: str) -> int:
        return (output / Case(case, "").output_name("ddib")).stat().st_mtime_ns

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        with distributed.Client(cluster) as client:
            pids = list(client.run(os.getpid).values())
        process = start(images, output, "--steps", "20", "--dask", cluster.scheduler_address)
        assert process.stdout is not None
        for line in process.stdout:
            if ": done" in line:
                case = line.partition("] ")[2].partition(": done")[0]
                finished[case] = written(case)
                if len(finished) == 2:
                    os.kill(pids[0], signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert set(statuses(output).values()) == {"done"}
    # Nothing was written again after its case was first reported done.
    assert finished == {f"{n}.nrrd": written(f"{n}.nrrd") for n in range(10)}
    no_leftovers(output)
    assert list((output / ".ustomri" / "workers").iterdir()) == []


def test_a_cancelled_cluster_run_ends(images, tmp_path):
    distributed = pytest.importorskip("distributed")
    from USToMRILib.batch.cluster import on_cluster

    output = tmp_path / "out"
    output.mkdir()
    job = Job(
        output, {"method": "ddib", "steps": 100, "solver": "ddim", "seed": 0}, head_mask="none"
    )
    token = CancelToken()
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None
    ) as cluster:
        runner = on_cluster(cluster.scheduler_address)
        report = run_batch(
            find_cases(images, output), job, runner, token, lambda *told: token.cancel()
        )
    assert report.cancelled
    assert 1 <= [o.status for o in report.outcomes].count("done") < 10
    no_leftovers(output)


def test_a_scheduler_that_is_gone_ends_the_run_with_one_sentence(images, tmp_path):
    client = pytest.importorskip("distributed.client")
    from USToMRILib.batch.cluster import _Tasks

    class Lost:
        """A future as the client leaves it when its scheduler dies."""

        def add_done_callback(self, call):
            call(self)

        def result(self):
            raise client.FutureCancelledError("key", "scheduler-connection-lost")

    class Client:
        def submit(self, *work, pure):
            return Lost()

    tasks = _Tasks(Client(), Job(tmp_path, {"method": "ddib"}))
    with pytest.raises(InputError, match="Dask scheduler was lost; start it"):
        list(tasks.work([Case("a", "a")], CancelToken()))


def test_the_processes_share_the_memory(images, tmp_path, monkeypatch):
    output = tmp_path / "out"
    output.mkdir()
    hired = []
    monkeypatch.setattr(processes._Crew, "_hired", lambda crew: hired.append(crew._job))
    monkeypatch.setattr(processes._Crew, "work", lambda *_: iter(()))
    monkeypatch.setattr(processes._Crew, "end", lambda crew: None)
    job = Job(output, {"method": "pix2pix3d", "memory_gib": 6.0})
    run_batch(find_cases(images, output), job, in_processes(4), CancelToken())
    assert [of.share["memory_gib"] for of in hired] == [1.5] * 4
    assert {of.digest for of in hired} == {job.digest}  # a resumed run may have more processes


def test_a_signal_to_all_processes_does_not_end_one_that_begins(tmp_path):
    context = multiprocessing.get_context("spawn")
    with processes._signals_held():
        process = context.Process(target=signal.getsignal, args=(signal.SIGTERM,))
        process.start()
    os.kill(process.pid, signal.SIGTERM)
    process.join()
    assert process.exitcode == 0
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())  # and those of the run still arrive


def test_a_run_whose_processes_cannot_keep_its_state_ends_with_one_sentence(
    images, tmp_path, monkeypatch
):
    output = tmp_path / "out"
    output.mkdir()

    def break_disk(crew):
        cases = output / ".ustomri" / "cases"
        shutil.rmtree(cases, ignore_errors=True)
        cases.touch()
        return hired(crew)

    hired = processes._Crew._hired
    monkeypatch.setattr(processes._Crew, "_hired", break_disk)
    job = Job(output, {"method": "ddib", "steps": 2, "solver": "ddim", "seed": 0}, head_mask="none")
    with pytest.raises(InputError, match="cannot be kept"):
        run_batch(find_cases(images, output), job, in_processes(2), CancelToken())


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
        "sys.exit(any(m.startswith(('USToMRILib.batch', 'multiprocessing.pool', 'distributed', "
        "'torch')) for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
