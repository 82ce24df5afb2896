"""What a distance between sets of images says: its spread over the cases, tests between methods."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from .distribution import Distance
from .statistics import Comparison, HypothesisTest, Summary, holm_corrected

RESAMPLES = 200
PERMUTATIONS = 999
_NORMAL_QUANTILE = 1.959964

# Features [slices, F] of every case.
CaseFeatures = Sequence[np.ndarray]


def bootstrap_distances(
    features: Mapping[str, CaseFeatures], distance: Distance, seed: int = 0
) -> dict[str, list[float]]:
    """The distances of resampled sets of cases; every method sees the same resamples.

    A resample repeats cases, so it is less varied than the set and its distance a little larger:
    the spread is what counts, not the place. Empty lists where there is one case only.

    Args:
        features: of each method, of the same cases.
        distance: of a set.
        seed: of the draw.
    """
    n = len(next(iter(features.values())))
    random = np.random.default_rng(seed)
    # The same case n times over has no spread, and so no distance.
    drawn = [i for i in random.integers(0, n, (RESAMPLES, n)) if np.ptp(i) > 0]
    return {
        method: [distance(np.concatenate([cases[i] for i in indices])) for indices in drawn]
        for method, cases in features.items()
    }


def summarise_distance(
    value: float, n: int, resampled: Sequence[float], least: float = -np.inf
) -> Summary:
    """A distance with its interval: value +- 1.96 standard deviations of its resamples.

    Args:
        value: the distance.
        n: number of cases.
        resampled: from :func:`bootstrap_distances`.
        least: that such a distance can be; the interval ends there.
    """
    if not resampled:
        return Summary(n, value, None, None)
    sd = float(np.std(resampled, ddof=1))
    low, high = _interval(value, sd)
    return Summary(n, value, sd, (max(low, least), high))


def compare_distances(
    features: Mapping[str, CaseFeatures],
    distance: Distance,
    resampled: Mapping[str, Sequence[float]],
    seed: int = 0,
) -> list[Comparison]:
    """Compare every pair of methods by the distances of their sets; p corrected after Holm.

    The test permutes within cases: were two methods alike, it would make no difference to exchange
    their images in any of the cases.

    Args:
        features: of each method, of the same cases.
        distance: of a set.
        resampled: of each method, from :func:`bootstrap_distances`.
        seed: of the permutations.
    """
    comparisons = []
    for first, second in itertools.combinations(features, 2):
        a, b = features[first], features[second]
        difference = distance(np.concatenate(a)) - distance(np.concatenate(b))
        if len(a) < 2:
            note = "One common case only: no test computed."
            comparisons.append(Comparison(first, second, len(a), difference, note=note))
            continue
        sd = float(np.std(np.subtract(resampled[first], resampled[second]), ddof=1))
        tests = {"permutation": _permutation_test(a, b, difference, distance, seed)}
        interval = _interval(difference, sd)
        comparisons.append(Comparison(first, second, len(a), difference, interval, tests=tests))
    return holm_corrected(comparisons)


def _permutation_test(
    a: CaseFeatures, b: CaseFeatures, difference: float, distance: Distance, seed: int
) -> HypothesisTest:
    random = np.random.default_rng(seed)
    extreme = 0
    for swaps in random.random((PERMUTATIONS, len(a))) < 0.5:
        first = np.concatenate([y if swap else x for x, y, swap in zip(a, b, swaps)])
        second = np.concatenate([x if swap else y for x, y, swap in zip(a, b, swaps)])
        exchanged = abs(distance(first) - distance(second))
        # Rounding must not tell the observed order from itself.
        extreme += exchanged >= abs(difference) * (1 - 1e-9)
    return HypothesisTest(None, (extreme + 1) / (PERMUTATIONS + 1))


def _interval(value: float, sd: float) -> tuple[float, float]:
    return value - _NORMAL_QUANTILE * sd, value + _NORMAL_QUANTILE * sd
