"""The run as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from statistics import median
from typing import Callable
from urllib.parse import quote

from ..files import atomic
from ..provenance import SYNTHETIC
from .job import Job
from .page_style import SCRIPT, STYLE
from .records import DONE, FAILED, NOT_RUN, Outcome

_STATUS_CLASS = {DONE: "done", FAILED: "failed", NOT_RUN: "notrun"}


def write_page(
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
    outcomes = [replace(o, warnings=[w for w in o.warnings if w not in shared]) for o in outcomes]
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(_head(outcomes, shared, job, seconds))
        for number, outcome in enumerate(outcomes):
            file.write(_card(outcome, thumbnail(number)))
        file.write(f"</main><script>{SCRIPT}</script></body></html>\n")


def _shared_warnings(outcomes: Sequence[Outcome]) -> list[str]:
    """Warnings of every pseudo-MRI; they are said once, so that the others are seen."""
    done = [outcome.warnings for outcome in outcomes if outcome.status == DONE]
    return [text for text in done[0] if all(text in w for w in done)] if len(done) > 1 else []


def _head(outcomes: Sequence[Outcome], shared: Sequence[str], job: Job, seconds: float) -> str:
    notices = "".join(f"<p>{escape(text)}</p>" for text in (SYNTHETIC, *shared))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(job.output.name)}: ultrasound to pseudo-MRI</title>"
        f"<style>{STYLE}</style></head><body><header>"
        f"<h1>{escape(job.output.name)}</h1>"
        f'<p class="lead">{escape(_sentence(outcomes, job, seconds))}</p>'
        f'<div class="notice">{notices}</div>'
        f"<nav>{''.join(_filters(outcomes))}</nav></header><main>\n"
    )


def _sentence(outcomes: Sequence[Outcome], job: Job, seconds: float) -> str:
    """What the run was, in words."""
    asked = [f"{n.replace('_', ' ')} {v}" for n, v in job.arguments.items() if v is not None]
    parts = [f"{', '.join(asked)}. This run took {_duration(seconds)}"]
    resumed = sum(outcome.resumed for outcome in outcomes)
    if resumed:
        parts.append(f"; {resumed} cases were complete before it")
    times = [o.seconds for o in outcomes if o.status == DONE]
    if times:
        parts.append(f". A case takes {_duration(median(times))} (median)")
    return "".join(parts) + "."


def _filters(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Buttons that show a part of the cases, with their numbers."""
    counts = {
        "all": len(outcomes),
        "done": sum(o.status == DONE for o in outcomes),
        "failed": sum(o.status == FAILED for o in outcomes),
        "notrun": sum(o.status == NOT_RUN for o in outcomes),
        "warned": sum(bool(o.warnings) for o in outcomes),
    }
    words = {"all": "all", "notrun": "not run", "warned": "with warnings"}
    for name, count in counts.items():
        if count or name == "all":
            pressed = "true" if name == "all" else "false"
            yield (
                f'<button data-show="{name}" aria-pressed="{pressed}"><b>{count}</b> '
                f"{words.get(name, name)}</button>"
            )


def _card(outcome: Outcome, thumbnail: str) -> str:
    kinds = f"{_STATUS_CLASS[outcome.status]}{' warned' if outcome.warnings else ''}"
    return (
        f'<article class="{kinds}">{_picture(outcome, thumbnail)}<div class="text">'
        f"<h2>{escape(outcome.case)}</h2><p>{_facts(outcome)}</p>"
        + (f'<p class="reason">{escape(outcome.reason)}</p>' if outcome.reason else "")
        + "".join(f'<p class="warning">{escape(text)}</p>' for text in outcome.warnings)
        + f"{_contrast(outcome)}</div></article>\n"
    )


def _picture(outcome: Outcome, thumbnail: str) -> str:
    if not thumbnail:
        return '<div class="picture none"></div>'
    return (
        f'<a class="picture" href="{quote(outcome.output)}" title="{escape(outcome.output)}">'
        f'<img loading="lazy" src="data:image/jpeg;base64,{thumbnail}" '
        f'alt="Ultrasound and synthetic pseudo-MRI of {escape(outcome.case)}"></a>'
    )


def _facts(outcome: Outcome) -> str:
    """Status and timings."""
    status = f'<span class="status">{escape(outcome.status)}</span>'
    if outcome.status == NOT_RUN:
        return status
    phases = ", ".join(f"{name} {_duration(s)}" for name, s in outcome.timings.items())
    when = " in an earlier run" if outcome.resumed else ""
    detail = f' <span class="soft">({escape(phases)})</span>' if phases else ""
    return f"{status} {_duration(outcome.seconds)}{detail}{when}"


def _contrast(outcome: Outcome) -> str:
    names = {"ultrasound": "ultrasound", "pseudo_mri": "pseudo-MRI"}
    values = [
        f"{words} <b>{outcome.cnr[n]:.2f}</b>" for n, words in names.items() if n in outcome.cnr
    ]
    return f'<p class="cnr">Contrast-to-noise ratio: {", ".join(values)}</p>' if values else ""


def _duration(seconds: float) -> str:
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
