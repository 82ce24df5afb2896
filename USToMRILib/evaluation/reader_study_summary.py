"""What the readers of a Medical Opinion Test answered: percentages and agreement."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..reader_study.study import STRUCTURES
from .packages import check_packages
from .report import Block, Bullets, Heading, Paragraph, Section, Table, drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ANSWERS = ("better", "same", "worse")
OVERALL = "overall"

_NO_ANSWER = -1
_RESAMPLES = 2000
_CONFIDENCE = 0.95
# A reader who stopped early would leave hardly a case that all readers judged.
_LEAST_SHARE_FOR_KAPPA = 0.5


@dataclass(frozen=True)
class Answers:
    """What readers answered.

    Attributes:
        readers, cases: names.
        codes: int [readers, cases, structures]; places in :data:`ANSWERS`, -1 for no answer.
        comments: (reader, case, text).
    """

    readers: list[str]
    cases: list[str]
    codes: np.ndarray
    comments: list[tuple[str, str, str]]


@dataclass(frozen=True)
class _Row:
    study: str
    reader: str
    case: str
    codes: tuple[int, ...]
    comment: str


def read_answers(paths: Sequence[Path]) -> tuple[Answers, list[str]]:
    """Read the CSV files of a study's readers.

    Returns:
        The answers, and a sentence for everything that was left out: files that are no answers,
        rows with other words than better, same, worse, cases that a reader answered twice (the
        later counts), and files of another study than most.

    Raises:
        InputError: if no file holds an answer.
    """
    problems: list[str] = []
    files = {path: _read_file(path, problems) for path in dict.fromkeys(paths)}
    rows = [row for found in files.values() for row in found]
    studies = Counter(row.study for row in rows)
    if not any(code != _NO_ANSWER for row in rows for code in row.codes):
        raise InputError(f"No answers were found. {' '.join(problems)}".strip())
    (study, _), *others = studies.most_common()
    for other, _ in others:
        names = [path.name for path, found in files.items() if found and found[0].study == other]
        problems.append(f"{', '.join(names)}: of another study ({other}, not {study}); left out.")
    return _together([row for row in rows if row.study == study], problems), problems


def _read_file(path: Path, problems: list[str]) -> list[_Row]:
    """Return the usable rows of a file; tell the problems of the rest."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            table = csv.DictReader(lines, strict=True)
            missing = {"study", "reader", "case", *STRUCTURES} - set(table.fieldnames or ())
            if missing:
                problems.append(
                    f"{path.name}: no answers of a reader study (no column "
                    f"{', '.join(sorted(missing))}); left out."
                )
                return []
            return [
                row
                for number, cells in enumerate(table, start=2)
                if (row := _read_row(cells, f"{path.name}, row {number}", problems))
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problems.append(f"{path.name}: cannot be read ({error}); left out.")
        return []


def _read_row(cells: dict[str, Any], place: str, problems: list[str]) -> _Row | None:
    codes = []
    for structure in STRUCTURES:
        word = (cells[structure] or "").strip().lower()
        if word and word not in ANSWERS:
            problems.append(
                f"{place}: {structure} is {word!r}, not {', '.join(ANSWERS)}; left out."
            )
        codes.append(ANSWERS.index(word) if word in ANSWERS else _NO_ANSWER)
    study, reader, case, comment = (
        (cells.get(name) or "").strip() for name in ("study", "reader", "case", "comment")
    )
    if not (study and reader and case):
        problems.append(f"{place}: no study, reader or case is named; left out.")
        return None
    return _Row(study, reader, case, tuple(codes), comment)


def _together(rows: list[_Row], problems: list[str]) -> Answers:
    """Put the rows of one study into one array."""
    readers = sorted({row.reader for row in rows})
    cases = sorted({row.case for row in rows})
    codes = np.full((len(readers), len(cases), len(STRUCTURES)), _NO_ANSWER)
    comments: dict[tuple[str, str], str] = {}
    twice: Counter[str] = Counter()
    seen = set()
    for row in rows:
        key = (row.reader, row.case)
        twice[row.reader] += key in seen
        seen.add(key)
        codes[readers.index(row.reader), cases.index(row.case)] = row.codes
        comments[key] = row.comment
    problems += [
        f"{reader}: {count} case(s) answered twice; the later answers count."
        for reader, count in twice.items()
        if count
    ]
    texts = [(reader, case, text) for (reader, case), text in comments.items() if text]
    return Answers(readers, cases, codes, texts)


def summarise(answers: Answers, seed: int = 0) -> dict[str, Any]:
    """Sum up a study, ready for JSON.

    Returns:
        ``readers``, number of ``cases``, ``structures`` (each, and all of them as "overall":
        counts, ``percent`` of the answers that were given, ``percent_better_interval``, and
        Fleiss' ``kappa``), ``by_reader`` and ``comments``. Intervals are 95 % percentile bootstrap
        intervals over cases.

    Raises:
        InputError: if the packages of the extra ``evaluation`` are not installed.
    """
    check_packages()
    rng = np.random.default_rng(seed)
    parts = {name: answers.codes[:, :, [n]] for n, name in enumerate(STRUCTURES)}
    parts[OVERALL] = answers.codes
    return {
        "readers": answers.readers,
        "cases": len(answers.cases),
        "structures": {name: _summary(codes, rng) for name, codes in parts.items()},
        "by_reader": {
            reader: _counts(codes) for reader, codes in zip(answers.readers, answers.codes)
        },
        "comments": [
            {"reader": reader, "case": case, "comment": text}
            for reader, case, text in answers.comments
        ],
        "interval": f"{_CONFIDENCE:.0%} percentile bootstrap over cases, {_RESAMPLES} resamples",
    }


def _counts(codes: np.ndarray) -> dict[str, Any]:
    """Count the answers, and give their percentages of those that were given."""
    counts = {word: int((codes == n).sum()) for n, word in enumerate(ANSWERS)}
    given = sum(counts.values())
    percent = {word: round(100 * n / given, 1) if given else None for word, n in counts.items()}
    return {**counts, "not_answered": int((codes == _NO_ANSWER).sum()), "percent": percent}


def _summary(codes: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """Sum up one structure, or all: int [readers, cases, structures]."""
    better, given = ((found).sum(axis=(0, 2)) for found in (codes == 0, codes != _NO_ANSWER))
    drawn = rng.integers(codes.shape[1], size=(_RESAMPLES, codes.shape[1]))
    totals = given[drawn].sum(axis=1)
    shares = 100 * better[drawn].sum(axis=1)[totals > 0] / totals[totals > 0]
    return {
        **_counts(codes),
        "percent_better_interval": _interval(shares),
        "kappa": _agreement(codes, rng),
    }


def _agreement(codes: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """Return Fleiss' kappa of [readers, cases, structures], or why there is none."""
    answered = (codes != _NO_ANSWER).mean(axis=(1, 2)) >= _LEAST_SHARE_FOR_KAPPA
    codes = codes[answered]
    if len(codes) < 2:
        return _no_kappa("fewer than two readers answered half of the cases")
    tables = np.stack([(codes == n).sum(axis=0) for n in range(len(ANSWERS))], axis=-1)
    complete = tables.sum(axis=-1) == len(codes)  # [cases, structures]
    cases = np.flatnonzero(complete.any(axis=1))
    if len(cases) < 2:
        return _no_kappa("fewer than two cases were answered by all readers")
    used = [tables[case][complete[case]] for case in cases]
    value = _fleiss_kappa(np.concatenate(used))
    if not np.isfinite(value):
        return _no_kappa("all answers are the same")
    drawn = rng.integers(len(used), size=(_RESAMPLES, len(used)))
    resampled = np.array([_fleiss_kappa(np.concatenate([used[n] for n in row])) for row in drawn])
    return {
        "value": round(value, 3),
        "interval": _interval(resampled[np.isfinite(resampled)], digits=3),
        "readers": len(codes),
        "cases": len(cases),
    }


def _no_kappa(reason: str) -> dict[str, Any]:
    return {"value": None, "interval": None, "reason": reason}


def _fleiss_kappa(counts: np.ndarray) -> float:
    """Return Fleiss' kappa (Fleiss 1971) of counts [cases, categories]; NaN if all agree in one."""
    from statsmodels.stats.inter_rater import fleiss_kappa

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return float(fleiss_kappa(counts))


def _interval(values: np.ndarray, digits: int = 1) -> list[float] | None:
    if not len(values):
        return None
    tails = [50 * (1 - _CONFIDENCE), 50 * (1 + _CONFIDENCE)]
    return [round(float(bound), digits) for bound in np.percentile(values, tails)]


def figure(summary: dict[str, Any]) -> Figure:
    """Draw Figure 7 of the DDIC paper: a bar for each structure, stacked of the three answers."""
    from matplotlib.figure import Figure

    rows = summary["structures"]
    result = Figure(figsize=(8, 0.62 * len(rows) + 1.1), layout="constrained")
    axes = result.subplots()
    names = [_name(row) for row in rows]
    start = np.zeros(len(rows))
    for word, colour, ink in zip(ANSWERS, ("#1b6ca8", "#b9c3cd", "#c8693a"), ("w", "k", "w")):
        widths = np.array([rows[row]["percent"][word] or 0 for row in rows])
        axes.barh(names, widths, 0.66, left=start, color=colour, label=word)
        for place, (left, width) in enumerate(zip(start, widths)):
            if width >= 5:
                axes.text(
                    left + width / 2, place, f"{width:.0f}", color=ink, ha="center", va="center"
                )
        start += widths
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("answers, %: the pseudo-MRI shows the structure ...")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    result.legend(loc="outside upper right", ncols=len(ANSWERS), frameon=False)
    return result


def section(summary: dict[str, Any]) -> Section:
    """Make the report's part about a study out of :func:`summarise`."""
    readers, cases = len(summary["readers"]), summary["cases"]
    blocks: list[Block] = [
        Paragraph(
            f"{readers} {'reader' if readers == 1 else 'readers'} judged {cases} pairs: does the "
            "pseudo-MRI show the structure better than the ultrasound, the same, or worse? "
            "This is an opinion on how things look; it does not say whether the anatomy is right."
        ),
        drawing(figure(summary), "Answers of all readers, as Figure 7 of the DDIC paper."),
        Table(
            ["structure", "answers", *(f"{w}, %" for w in ANSWERS), "better,\n95 % interval",
             "Fleiss' kappa", "kappa,\n95 % interval"],
            [_cells(name, row) for name, row in summary["structures"].items()],
        ),
        Table(
            ["reader", *(f"{w}, %" for w in ANSWERS), "not answered"],
            [[name, *map(_number, row["percent"].values()), str(row["not_answered"])]
             for name, row in summary["by_reader"].items()],
        ),
        Paragraph(_small_print(summary), "note"),
    ]  # fmt: skip
    if summary.get("problems"):
        blocks += [Heading("Left out"), Bullets(summary["problems"])]
    if summary["comments"]:
        comments = ["{case}, {reader}: {comment}".format(**c) for c in summary["comments"]]
        blocks += [Heading("Comments"), Bullets(comments)]
    return Section("Medical opinion test", blocks, {"reader_study": summary})


def _small_print(summary: dict[str, Any]) -> str:
    reasons = [
        f"No kappa of {_name(name).lower()}: {row['kappa']['reason']}."
        for name, row in summary["structures"].items()
        if "reason" in row["kappa"]
    ]
    general = (
        f"Intervals: {summary['interval']}. Kappa counts cases that all readers answered, of "
        "readers who answered at least half; 1 is full agreement, 0 is what chance gives."
    )
    return " ".join([general, *reasons])


def _cells(name: str, row: dict[str, Any]) -> list[str]:
    kappa = row["kappa"]
    given = sum(row[word] for word in ANSWERS)
    return [
        _name(name), str(given), *map(_number, row["percent"].values()),
        _range(row["percent_better_interval"]), _number(kappa["value"], 2),
        _range(kappa["interval"], 2),
    ]  # fmt: skip


def _name(structure: str) -> str:
    return STRUCTURES.get(structure, "All structures")


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _range(bounds: Sequence[float] | None, digits: int = 0) -> str:
    return "" if bounds is None else " to ".join(_number(bound, digits) for bound in bounds)
