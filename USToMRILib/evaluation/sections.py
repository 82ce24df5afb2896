"""The sections of the report that every evaluation has."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..provenance import SYNTHETIC, library_versions
from ..version import __version__
from .comparison_tables import comparison_table, differences
from .figures import box_plots, case_grid, method_colours
from .formatting import number, summary_text
from .pairing import REFERENCE
from .report import (
    Block,
    Bullets,
    Code,
    Heading,
    Paragraph,
    Section,
    Table,
    drawing,
    photograph,
)
from .results import Evaluation, MetricResult, as_json

_VERSIONS = (
    "numpy",
    "scipy",
    "scikit-image",
    "scikit-learn",
    "statsmodels",
    "torchmetrics",
    "SimpleITK",
    "torch",
)
_SHOWN_CASES = 6
_MARGIN = 3
_MANY_PROBLEMS = 12


def evaluation_record(command: str, split: str) -> dict[str, Any]:
    """What is to be known about this evaluation.

    Args:
        command: as typed.
        split: which part of which data was evaluated, in words.
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    versions = {"ustomri": __version__, **library_versions(*_VERSIONS)}
    date = now.isoformat(timespec="seconds")
    return {"command": command, "date": date, "split": split, "versions": versions}


def summary(evaluation: Evaluation) -> str:
    """What was evaluated, in a sentence or two."""
    methods, cases = list(evaluation.folders.images), len(evaluation.cases)
    text = f"{cases} case{'s' if cases != 1 else ''}, {', '.join(methods)}."
    if evaluation.problems:
        count = len(evaluation.problems)
        text += f" {count} thing{'s' if count != 1 else ''} could not be measured, see below."
    return text


def evaluation_sections(evaluation: Evaluation, record: dict[str, Any]) -> list[Section]:
    """Results, figures, tests, images, every case, problems, and how all of it was made.

    Args:
        evaluation: what was found.
        record: ``command``, ``date``, ``split`` and ``versions`` of this evaluation.
    """
    found = as_json(evaluation)
    main = {name: r for name, r in evaluation.metrics.items() if r.metric.needs != "regions"}
    contrast = {name: r for name, r in evaluation.metrics.items() if name not in main}
    sections = [
        _results(evaluation, main, found),
        _distributions(evaluation, main),
        differences(main),
    ]
    if contrast:
        sections.append(_contrast(evaluation, contrast))
    sections += [_images(evaluation), _every_case(evaluation)]
    if evaluation.problems:
        sections.append(_problems(evaluation))
    return [*sections, _how_made(evaluation, record)]


def _results(
    evaluation: Evaluation, results: dict[str, MetricResult], found: dict[str, Any]
) -> Section:
    methods = [*evaluation.folders.images]
    if any(REFERENCE in result.summaries for result in results.values()):
        methods = [REFERENCE, *methods]
    cases = len(evaluation.cases)
    rows = [
        [
            result.metric.title.replace("\n", " "),
            *(summary_text(result.summaries.get(m), result.decimals, cases) for m in methods),
        ]
        for result in results.values()
    ]
    means = Table(
        ["metric", *methods],
        rows,
        f"Mean ± standard deviation over {cases} cases (n, where fewer), and the 95 % confidence "
        "interval of the mean.",
    )
    note = Paragraph(
        "Arrows show which way is better. Intervals of means: bootstrap over cases (BCa), too "
        "narrow for fewer than about ten cases. Intervals of distances between sets: the distance "
        "± 1.96 standard deviations over bootstrap resamples of the cases. With few cases such a "
        "distance is too large; compare it only with others of this table.",
        "note",
    )
    return Section("Results", [means, note], found)


def _distributions(evaluation: Evaluation, results: dict[str, MetricResult]) -> Section:
    colours = method_colours(list(evaluation.folders.images))
    block: Block = Paragraph("Nothing could be measured.")
    if results:
        block = drawing(
            box_plots(results, colours),
            "Boxes: quartiles and median; whiskers: 5th and 95th percentile; points: the cases, "
            "grey lines join those of one case. Distances between sets have one value (diamond); "
            "their boxes are bootstrap resamples of the cases, which lie somewhat above it.",
        )
    return Section("Distributions", [block])


