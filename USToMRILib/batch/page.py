"""The run as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Callable

from ..pages import environment, write_page
from ..provenance import SYNTHETIC
from .job import Job
from .outcomes import DONE, FAILED, NOT_RUN, Outcome

_PAGE = Path(__file__).with_name("summary_page")


def write_summary_page(
    path: Path,
    outcomes: Sequence[Outcome],
    thumbnail: Callable[[int], str],
    job: Job,
    seconds: float,
) -> None:
    """Write the page; it appears complete or not at all.

    Args:
        path: ``.html``.
        outcomes: of all cases.
        thumbnail: from the number of a case to its JPEG in base64, empty where there is none;
            asked for one after the other, so that never all are in memory.
        job, seconds: of the run.
    """
    shared = _shared_warnings(outcomes)
    shown = [replace(o, warnings=[w for w in o.warnings if w not in shared]) for o in outcomes]
    templates = environment(_PAGE)
    templates.filters["duration"] = _duration
    write_page(
        path,
        templates.get_template("page.html"),
        title=job.output.name,
        lead=_sentence(outcomes, job, seconds),
        notices=[SYNTHETIC, *shared],
        filters=list(_filters(shown)),
        outcomes=shown,
        thumbnail=thumbnail,
    )


def _shared_warnings(outcomes: Sequence[Outcome]) -> list[str]:
    """Warnings of every pseudo-MRI; they are said once, so that the others are seen."""
    done = [outcome.warnings for outcome in outcomes if outcome.status == DONE]
    return [text for text in done[0] if all(text in w for w in done)] if len(done) > 1 else []


def _sentence(outcomes: Sequence[Outcome], job: Job, seconds: float) -> str:
    """What the run was, in words."""
    asked = [f"{n.replace('_', ' ')} {v}" for n, v in job.asked.items() if v is not None]
    parts = [f"{', '.join(asked)}. This run took {_duration(seconds)}"]
    resumed = sum(outcome.resumed for outcome in outcomes)
    if resumed:
        parts.append(f"; {resumed} cases were complete before it")
    times = [o.seconds for o in outcomes if o.status == DONE]
    if times:
        parts.append(f". A case takes {_duration(median(times))} (median)")
    return "".join(parts) + "."


def _filters(outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    """Buttons that show a part of the cases, with their numbers."""
    yield {"kind": "all", "count": len(outcomes), "words": "all"}
    for status in (DONE, FAILED, NOT_RUN):
        if count := sum(outcome.status == status for outcome in outcomes):
            yield {"kind": status.replace(" ", ""), "count": count, "words": status}
    if count := sum(bool(outcome.warnings) for outcome in outcomes):
        yield {"kind": "warned", "count": count, "words": "with warnings"}


def _duration(seconds: float) -> str:
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
