"""Who works on which case: any number of processes, on one machine or on many, in one folder.

Nothing is locked; a file that only one process can create says whose a case is, and a heartbeat
whether that process still lives::

    processes/<id>      a process at work; the file's time of change is its heartbeat
    claims/<case>.<n>   whose the case is: a link to, or a copy of that file; the highest n counts

A claim is never taken away from its owner: whoever finds the owner dead creates n + 1, and only
one can. So n is also the number of processes that died over the case.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from ..errors import InputError
from ..files import atomic

HEARTBEAT_S = 5.0
# On another machine nothing but the heartbeat tells; a machine under load may pause that long.
DEAD_AFTER_S = 180.0


class Claims:
    """The cases that this process holds of an output folder, and its sign of life to the others.

    Args:
        state: folder of the run's state, created if needed.
        request: what is asked of every case; all processes of a folder must agree on it.
        since: nanoseconds, when the work on the folder began; None joins the runs that are at
            work there, or begins.

    Attributes:
        since: what was done to a case after this time need not be done again.

    Raises:
        InputError: a process at work in the same folder was asked for something else, or the
            state cannot be written.
    """

    def __init__(self, state: Path, request: str, since: int | None = None) -> None:
        try:
            self._begin(state, request, since)
        except OSError as error:
            raise state_error(state, error) from error

    def _begin(self, state: Path, request: str, since: int | None) -> None:
        self._claims, self._processes = state / "claims", state / "processes"
        for folder in (self._claims, self._processes):
            folder.mkdir(parents=True, exist_ok=True)
        self.id = uuid.uuid4().hex
        self._file = self._processes / self.id
        self._about = {
            "id": self.id,
            "host": _host(),
            "pid": os.getpid(),
            "request": request,
            "since": since,
        }
        self._write()
        others = self._living_others()
        if any(other["request"] != request for other in others):
            self._file.unlink()
            raise InputError(
                f"Another run with other options is at work in {state.parent}; wait for its end, "
                "or choose another output folder."
            )
        born = self._file.stat().st_mtime_ns
        self.since = since or min([born, *(other["since"] or born for other in others)])
        self._about["since"] = self.since
        self._write()
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._heart.start()

    def take(self, key: str) -> Claim | None:
        """Claim a case, or None where a living process has it."""
        found = self._found(key)
        if found and self._lives_owner(found[-1][1]):
            return None
        deaths = found[-1][0] + 1 if found else 0
        path = self._claims / f"{key}.{deaths}"
        try:
            self._create(path)
        except FileExistsError:
            if self._owner(path) != self.id:  # a network disk may say so of what it just created
                return None
        return Claim(self, key, deaths)

    def number(self, key: str) -> int | None:
        """The number of the claim on a case that counts, None where there is none."""
        found = self._found(key)
        return found[-1][0] if found else None

    def remove(self, key: str, number: int) -> None:
        """Remove the claims on a case up to a number."""
        for other, path in self._found(key):
            if other <= number:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Be at work no longer."""
        self._over.set()
        self._heart.join()
        self._file.unlink(missing_ok=True)

    def _found(self, key: str) -> list[tuple[int, Path]]:
        """The claims on a case, by number."""
        return sorted((int(p.suffix[1:]), p) for p in self._claims.glob(f"{key}.*"))

    def _create(self, claim: Path) -> None:
        """Create a claim that names this process, in one step where the disk can do that."""
        try:
            os.link(self._file, claim)
        except FileExistsError:
            raise
        except OSError:
            with open(claim, "x", encoding="utf-8") as file:
                json.dump(self._about, file)

    def _owner(self, claim: Path) -> str:
        """The id of the process that a claim names, or nothing if it is not written yet."""
        try:
            return str(json.loads(claim.read_text(encoding="utf-8"))["id"])
        except (FileNotFoundError, ValueError):
            return ""

    def _lives_owner(self, claim: Path) -> bool:
        owner = self._owner(claim)
        if owner:
            return self._lives(self._processes / owner)
        try:
            return self._is_recent(claim)
        except FileNotFoundError:
            return False  # given back this moment

    def _living_others(self) -> list[dict[str, Any]]:
        """What the other living processes say about themselves; the dead are forgotten."""
        others = []
        for path in self._processes.glob("*"):
            if len(path.name) != len(self.id) or path == self._file:
                continue  # its own, or one being written
            if self._lives(path):
                with suppress(FileNotFoundError):
                    others.append(json.loads(path.read_text(encoding="utf-8")))
            else:
                path.unlink(missing_ok=True)
        return others

    def _lives(self, file: Path) -> bool:
        try:
            about = json.loads(file.read_text(encoding="utf-8"))
            same_machine = about["host"] == _host() and os.name != "nt"
            return (not same_machine or _exists(about["pid"])) and self._is_recent(file)
        except (FileNotFoundError, ValueError):  # ended, or its machine did before the disk had it
            return False

    def _is_recent(self, file: Path) -> bool:
        """Whether a file changed lately by the clock of the disk, the same for all machines."""
        self._touch()
        return self._file.stat().st_mtime - file.stat().st_mtime < DEAD_AFTER_S

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_S):
            with suppress(OSError):  # a network disk that is away for a moment
                self._touch()

    def _touch(self) -> None:
        try:
            os.utime(self._file)
        except FileNotFoundError:  # after a long sleep it was taken for dead
            self._write()

    def _write(self) -> None:
        with atomic(self._file) as temporary:
            temporary.write_text(json.dumps(self._about), encoding="utf-8")


@dataclass(frozen=True)
class Claim:
    """A case that this process may work on.

    Attributes:
        deaths: how many processes ended without giving the case back.
    """

    claims: Claims
    key: str
    deaths: int

    def holds(self) -> bool:
        """Whether no other process took this one for dead and the case over."""
        return self.claims.number(self.key) == self.deaths

    def release(self) -> None:
        """Give the case back, done or not."""
        self.claims.remove(self.key, self.deaths)


def state_error(state: Path, error: OSError) -> InputError:
    """The error for a run that cannot keep what every process of it must know."""
    return InputError(
        f"The state of the run in {state} cannot be kept ({error.strerror}); see to space and "
        "rights there, then go on with --resume."
    )


def _exists(pid: int) -> bool:
    """Whether a process of this machine exists (POSIX)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _host() -> str:
    """The machine, and in Linux the container, within which process ids mean something."""
    namespace: Optional[str] = None
    with suppress(OSError, AttributeError):
        namespace = os.readlink("/proc/self/ns/pid")
    return f"{platform.node()} {namespace}"
