"""A case belongs to one process at a time, and to another one only when that is dead.

Other processes and machines are seen through the files of the output folder alone, as
``USToMRILib.batch.claims`` describes them; the tests write such files in their place.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from USToMRILib import InputError
from USToMRILib.batch import claims as claims_module
from USToMRILib.batch.claims import DEAD_AFTER_S, Claims

NewClaims = Callable[..., Claims]

HOLD = """
import sys, time
from pathlib import Path
from USToMRILib.batch.claims import Claims
Claims(Path(sys.argv[1]), "r").take("a")
print("taken", flush=True)
time.sleep(600)
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / ".ustomri"


@pytest.fixture
def new_claims(state: Path) -> Iterator[NewClaims]:
    """Make processes of one folder; they are closed in the end."""
    made = []

    def make(request: str = "r", since: int | None = None) -> Claims:
        made.append(Claims(state, request, since))
        return made[-1]

    yield make
    for claims in made:
        claims.close()


def add_far_process(state: Path, silent_s: float) -> Path:
    """Write what a process of another machine that holds "a" has written, and when."""
    far = state / "processes" / ("f" * 32)
    about = {"id": far.name, "host": "elsewhere", "pid": 1, "request": "r", "since": 1}
    far.write_text(json.dumps(about))
    os.link(far, state / "claims" / "a.0")
    beat = far.stat().st_mtime - silent_s
    os.utime(far, (beat, beat))
    return far


def test_of_many_that_reach_for_a_case_one_gets_it(new_claims: NewClaims) -> None:
    processes = [new_claims() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for case in ("a", "b", "c"):
            taken = list(pool.map(lambda claims, case=case: claims.take(case), processes))
            assert sum(claim is not None for claim in taken) == 1


def test_a_released_case_can_be_taken_and_nothing_is_left(
    new_claims: NewClaims, state: Path
) -> None:
    first, second = new_claims(), new_claims()
    claim = first.take("a")
    assert claim is not None
    assert second.take("a") is None
    claim.release()
    again = second.take("a")
    assert again is not None
    assert again.deaths == 0
    again.release()
    assert list((state / "claims").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="only the heartbeat tells on Windows")
def test_the_case_of_a_killed_process_is_taken_over_once(
    new_claims: NewClaims, state: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        processes = [new_claims() for _ in range(8)]
        assert processes[0].take("a") is None
        process.kill()
    with ThreadPoolExecutor(8) as pool:
        taken = [c for c in pool.map(lambda claims: claims.take("a"), processes) if c]
    assert [claim.deaths for claim in taken] == [1]
    assert taken[0].holds()


def test_a_process_of_another_machine_lives_by_its_heartbeat(
    new_claims: NewClaims, state: Path
) -> None:
    here = new_claims()
    far = add_far_process(state, silent_s=0)
    assert here.take("a") is None
    beat = time.time() - DEAD_AFTER_S - 1
    os.utime(far, (beat, beat))
    claim = here.take("a")
    assert claim is not None
    assert claim.deaths == 1


def test_who_was_taken_for_dead_neither_holds_nor_releases_the_case(
    new_claims: NewClaims, state: Path
) -> None:
    slow, other = new_claims(), new_claims()
    lost = slow.take("a")
    assert lost is not None
    slow.close()  # which another process cannot tell from its death
    taken = other.take("a")
    assert taken is not None
    assert not lost.holds()
    lost.release()
    assert taken.holds()


def test_a_disk_without_links(new_claims: NewClaims, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*paths: object) -> None:
        raise PermissionError("not supported")

    monkeypatch.setattr(os, "link", no_links)
    first, second = new_claims(), new_claims()
    claim = first.take("a")
    assert claim is not None
    assert claim.holds()
    assert second.take("a") is None


def test_an_empty_claim_is_of_someone_who_is_about_to_fill_it(
    new_claims: NewClaims, state: Path
) -> None:
    claims = new_claims()
    path = state / "claims" / "a.0"
    path.touch()
    assert claims.take("a") is None
    old = path.stat().st_mtime - DEAD_AFTER_S - 1
    os.utime(path, (old, old))
    claim = claims.take("a")
    assert claim is not None
    assert claim.deaths == 1


def test_runs_that_meet_are_one(new_claims: NewClaims) -> None:
    first, second = new_claims(), new_claims()
    third = new_claims(since=5)
    assert second.since == first.since
    assert third.since == 5
    for claims in (first, second, third):
        claims.close()
    assert new_claims().since > first.since


def test_other_options_at_the_same_time_are_refused(new_claims: NewClaims) -> None:
    claims = new_claims("steps 50")
    with pytest.raises(InputError, match="Another run with other options"):
        new_claims("steps 100")
    claims.close()
    new_claims("steps 100")


def test_a_process_whose_file_was_removed_shows_itself_again(
    new_claims: NewClaims, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a long sleep of its machine others have taken it for dead."""
    monkeypatch.setattr(claims_module, "HEARTBEAT_S", 0.05)
    claims = new_claims()
    (file,) = (state / "processes").iterdir()
    file.unlink()
    deadline = time.monotonic() + 20
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert json.loads(file.read_text())["since"] == claims.since


def test_a_torn_file_is_of_a_machine_that_died(new_claims: NewClaims, state: Path) -> None:
    claims = new_claims()
    torn = state / "processes" / ("0" * 32)
    torn.touch()
    (state / "claims" / "a.0").write_text(json.dumps({"id": torn.name, "host": platform.node()}))
    claim = claims.take("a")
    assert claim is not None
    assert claim.deaths == 1
    new_claims()
    assert not torn.exists()
