"""Measure every image of every method against its reference, and compare the methods."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..image.folders import Problem, Reader, check_same_grid, images_by_name
from ..progress import CancelToken, Progress, ProgressCallback
from .distribution import (
    Distance,
    Extractor,
    frechet_from,
    inception_extractor,
    kernel_from,
    offline_extractor,
    slices_of,
)
from .made_by import read_made_by
from .metrics import DISTANCES, OFFLINE_LABELS, Metric, choose_metrics
from .pairing import (
    REFERENCE,
    CaseFiles,
    Folders,
    Pair,
    match_files,
    read_foreground,
    read_regions,
)
from .results import Evaluation, MetricResult
from .set_statistics import bootstrap_distances, compare_distances, summarise_distance
from .statistics import compare_methods, summarise


@dataclass
class _Collected:
    metrics: dict[str, Metric]
    extractor: Extractor | None
    problems: list[Problem]
    values: dict[str, dict[str, dict[str, float]]]
    features: dict[str, dict[str, np.ndarray]]


def evaluate(
    folders: Folders,
    names: Sequence[str] | None = None,
    *,
    reader: Reader | None = None,
    lpips_weights: Path | None = None,
    inception_weights: Path | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Evaluation:
    """Compare the images of some methods with their references.

    Args:
        folders: of the images; files that belong together have the same name up to the suffix.
        names: of the metrics, keys of :data:`~.metrics.METRICS`; None: all that can be computed.
        reader: of the images.
        lpips_weights: torchvision's AlexNet, for LPIPS.
        inception_weights: TorchScript Inception v3, for FID and KID; None: features of the same
            distances that need no weights, named as such.
        progress: called after every case.
        cancel: looked at before every case.

    Raises:
        InputError: if nothing could be measured, or something that a metric needs is missing.
            What concerns one case becomes a problem, and the rest goes on.
        Cancelled: when the token was set.
    """
    if REFERENCE in folders.images:
        raise InputError(f"No method can have the name {REFERENCE!r}; choose another.")
    metrics = choose_metrics(names, lpips_weights, folders.rois is not None)
    reader = reader or Reader()
    cases, problems = match_files(folders)
    unpaired = len(problems)
    extractor = None
    if any(name in DISTANCES for name in metrics):
        extractor = (
            inception_extractor(inception_weights) if inception_weights else offline_extractor()
        )
    collected = _Collected(
        metrics, extractor, problems, {name: {} for name in metrics}, {REFERENCE: {}}
    )
    for case in Progress(progress, cancel).track("measure", cases):
        _measure_case(case, folders, reader, collected)
    results = {
        name: _summarise_cases(metric, collected.values[name])
        for name, metric in metrics.items()
        if name not in DISTANCES
    }
    results.update(_distances(folders, reader, collected))
    if not any(set(result.summaries) - {REFERENCE} for result in results.values()):
        raise _nothing_measured(cases, problems[unpaired:])
    records = {
        method: read_made_by(case.images[method] for case in cases if method in case.images)
        for method in folders.images
    }
    refused = _without_value(cases, collected)
    return Evaluation(folders, cases, results, problems, records, reader, refused)


def _nothing_measured(cases: list[CaseFiles], problems: list[Problem]) -> InputError:
    count = f"the {len(cases)} cases" if len(cases) > 1 else "the only case"
    if not problems:
        return InputError(f"None of the metrics asked for applies to {count}; choose others.")
    return InputError(f"Nothing could be measured of {count}; {problems[0]}")


def _without_value(cases: list[CaseFiles], collected: _Collected) -> list[str]:
    found: list[Mapping[str, Mapping[str, Any]]] = [*collected.values.values(), collected.features]
    measured = {
        case
        for by_method in found
        for method, by_case in by_method.items()
        if method != REFERENCE
        for case in by_case
    }
    return [case.name for case in cases if case.name not in measured]


def _measure_case(case: CaseFiles, folders: Folders, reader: Reader, into: _Collected) -> None:
    """Measure one case; what fails becomes a problem."""

    def problem(error: InputError, method: str = "", metric: str = "") -> None:
        into.problems.append(Problem(case.name, method, metric, str(error)))

    try:
        reference = reader.read_grey(case.reference)
    except InputError as error:
        return problem(error)
    foreground, regions = None, None
    try:
        foreground = read_foreground(case, reference, folders.masks is not None)
    except InputError as error:
        problem(error)
    try:
        regions = read_regions(case, reference)
    except InputError as error:
        problem(error, metric="cnr")
    pairs = {}
    for method, path in case.images.items():
        try:
            image = reader.read_grey(path)
            check_same_grid(image, path, reference, case.reference)
        except InputError as error:
            problem(error, method)
        else:
            pairs[method] = Pair(reference, image, foreground, regions)
    itself = Pair(reference, reference, foreground, regions)
    for method, pair in {REFERENCE: itself, **pairs}.items():
        _measure_pair(case.name, method, pair, into)


def _measure_pair(case: str, method: str, pair: Pair, into: _Collected) -> None:
    """Measure one image; of the reference itself, only what says something about it."""
    for name, metric in into.metrics.items():
        if metric.measure is None or (method == REFERENCE and metric.needs != "regions"):
            continue
        if metric.needs and getattr(pair, metric.needs) is None:
            continue
        try:
            value = metric.measure(pair)
            if not math.isfinite(value):
                raise InputError(f"The value is {value}.")
        except InputError as error:
            into.problems.append(Problem(case, method, name, str(error)))
        else:
            into.values[name].setdefault(method, {})[case] = value
    if into.extractor is not None:
        slices = slices_of(pair.image.array)
        into.features.setdefault(method, {})[case] = into.extractor.features(slices)


def _summarise_cases(metric: Metric, values: dict[str, dict[str, float]]) -> MetricResult:
    summaries = {method: summarise(list(cases.values())) for method, cases in values.items()}
    return MetricResult(metric, values, summaries, compare_methods(values))


def _distances(folders: Folders, reader: Reader, collected: _Collected) -> dict[str, MetricResult]:
    """FID and KID, over the cases that all methods have.

    Where they are measured from other images, those of the references are what to beat.
    """
    extractor = collected.extractor
    if extractor is None:
        return {}
    references = collected.features[REFERENCE]
    if folders.real is None:  # the references are what the others are compared with
        del collected.features[REFERENCE]
    real = _real_features(folders, reader, extractor, references, collected.problems)
    common = [c for c in references if all(c in f for f in collected.features.values())]
    sets = {m: [features[c] for c in common] for m, features in collected.features.items()}
    names = [name for name in collected.metrics if name in DISTANCES]
    least = min((sum(map(len, features)) for features in sets.values()), default=0)
    if len(real) < 2 or least < 2:
        text = "A distance between sets needs at least 2 images in each."
        collected.problems.extend(Problem("", "", name, text) for name in names)
        return {}
    against = f"{len(real)} {'real images' if folders.real else 'reference images'}"
    # A Fréchet distance is at least 0; the unbiased estimate of the other may be below.
    distances = {"fid": (frechet_from, 0.0), "kid": (kernel_from, -math.inf)}
    results = {}
    for name in names:
        distance_from, floor = distances[name]
        metric = _named(collected.metrics[name], extractor, against)
        results[name] = _summarise_sets(metric, sets, distance_from(real), floor)
    return results


def _summarise_sets(
    metric: Metric, sets: dict[str, list[np.ndarray]], distance: Distance, least: float
) -> MetricResult:
    resampled = bootstrap_distances(sets, distance)
    summaries = {
        method: summarise_distance(
            distance(np.concatenate(features)), len(features), resampled[method], least
        )
        for method, features in sets.items()
    }
    comparisons = compare_distances(sets, distance, resampled)
    return MetricResult(metric, {}, summaries, comparisons, resampled)


def _named(metric: Metric, extractor: Extractor, against: str) -> Metric:
    """The metric under the name that its features allow, with everything that decides it."""
    label = metric.label if extractor.inception else OFFLINE_LABELS[metric.label]
    settings = f"{metric.settings}; features: {extractor.name}; against {against}"
    return replace(metric, label=label, settings=settings)


def _real_features(
    folders: Folders,
    reader: Reader,
    extractor: Extractor,
    references: dict[str, np.ndarray],
    problems: list[Problem],
) -> np.ndarray:
    if folders.real is None:
        return np.concatenate(list(references.values())) if references else np.empty((0, 1))
    features = []
    for name, path in images_by_name(folders.real, "real", problems).items():
        try:
            features.append(extractor.features(slices_of(reader.read_grey(path).array)))
        except InputError as error:
            problems.append(Problem(name, "real", "", str(error)))
    if not features:
        raise InputError(f"{folders.real} holds no image that can be read; give real images.")
    return np.concatenate(features)
