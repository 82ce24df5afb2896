"""Numbers as the tables show them."""

from __future__ import annotations

from .statistics import Summary

MINUS = "\N{MINUS SIGN}"
MISSING = "\N{EN DASH}"


def number(value: float | None, decimals: int) -> str:
    """A number with a true minus; a dash for None."""
    return MISSING if value is None else f"{value:.{decimals}f}".replace("-", MINUS)


def p_value(p: float | None) -> str:
    """A p value to three decimals."""
    if p is None:
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def with_interval(value: float | None, interval: tuple[float, float] | None, decimals: int) -> str:
    """A number and its interval."""
    if value is None or interval is None:
        return number(value, decimals)
    return f"{number(value, decimals)} [{_ends(interval, decimals)}]"


def summary_text(summary: Summary | None, decimals: int, cases: int | None = None) -> str:
    """Mean and standard deviation; below them the interval, and n where it is not ``cases``."""
    if summary is None:
        return MISSING
    deviation = "" if summary.sd is None else f" ± {number(summary.sd, decimals)}"
    below = [f"[{_ends(summary.ci95, decimals)}]"] if summary.ci95 else []
    if summary.n != cases:
        below.append(f"n = {summary.n}")
    return f"{number(summary.mean, decimals)}{deviation}\n{', '.join(below)}".rstrip()


def _ends(interval: tuple[float, float], decimals: int) -> str:
    return ", ".join(number(end, decimals) for end in interval)
