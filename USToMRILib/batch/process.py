"""One case, from its image to its outcome."""

from __future__ import annotations

import datetime
import re
import shutil
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Cancelled, InputError
from ..fetal.biometry import Biometry
from ..fetal.heads import read_head_hint
from ..files import check_creatable, image_stem, printable, sidecar_path
from ..image.cnr import contrast_to_noise
from ..image.regions import read_region
from ..image.sequence import ImageSequence, check_sequence_writable
from ..image.volume import Volume, check_writable
from ..progress import CancelToken
from ..provenance import describe_input
from .cases import Case
from .claims import Claim, Claims, state_error
from .job import Job
from .outcomes import DONE, FAILED, KeptOutcomes, Outcome, file_sha256
from .source import Image, Source
from .thumbnails import thumbnail

# A case over which so many processes died is not tried again in this run.
_MOST_DEATHS = 2


class _TakenOver(Exception):
    """Another process took this one for dead, and the case."""


def process_case(
    case: Case, job: Job, claims: Claims, source: Source, cancel: CancelToken
) -> Outcome | None:
    """Do a case unless it is done, and keep its outcome.

    Returns:
        The outcome, or None where another process is at the case: ask again later.

    Raises:
        Cancelled: the token was set.
        InputError: what every process must know cannot be written, on a full disk for example.
    """
    cancel.raise_if_cancelled()
    try:
        return _process_case(case, job, claims, source, cancel)
    except OSError as error:
        raise state_error(job.state, error) from error


def _process_case(
    case: Case, job: Job, claims: Claims, source: Source, cancel: CancelToken
) -> Outcome | None:
    kept = KeptOutcomes(job)
    try:
        request = job.request(case)
    except InputError as error:
        request = str(error)  # it will fail with this
    if outcome := kept.of_this_run(case, request):
        return outcome
    claim = claims.take(case.key)
    if claim is None:
        return None
    try:
        outcome = kept.of_this_run(case, request)  # another may have ended it just before
        if outcome is None:
            outcome = _attempt(case, job, request, claim, source, cancel)
            kept.write(case, outcome)
        return outcome
    except _TakenOver:
        return None
    finally:
        claim.release()


def _attempt(
    case: Case, job: Job, request: str, claim: Claim, source: Source, cancel: CancelToken
) -> Outcome:
    """The outcome of a case; whatever happens to it but a cancel is part of the outcome."""
    start = time.perf_counter()
    try:
        if claim.deaths >= _MOST_DEATHS:
            raise InputError(
                f"{claim.deaths} processes died over this case (killed, crashed or out of "
                "memory); run again to try it once more."
            )
        if claim.deaths:
            _remove_leftovers(job.output_path(case))
        outcome = _translated(case, job, request, claim, source, cancel)
    except (Cancelled, _TakenOver):
        raise
    except InputError as error:
        outcome = Outcome(case.name, case.input, FAILED, str(error))
    except Exception as error:  # a failure of ours must not end the other 999 cases
        traceback.print_exc(file=sys.stderr)
        reason = f"Unexpected failure, {type(error).__name__}: {error}"
        outcome = Outcome(case.name, case.input, FAILED, reason)
    if not outcome.resumed:
        outcome.seconds = round(time.perf_counter() - start, 3)
        now = datetime.datetime.now(datetime.timezone.utc)
        outcome.finished = now.isoformat(timespec="seconds")
    outcome.request = request
    return outcome


def _translated(
    case: Case, job: Job, request: str, claim: Claim, source: Source, cancel: CancelToken
) -> Outcome:
    job.request(case)  # for the error of a head mask that cannot be read
    image = source.read(case, job)
    volume = _shown(image)
    regions = _regions(case, volume)
    output = job.output_path(case)
    _prepare(output, image)
    earlier = None
    if job.resume and source.kept(output):
        earlier = KeptOutcomes(job).complete(case, request, describe_input(image))
    if earlier:
        earlier.resumed, earlier.input = True, printable(case.input)
        earlier.cnr = {}
        if regions:
            made = ImageSequence.read(output) if job.is_cine(case) else Volume.read(output)
            earlier.cnr = _cnr(volume, _shown(made), regions)
        return earlier
    head = read_head_hint(job.head_mask_of(case), volume)
    result = source.translate(image, job, head, cancel)
    if not claim.holds():
        raise _TakenOver
    source.keep(case, result, output)
    result.write(output)
    provenance, made = result.provenance, _shown(result.image)
    biometry = Biometry.of_record(provenance)
    return Outcome(
        case.name,
        case.input,
        DONE,
        output=output.relative_to(job.output).as_posix(),
        timings={phase: round(s, 3) for phase, s in result.timings.items()},
        warnings=result.warnings,
        cnr=_cnr(volume, made, regions) if regions else {},
        biometry=biometry.as_dict() if biometry else {},
        provenance={"input": provenance["input"], "bundles": provenance["bundles"]},
        output_sha256=file_sha256(output),
        thumbnail=thumbnail(volume, made),
    )


def _shown(image: Image) -> Volume:
    """What is looked at of an image: itself, or the middle frame of a cine."""
    return image[len(image) // 2] if isinstance(image, ImageSequence) else image


def _prepare(output: Path, image: Image) -> None:
    """Make the folder of an output, and see before the long work that it can be written."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The folder {output.parent} cannot be created ({error.strerror}); choose another "
            "output folder."
        ) from error
    check = check_sequence_writable if isinstance(image, ImageSequence) else check_writable
    check(output, image.grid)
    check_creatable(sidecar_path(output))


def _regions(case: Case, volume: Volume) -> tuple[np.ndarray, np.ndarray] | None:
    """The case's region of interest and background, boolean [k, j, i]."""
    if case.roi is None or case.background is None:
        return None
    roi, background = (read_region(Path(p), volume.grid) for p in (case.roi, case.background))
    contrast_to_noise(volume.array, roi, background)  # refused before the long work
    return roi, background


def _cnr(ultrasound: Volume, mri: Volume, regions: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    values = {}
    for name, image in (("ultrasound", ultrasound), ("pseudo_mri", mri)):
        with suppress(InputError):  # both regions uniform: there is no ratio
            values[name] = round(contrast_to_noise(image.array, *regions).cnr, 4)
    return values


def _remove_leftovers(output: Path) -> None:
    """Remove what a process that was killed while it wrote left beside the output."""
    stem = re.escape(image_stem(output.name))
    begun = re.compile(rf"\.[0-9a-f]{{32}}\.{stem}(_SAMPLE_\d+)?\.")
    for path in output.parent.glob(".*") if output.parent.is_dir() else ():
        if not begun.match(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
