"""What an evaluation found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ..image.folders import Problem, Reader
from .metrics import Metric
from .pairing import CaseFiles, Folders
from .statistics import Comparison, Summary


@dataclass(frozen=True)
class MetricResult:
    """One metric of all methods.

    Attributes:
        metric: what was measured.
        values: of each method, by case; of a distance between sets there are none.
        summaries: of each method.
        comparisons: of each pair of methods.
        resampled: of each method, distances of bootstrap resamples of the cases.
    """

    metric: Metric
    values: dict[str, dict[str, float]]
    summaries: dict[str, Summary]
    comparisons: list[Comparison]
    resampled: dict[str, list[float]] = field(default_factory=dict)

    @property
    def decimals(self) -> int:
        """Of every number of the metric, so that about three digits say something."""
        size = max((abs(summary.mean) for summary in self.summaries.values()), default=0.0)
        return 1 if size >= 100 else 2 if size >= 10 else 3 if size >= 0.05 or not size else 5


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured.

    Attributes:
        folders: that were compared.
        cases: that could be paired.
        metrics: results by the metric's name.
        problems: what could not be measured, and why.
        records: of each method, what made its images.
        reader: how the images were read.
        refused: names of the cases of which nothing could be measured.
    """

    folders: Folders
    cases: list[CaseFiles]
    metrics: dict[str, MetricResult]
    problems: list[Problem]
    records: dict[str, list[dict[str, Any]]]
    reader: Reader
    refused: list[str]


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Everything measured, ready for JSON."""
    return {
        "cases": [case.name for case in evaluation.cases],
        "metrics": {name: _result_json(result) for name, result in evaluation.metrics.items()},
        "problems": [asdict(problem) for problem in evaluation.problems],
        "made_by": evaluation.records,
    }


def _result_json(result: MetricResult) -> dict[str, Any]:
    methods: dict[str, Any] = {m: asdict(summary) for m, summary in result.summaries.items()}
    for method in methods:
        if method in result.values:
            methods[method]["cases"] = result.values[method]
        if method in result.resampled:
            methods[method]["resampled"] = result.resampled[method]
    return {
        "label": result.metric.name,
        "unit": result.metric.unit,
        "better": result.metric.better,
        "settings": result.metric.settings,
        "methods": methods,
        "tests": [asdict(comparison) for comparison in result.comparisons],
    }
