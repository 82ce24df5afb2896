"""The tests between methods, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .formatting import MINUS, number, p_value, with_interval
from .report import Block, Paragraph, Section, Table
from .results import MetricResult
from .statistics import Comparison

_TESTS = {
    "paired_t": "paired t\np (Holm)",
    "wilcoxon": "Wilcoxon\np (Holm)",
    "permutation": "permutation\np (Holm)",
    "welch_t": "Welch t\np",
}
_UNCORRECTED = ("welch_t",)


def differences(results: Mapping[str, MetricResult]) -> Section:
    """The section of the differences between methods."""
    title = "Differences between methods"
    by_case = [result for result in results.values() if result.values]
    by_set = [result for result in results.values() if not result.values]
    if not any(result.comparisons for result in results.values()):
        return Section(title, [Paragraph("There is one method only: nothing to compare.")])
    note = Paragraph(
        "First method minus second, with the 95 % confidence interval of the mean difference. "
        "g: Hedges' g of the paired differences. The images of a case belong together, so the "
        "paired tests are the ones to read. Welch's unequal-variances t-test, not paired and not "
        "corrected, is given because the DDIC paper used it. Holm's correction is over the pairs "
        "of methods of each metric, not over the metrics.",
        "note",
    )
    blocks: list[Block] = [comparison_table(by_case), note]
    if any(result.comparisons for result in by_set):
        note = Paragraph(
            "Distances between sets have no values of cases. Their interval is the difference "
            "± 1.96 standard deviations over bootstrap resamples of the cases; the test exchanges "
            "the methods' images within cases.",
            "note",
        )
        blocks += [comparison_table(by_set), note]
    return Section(title, blocks)


def comparison_table(results: Iterable[MetricResult]) -> Table:
    """Differences, effect sizes and p values of each metric and pair of methods."""
    compared = [(result, c) for result in results for c in result.comparisons]
    kinds = [kind for kind in _TESTS if any(kind in c.tests for _, c in compared)]
    effect = any(c.hedges_g is not None for _, c in compared)
    header = ["metric", "methods", "n", "difference", *(["g"] if effect else [])]
    rows = []
    for result, c in compared:
        first = c is result.comparisons[0]
        row = [result.metric.name if first else "", f"{c.first} {MINUS} {c.second}", str(c.n)]
        difference = with_interval(c.difference, c.ci95, result.decimals)
        row.append(f"{difference}\n{c.note}".rstrip())
        if effect:
            row.append(with_interval(c.hedges_g, c.hedges_g_ci95, 2))
        rows.append([*row, *(_p(c, kind) for kind in kinds)])
    return Table([*header, *(_TESTS[kind] for kind in kinds)], rows, text_columns=2)


def _p(comparison: Comparison, kind: str) -> str:
    test = comparison.tests.get(kind)
    if test is None:
        return number(None, 0)
    return p_value(test.p if kind in _UNCORRECTED else test.p_holm)