def _contrast(evaluation: Evaluation, results: dict[str, MetricResult]) -> Section:
    rows = [
        [method, summary_text(result.summaries.get(method), result.decimals, len(evaluation.cases))]
        for result in results.values()
        for method in (REFERENCE, *evaluation.folders.images)
    ]
    colours = method_colours(list(evaluation.folders.images))
    blocks: list[Block] = [Table(["images", "CNR"], rows)]
    if any(result.values for result in results.values()):
        caption = "Contrast-to-noise ratio of the regions."
        blocks.append(drawing(box_plots(results, colours), caption))
        blocks.append(comparison_table(results.values()))
    return Section("Contrast-to-noise ratio", blocks)


def _images(evaluation: Evaluation) -> Section:
    methods = list(evaluation.folders.images)
    rows = {}
    for case in _spread(evaluation.cases, _SHOWN_CASES):
        paths = [case.reference, *(case.images.get(method) for method in methods)]
        images = [evaluation.reader.middle_slice(path) if path else None for path in paths]
        if images[0] is not None:
            rows[case.name] = _cropped(images)
    titles = [REFERENCE, *(f"{method}\nSYNTHETIC" for method in methods)]
    block: Block = Paragraph("No image could be read.")
    if rows:
        block = photograph(
            case_grid(titles, rows),
            f"{len(rows)} of {len(evaluation.cases)} cases, spread evenly over their names; each "
            f"row is enlarged to fit; 0 is black and 255 white. {SYNTHETIC}",
        )
    return Section("Images", [block])


def _cropped(images: list[np.ndarray | None]) -> list[np.ndarray | None]:
    """The slices of a case without the margin that is empty in all of them."""
    slices = [image for image in images if image is not None]
    if len({image.shape for image in slices}) != 1 or not np.any(slices):
        return images
    shown = np.any(slices, axis=0)
    places = [np.flatnonzero(shown.any(axis=axis)) for axis in (1, 0)]
    box = tuple(slice(max(0, at[0] - _MARGIN), at[-1] + _MARGIN + 1) for at in places)
    return [None if image is None else image[box] for image in images]


def _every_case(evaluation: Evaluation) -> Section:
    tables = []
    for result in evaluation.metrics.values():
        if result.values:
            methods, digits = list(result.values), result.decimals
            rows = [
                [case.name, *(number(result.values[m].get(case.name), digits) for m in methods)]
                for case in evaluation.cases
                if any(case.name in values for values in result.values.values())
            ]
            tables.append(Table(["case", *methods], rows, summary=result.metric.name))
    return Section("Every case", tables)


def _problems(evaluation: Evaluation) -> Section:
    rows = [[p.case, p.method, p.metric, p.text] for p in evaluation.problems]
    summary = f"{len(rows)} problems" if len(rows) > _MANY_PROBLEMS else ""
    header = ["case", "method", "metric", "why"]
    return Section("Not measured", [Table(header, rows, text_columns=4, summary=summary)])


def _how_made(evaluation: Evaluation, record: dict[str, Any]) -> Section:
    settings = [[r.metric.name, r.metric.settings] for r in evaluation.metrics.values()]
    blocks: list[Block] = [
        Code(record["command"]),
        Paragraph(f"{record['date']}. Data: {record['split'] or 'not stated'}."),
        Heading("Metrics"),
        Table(["metric", "settings"], settings, text_columns=2),
        Heading("Methods"),
    ]
    for method in evaluation.folders.images:
        records = evaluation.records[method]
        unknown = f"{method}: no records beside the images, so what made them is not known."
        blocks.append(
            Bullets([_record_text(method, one) for one in records])
            if records
            else Paragraph(unknown, "note")
        )
    versions = (f"{name} {version}" for name, version in record["versions"].items())
    blocks += [Heading("Versions"), Paragraph(", ".join(versions))]
    return Section("How it was made", blocks, {"evaluation": record})


def _record_text(method: str, record: dict[str, Any]) -> str:
    parameters = ", ".join(f"{key} {value}" for key, value in record["parameters"].items())
    bundles = ", ".join(f"{name} {sha}" for name, sha in record["bundles"].items())
    return (
        f"{method}: {record['images']} images by {record['tool']} {record['version']}, method "
        f"{record['method']} on {record['device']}; {parameters}. Bundles (SHA-256): {bundles}."
    )


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """``count`` items, evenly spread over the sequence, both ends included."""
    places = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[i] for i in places]
