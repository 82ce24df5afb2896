"""A case belongs to one process at a time, and to another one only when that is dead."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from USToMRILib import InputError
from USToMRILib.batch.claims import DEAD_AFTER_S, Worker


@pytest.fixture
def new_worker(tmp_path):
    """Make workers of one folder; they are closed in the end."""
    workers = []

    def make(request="r", since=None):
        workers.append(Worker(tmp_path / ".ustomri", request, since))
        return workers[-1]

    yield make
    for worker in workers:
        worker.close()


def about(worker):
    return json.loads(worker._file.read_text())


def make_dead(worker):
    """Let a worker look like one whose process on this machine was killed."""
    worker.close()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    worker._about["pid"] = gone.pid
    worker._write()


def test_of_many_that_reach_for_a_case_one_gets_it(new_worker):
    workers = [new_worker() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for case in ("a", "b", "c"):
            claims = list(pool.map(lambda worker, case=case: worker.take(case), workers))
            assert sum(claim is not None for claim in claims) == 1


def test_a_released_case_can_be_taken_and_nothing_is_left(new_worker, tmp_path):
    first, second = new_worker(), new_worker()
    claim = first.take("a")
    assert second.take("a") is None
    claim.release()
    assert second.take("a").deaths == 0
    second.take("b").release()
    assert [path.name for path in (tmp_path / ".ustomri" / "claims").iterdir()] == ["a.0"]


@pytest.mark.skipif(os.name == "nt", reason="only the heartbeat tells on Windows")
def test_the_case_of_a_killed_process_is_taken_over_once(new_worker):
    dead = new_worker()
    lost = dead.take("a")
    make_dead(dead)
    workers = [new_worker() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        claims = [c for c in pool.map(lambda worker: worker.take("a"), workers) if c]
    assert [claim.deaths for claim in claims] == [1]
    assert claims[0].holds()
    assert not lost.holds()
    lost.release()  # the dead does not take it from the living
    assert claims[0].holds()


def test_a_process_of_another_machine_lives_by_its_heartbeat(new_worker):
    far, here = new_worker(), new_worker()
    claim = far.take("a")
    far._about.update(host="elsewhere", pid=1)
    far._over.set()  # its heart beats no longer
    far._write()
    assert here.take("a") is None
    beat = far._file.stat().st_mtime - DEAD_AFTER_S - 1
    os.utime(far._file, (beat, beat))
    assert here.take("a").deaths == 1
    assert not claim.holds()


def test_a_disk_without_links(new_worker, monkeypatch):
    def no_links(*paths):
        raise PermissionError("not supported")

    monkeypatch.setattr(os, "link", no_links)
    first, second = new_worker(), new_worker()
    assert first.take("a").holds()
    assert second.take("a") is None


def test_an_empty_claim_is_of_someone_who_is_about_to_fill_it(new_worker, tmp_path):
    worker = new_worker()
    path = tmp_path / ".ustomri" / "claims" / "a.0"
    path.touch()
    assert worker.take("a") is None
    old = path.stat().st_mtime - DEAD_AFTER_S - 1
    os.utime(path, (old, old))
    assert worker.take("a").deaths == 1


def test_runs_that_meet_are_one(new_worker):
    first = new_worker()
    second = new_worker()
    third = new_worker(since=5)
    assert first.since <= second.since == first.since
    assert third.since == 5
    for worker in (first, second, third):
        worker.close()
    assert new_worker().since > first.since


def test_other_options_at_the_same_time_are_refused(new_worker):
    worker = new_worker("steps 50")
    with pytest.raises(InputError, match="Another run with other options"):
        new_worker("steps 100")
    worker.close()
    new_worker("steps 100")


def test_a_worker_taken_for_dead_comes_back(new_worker):
    worker = new_worker()
    worker._file.unlink()
    worker._touch()
    assert about(worker)["since"] == worker.since


def test_a_torn_worker_file_is_of_a_machine_that_died(new_worker, tmp_path):
    worker = new_worker()
    torn = tmp_path / ".ustomri" / "workers" / ("0" * 32)
    torn.touch()
    (tmp_path / ".ustomri" / "claims" / "a.0").write_text(f'{{"id": "{torn.name}"}}')
    assert worker.take("a").deaths == 1
    new_worker()
    assert not torn.exists()
