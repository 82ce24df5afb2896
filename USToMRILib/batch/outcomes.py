"""How each case ended, kept in the output folder for later runs and for the summary."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..compute.bundle import verify_bundle
from ..errors import InputError
from ..files import atomic, printable, sidecar_path
from .cases import Case
from .job import Job

DONE, FAILED, NOT_RUN = "done", "failed", "not run"


@dataclass
class Outcome:
    """How a case ended.

    Attributes:
        case, input: name and path, as in :class:`.cases.Case`.
        status: "done", "failed", or "not run" where the run was cancelled first.
        reason: one sentence why it failed.
        output: path of the pseudo-MRI relative to the output folder, with "/".
        seconds: from reading to writing.
        timings: seconds of each phase of the translation.
        warnings: sentences for the user.
        cnr: contrast-to-noise ratio in the "ultrasound" and in the "pseudo_mri", if asked for.
        biometry: of the head of a slice, as :meth:`..fetal.biometry.Biometry.as_dict`.
        finished: date and time, UTC.
        resumed: whether an earlier run did it, and this one found it complete.
        request: as :meth:`.job.Job.request`.
        provenance: input and bundles of the record of the pseudo-MRI.
        output_sha256: of the output file.
        thumbnail: JPEG in base64.
    """

    case: str
    input: str
    status: str
    reason: str = ""
    output: str = ""
    seconds: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    cnr: dict[str, float] = field(default_factory=dict)
    biometry: dict[str, Any] = field(default_factory=dict)
    finished: str = ""
    resumed: bool = False
    request: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)
    output_sha256: str = ""
    thumbnail: str = ""

    def __post_init__(self) -> None:
        """Let what goes into tables and logs be text that any of them can hold."""
        self.input, self.reason = printable(self.input), printable(self.reason)


class KeptOutcomes:
    """The outcomes that are kept for a job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._folder = job.state / "cases"
        self._folder.mkdir(parents=True, exist_ok=True)

    def read(self, case: Case) -> Outcome | None:
        """The last outcome of a case, if there is one."""
        try:
            return Outcome(**json.loads(self._path(case).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):  # of another version
            return None

    def of_this_run(self, case: Case, request: str) -> Outcome | None:
        """The outcome of a case that was done since the run began, by whatever process."""
        try:
            written = self._path(case).stat().st_mtime_ns
        except FileNotFoundError:
            return None
        outcome = self.read(case) if written >= self._job.since else None
        return outcome if outcome and outcome.request == request else None

    def complete(self, case: Case, request: str, image: dict[str, Any]) -> Outcome | None:
        """The outcome of an earlier run, if the same case would be the same voxels again.

        Args:
            case: to look for.
            request: of the case now.
            image: digest of the input's voxels, and its grid, as in the provenance.
        """
        outcome = self.read(case)
        if not outcome or outcome.status != DONE or outcome.request != request:
            return None
        output = self._job.output_path(case)
        same = (
            outcome.provenance["input"] == json.loads(json.dumps(image))
            and _bundles_unchanged(outcome.provenance["bundles"])
            and _provenance_beside(output) == outcome.provenance
            and output.is_file()
            and file_sha256(output) == outcome.output_sha256
        )
        return outcome if same else None

    def write(self, case: Case, outcome: Outcome) -> None:
        """Keep an outcome."""
        with atomic(self._path(case)) as temporary:
            temporary.write_text(json.dumps(asdict(outcome)), encoding="utf-8")

    def _path(self, case: Case) -> Path:
        return self._folder / f"{case.key}-{self._job.method}.json"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _provenance_beside(output: Path) -> dict[str, Any] | None:
    """Input and bundles in the record beside an output; None where it is gone or damaged."""
    try:
        record = json.loads(sidecar_path(output).read_text(encoding="utf-8"))
        return {name: record[name] for name in ("input", "bundles")}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _bundles_unchanged(bundles: dict[str, str]) -> bool:
    try:
        return all(verify_bundle(name) == sha256 for name, sha256 in bundles.items())
    except InputError:
        return False
