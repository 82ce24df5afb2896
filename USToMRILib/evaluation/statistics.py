"""What the values of many cases say: means with intervals, and tests between methods."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Callable

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 2000
_LEAST_FOR_INTERVAL = 3


@dataclass(frozen=True)
class Summary:
    """A metric over the cases.

    Attributes:
        n: number of cases.
        mean: of them; of a distance of sets, the distance itself.
        sd: standard deviation (divisor n - 1); of a distance of sets, over bootstrap resamples.
            None for one case.
        ci95: confidence interval of the mean; None for fewer than 3 cases.
    """

    n: int
    mean: float
    sd: float | None
    ci95: tuple[float, float] | None


@dataclass(frozen=True)
class HypothesisTest:
    """A two-sided test; ``p_holm`` is p after Holm's correction over the pairs of methods."""

    statistic: float | None
    p: float
    p_holm: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Two methods on the cases that both have; differences are first minus second.

    Attributes:
        first, second: names of the methods.
        n: number of common cases.
        difference: mean difference, with its confidence interval ``ci95``.
        hedges_g: mean difference over the standard deviation of the differences, corrected for
            small samples, with its confidence interval ``hedges_g_ci95`` (noncentral t).
        tests: by name; empty where none was computed.
        note: why none was computed.
    """

    first: str
    second: str
    n: int
    difference: float | None = None
    ci95: tuple[float, float] | None = None
    hedges_g: float | None = None
    hedges_g_ci95: tuple[float, float] | None = None
    tests: dict[str, HypothesisTest] = field(default_factory=dict)
    note: str = ""


def summarise(values: Sequence[float]) -> Summary:
    """Mean, standard deviation and bootstrap confidence interval of values of any number >= 1."""
    array = np.asarray(values, float)
    sd = float(array.std(ddof=1)) if array.size > 1 else None
    return Summary(array.size, float(array.mean()), sd, _interval(array, _mean))


def compare_methods(values: Mapping[str, Mapping[str, float]]) -> list[Comparison]:
    """Compare every pair of methods, case by case, with p values corrected after Holm.

    Args:
        values: of each method, by case.
    """
    pairs = itertools.combinations(values, 2)
    return holm_corrected([_compare(a, b, values[a], values[b]) for a, b in pairs])


def _compare(first: str, second: str, a: Mapping[str, float], b: Mapping[str, float]) -> Comparison:
    from scipy import stats

    common = [case for case in a if case in b]
    if len(common) < 2:
        count = "One common case" if common else "No common case"
        return Comparison(first, second, len(common), note=f"{count} only: no test computed.")
    x, y = (np.array([values[case] for case in common]) for values in (a, b))
    differences = x - y
    comparison = Comparison(
        first, second, len(common), float(differences.mean()), _interval(differences, _mean)
    )
    # Rounding leaves equal differences not quite equal.
    if np.ptp(differences) <= 1e-12 * max(1.0, float(np.abs(x).max())):
        return replace(comparison, note="The difference is the same in every case: no test.")
    welch = stats.ttest_ind(x, y, equal_var=False)
    paired = stats.ttest_rel(x, y)
    ranks = stats.wilcoxon(x, y)
    effect, effect_interval = _hedges_g(float(paired.statistic), len(common))
    return replace(
        comparison,
        hedges_g=effect,
        hedges_g_ci95=effect_interval,
        tests={
            "welch_t": HypothesisTest(float(welch.statistic), float(welch.pvalue)),
            "paired_t": HypothesisTest(float(paired.statistic), float(paired.pvalue)),
            "wilcoxon": HypothesisTest(float(ranks.statistic), float(ranks.pvalue)),
        },
    )


def holm_corrected(comparisons: list[Comparison]) -> list[Comparison]:
    """The comparisons with Holm's p; each kind of test is a family of its own."""
    from statsmodels.stats.multitest import multipletests

    corrected: list[dict[str, HypothesisTest]] = [{} for _ in comparisons]
    for kind in {kind: None for c in comparisons for kind in c.tests}:
        members = [i for i, c in enumerate(comparisons) if kind in c.tests]
        p_values = [comparisons[i].tests[kind].p for i in members]
        for i, p in zip(members, multipletests(p_values, method="holm")[1]):
            corrected[i][kind] = replace(comparisons[i].tests[kind], p_holm=float(p))
    return [replace(c, tests=tests) for c, tests in zip(comparisons, corrected)]


def _mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    return values.mean(axis=axis)


def _hedges_g(t: float, n: int) -> tuple[float, tuple[float, float] | None]:
    """Hedges' g of paired differences and its interval, from their t statistic.

    t / sqrt(n) is the mean over the standard deviation; 1 - 3 / (4 (n - 1) - 1) corrects it. The
    interval holds the noncentralities of Student's t under which t is not extreme (Steiger and
    Fouladi 1997).
    """
    from scipy.optimize import brentq
    from scipy.stats import nct

    scale = (1 - 3 / (4 * (n - 1) - 1)) / np.sqrt(n)
    if n < _LEAST_FOR_INTERVAL:
        return t * scale, None
    tail = (1 - CONFIDENCE) / 2
    reach = 10 + 2 * abs(t)
    try:
        low, high = (
            brentq(lambda shift, p=p: nct.cdf(t, n - 1, shift) - p, t - reach, t + reach)
            for p in (1 - tail, tail)
        )
    except ValueError:  # t is beyond what the noncentral distribution can be computed for
        return t * scale, None
    return t * scale, (float(low * scale), float(high * scale))


def _interval(
    values: np.ndarray, statistic: Callable[..., np.ndarray]
) -> tuple[float, float] | None:
    """Bootstrap confidence interval, bias-corrected and accelerated (Efron 1987)."""
    from scipy.stats import bootstrap

    if values.size < _LEAST_FOR_INTERVAL:
        return None
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that bear no interval; then it is NaN
        found = bootstrap(
            (values,),
            statistic,
            n_resamples=RESAMPLES,
            vectorized=True,
            confidence_level=CONFIDENCE,
            method="BCa",
            random_state=np.random.default_rng(0),
        ).confidence_interval
    low, high = float(found.low), float(found.high)
    return (low, high) if np.isfinite([low, high]).all() else None
