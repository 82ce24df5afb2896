"""Means, intervals and tests against formulas written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from USToMRILib.evaluation.distribution import frechet_from
from USToMRILib.evaluation.set_statistics import (
    bootstrap_distances,
    compare_distances,
    summarise_distance,
)
from USToMRILib.evaluation.statistics import (
    Comparison,
    HypothesisTest,
    compare_methods,
    holm_corrected,
    summarise,
)


def by_case(values):
    return {f"case{i}": value for i, value in enumerate(values)}


def test_a_summary_is_mean_deviation_and_interval():
    values = np.random.default_rng(1).normal(5, 2, 400)
    found = summarise(values)
    assert (found.n, found.mean) == (400, pytest.approx(values.mean()))
    assert found.sd == pytest.approx(np.sqrt(np.square(values - values.mean()).sum() / 399))
    # With as many cases the bootstrap agrees with the normal distribution.
    reach = 1.96 * found.sd / np.sqrt(400)
    np.testing.assert_allclose(found.ci95, (found.mean - reach, found.mean + reach), atol=0.03)
    assert summarise(values).ci95 == found.ci95


def test_few_or_equal_values_get_no_more_than_they_bear():
    assert (summarise([3.0]).sd, summarise([3.0]).ci95) == (None, None)
    assert summarise([3.0, 4.0]).ci95 is None
    assert summarise([3.0, 3.0, 3.0]).ci95 == (3.0, 3.0)


def test_the_tests_are_those_of_the_formulas():
    a, b = np.array([3.1, 4.2, 5.9, 4.4, 6.1, 5.0]), np.array([2.0, 4.0, 4.9, 3.1, 5.5, 4.7])
    (found,) = compare_methods({"a": by_case(a), "b": by_case(b)})
    d = a - b
    assert (found.first, found.second, found.n) == ("a", "b", 6)
    assert found.difference == pytest.approx(d.mean())
    assert found.ci95[0] < d.mean() < found.ci95[1]
    paired = d.mean() / (d.std(ddof=1) / np.sqrt(6))
    welch = (a.mean() - b.mean()) / np.sqrt(a.var(ddof=1) / 6 + b.var(ddof=1) / 6)
    assert found.tests["paired_t"].statistic == pytest.approx(paired)
    assert found.tests["welch_t"].statistic == pytest.approx(welch)
    # Every difference is above 0: two of the 2^6 orders of signs are as extreme.
    assert found.tests["wilcoxon"].p == pytest.approx(2 / 64)
    assert found.hedges_g == pytest.approx((1 - 3 / 19) * d.mean() / d.std(ddof=1))
    # At the ends of the interval of g, the observed t is just as extreme as the interval allows.
    for end, tail in zip(found.hedges_g_ci95, (0.975, 0.025)):
        noncentrality = end / (1 - 3 / 19) * np.sqrt(6)
        assert stats.nct.cdf(paired, 5, noncentrality) == pytest.approx(tail, abs=1e-6)


def test_only_common_cases_are_compared():
    a, b = {"x": 1.0, "y": 2.0, "z": 4.0, "only a": 99.0}, {"z": 2.0, "x": 3.0, "y": 1.5}
    (found,) = compare_methods({"a": a, "b": b})
    assert (found.n, found.difference) == (3, pytest.approx((-2 + 0.5 + 2) / 3))


@pytest.mark.parametrize(
    ("a", "b", "note"),
    [
        ([1.0], [2.0], "One common case only: no test computed."),
        ([1.0, 2.0, 4.0], [0.9, 1.9, 3.9], "The difference is the same in every case: no test."),
    ],
)
def test_where_no_test_can_be_computed_it_is_said(a, b, note):
    (found,) = compare_methods({"a": by_case(a), "b": by_case(b)})
    assert (found.note, found.tests) == (note, {})


def test_holm_corrects_each_kind_of_test_over_the_pairs():
    def pair(p, q):
        return Comparison(
            "a", "b", 9, tests={"t": HypothesisTest(None, p), "w": HypothesisTest(None, q)}
        )

    empty = Comparison("a", "b", 1, note="One common case only: no test computed.")
    found = holm_corrected([pair(0.01, 0.5), empty, pair(0.04, 0.001), pair(0.03, 0.6)])
    assert [c.tests["t"].p_holm for c in found if c.tests] == pytest.approx([0.03, 0.06, 0.06])
    assert [c.tests["w"].p_holm for c in found if c.tests] == pytest.approx([1.0, 0.003, 1.0])
    assert found[1] == empty


def sets(random, shift, n=8):
    return [random.normal(shift, 1, (4, 3)) for _ in range(n)]


def test_sets_that_differ_are_told_apart_and_like_sets_are_not():
    random = np.random.default_rng(2)
    distance = frechet_from(random.normal(size=(200, 3)))
    features = {"near": sets(random, 0), "alike": sets(random, 0), "far": sets(random, 3)}
    resampled = bootstrap_distances(features, distance)
    near_alike, near_far, _ = compare_distances(features, distance, resampled)
    # Of 2^8 exchanges, two are as extreme as the order that was observed.
    assert near_far.tests["permutation"].p < 0.03
    assert near_far.difference == pytest.approx(-27, abs=3)
    assert near_far.ci95[0] < near_far.difference < near_far.ci95[1] < 0
    assert near_alike.tests["permutation"].p > 0.05
    found = summarise_distance(1.0, 8, resampled["near"])
    assert found.sd == pytest.approx(np.std(resampled["near"], ddof=1))
    assert found.ci95[0] < 1.0 < found.ci95[1]
    assert summarise_distance(1e-9, 8, resampled["near"], least=0.0).ci95[0] == 0


def test_one_case_has_a_distance_and_no_test():
    random = np.random.default_rng(3)
    distance = frechet_from(random.normal(size=(50, 3)))
    features = {"a": sets(random, 0, n=1), "b": sets(random, 1, n=1)}
    resampled = bootstrap_distances(features, distance)
    assert summarise_distance(1.0, 1, resampled["a"]).ci95 is None
    (found,) = compare_distances(features, distance, resampled)
    assert found.tests == {}
    assert "no test" in found.note
