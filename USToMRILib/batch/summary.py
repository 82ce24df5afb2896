"""The table of a run: ``summary.csv`` for programs, ``summary.html`` for people."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any, TextIO

from ..fetal.biometry import HADLOCK, INTERGROWTH
from ..files import atomic
from .cases import Case
from .job import Job
from .outcomes import KeptOutcomes, Outcome
from .page import write_summary_page

CSV_NAME, PAGE_NAME = "summary.csv", "summary.html"

# Of the head, in mm and percent; then its age in weeks by each chart, with the interval.
SIZES = (
    "head_circumference_mm",
    "biparietal_diameter_mm",
    "occipitofrontal_diameter_mm",
    "cephalic_index",
)
CHARTS = {"hadlock": HADLOCK, "intergrowth": INTERGROWTH}

COLUMNS = (
    "case",
    "status",
    "reason",
    "output",
    "seconds",
    "resumed",
    "finished",
    "warnings",
    "cnr_ultrasound",
    "cnr_pseudo_mri",
    *SIZES,
    *(
        f"gestational_age_{name}"
        for chart in CHARTS
        for name in (chart, f"{chart}_low", f"{chart}_high")
    ),
    "input",
)


def write_summary(
    cases: Sequence[Case], outcomes: Sequence[Outcome], job: Job, seconds: float
) -> None:
    """Write both tables into the output folder.

    Args:
        cases: of the run.
        outcomes: of the same cases in the same order; their thumbnails are read off what is kept,
            one at a time.
        job: of the run.
        seconds: that the run took.
    """
    table = job.output / CSV_NAME
    with atomic(table) as part, open(part, "w", newline="", encoding="utf-8") as file:
        _write_csv(file, outcomes)
    kept = KeptOutcomes(job)

    def thumbnail(number: int) -> str:
        outcome = kept.read(cases[number]) if outcomes[number].output else None
        return outcome.thumbnail if outcome else ""

    write_summary_page(job.output / PAGE_NAME, outcomes, thumbnail, job, seconds)


def _write_csv(file: TextIO, outcomes: Sequence[Outcome]) -> None:
    table = csv.writer(file)
    table.writerow(COLUMNS)
    for outcome in outcomes:
        table.writerow(
            [
                outcome.case,
                outcome.status,
                outcome.reason,
                outcome.output,
                outcome.seconds,
                "yes" if outcome.resumed else "no",
                outcome.finished,
                " ".join(outcome.warnings),
                outcome.cnr.get("ultrasound", ""),
                outcome.cnr.get("pseudo_mri", ""),
                *_biometry_cells(outcome.biometry),
                outcome.input,
            ]
        )


def _biometry_cells(biometry: dict[str, Any]) -> list[Any]:
    """The sizes and ages of a head, empty where there are none."""
    cells = [biometry.get(name, "") for name in SIZES]
    by_chart = {age["chart"]: age for age in biometry.get("gestational_age", ())}
    for chart in CHARTS.values():
        age = by_chart.get(chart, {})
        cells += [age.get(name, "") for name in ("weeks", "low_weeks", "high_weeks")]
    return cells
