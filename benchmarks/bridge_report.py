"""The table and the plot of ``benchmarks.bridge``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import processor
from benchmarks.markdown import table

MARKERS = {"dpm++2m": ("o", "#1f6fb4"), "ddim": ("^", "#5b5b5b")}
PASS_COLUMNS = ("pass", "at once", "ms an image", "GFLOP", "GFLOP/s", "of the product's")
COMPARED = ("correlation (least)", "mean difference of 255", "with ultrasound", "MI", "CNR")
MEANING = """\
Everything is compared inside the heads with the first row, which is the published algorithm where
it has 1000 steps. *Passes* are those of a network over one image; a way back through one counts as
another. Seconds are those of the cores together, on one thread, so that what else the machine does
counts little; the ratios are the finding, not the seconds. MI is that with the ultrasound
(histogram), CNR that of a box over the midline and one beside it, both divided by the first row's.
Closeness to the published picture, and agreement with the ultrasound, say that the fast mode does
what the published algorithm does; they do not say that the anatomy is right."""


def write_report(results: dict[str, Any], output: Path, pictures: np.ndarray) -> None:
    """Write ``output``.json, .md and .png.

    Args:
        results: of ``benchmarks.bridge.main``.
        output: path without suffix.
        pictures: float [2, 128, 128] in [-1, 1], one head, published and default.
    """
    output.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    output.with_suffix(".md").write_text(_text(results), encoding="utf-8")
    _plot(results["candidates"], output.with_suffix(".png"), pictures)


def _text(results: dict[str, Any]) -> str:
    return f"""\
# The diffusion bridge

{_conditions(results)}

![Passes against the distance to the published picture](bridge.png)

## Fewer passes

{_fewer_passes(results)}

## The exact mode against the line-by-line reference

{_reference(results["reference"], results["steps_timed"])}

## What a pass costs

{_pass_costs(results["parts"], results["memory_mib"])}

## What should not differ

{_differences(results["largest_difference"], results["residual_grey_levels"])}
"""


def _conditions(results: dict[str, Any]) -> str:
    run = results["run"]
    weights = ", ".join(f"{name} {sha[:12]}" for name, sha in results["weights"].items())
    return f"""\
`{run["command"]}` at commit `{run["commit"]}`, {run["date"]}; {results["heads"]} heads of the
validation part of `training/splits/hc18.json` (real ultrasound, heads by their annotated ellipse),
{run["device"]} ({processor()}), {_threads(run["threads"])}, fp32. Weights: {weights}."""


def _fewer_passes(results: dict[str, Any]) -> str:
    return f"""\
{MEANING}

{_candidates(results["candidates"])}

The default mode's correlation with the first row, head by head: {_each(results["each_head"])}.

The default mode with its levels spread evenly over other ranges of lambda, the logarithm of signal
over noise; beyond each end one step is left:

{table(("lambda", *COMPARED), _ranges(results["ranges"]))}

The default mode with its pull taken in other parts, of so many published steps at most:

{table(("published steps at once", "s", *COMPARED), _pulls(results["pulls"]))}

Heads have even gain here (`USToMRILib/fetal/gain.py`). How much of a head the default mode fills,
the part of its pixels above a tenth of the range, with the gain as recorded and even:

{table(("gain", "of each head"), _gains(results["gains"]))}"""


def _pass_costs(parts: dict[str, Any], memory_mib: dict[str, float | None]) -> str:
    memory = (
        (name, "unknown" if mib is None else f"{mib:.0f}") for name, mib in memory_mib.items()
    )
    return f"""\
A matrix product of 2048 x 2048 runs at {parts["matrix_gflops"]:.0f} GFLOP/s here.

{table(PASS_COLUMNS, _passes(parts))}

One pull of the imposed correlation: {parts["pull_seconds"] * 1e3:.1f} ms.

{table(("slices", "s in all, default mode", "s a slice"), _slices(parts))}

{table(("process that loads the networks and then runs", "peak memory, MiB"), memory)}"""


def _differences(largest: dict[str, float], residual: dict[str, float]) -> str:
    return f"""\
Greatest difference on [-1, 1] between two runs of the default: {largest["twice"]:.1e}; between an
image among 8 and alone: {largest["batch_and_alone"]:.1e}; between a thread a frame and two:
{largest["threads"]:.1e}.

Mean of the residual map inside the heads, in grey levels of 255: {residual["ddib"]:.2f} for DDIB,
{residual["ddic"]:.2f} for DDIC, whose pull leaves the bridge."""


def _candidates(candidates: list[dict[str, Any]]) -> str:
    header = ("method", "solver", "steps", "similarity", "passes", "s", "times as fast")
    return table(
        (*header, *COMPARED),
        (
            (
                c["method"],
                c["solver"],
                str(c["steps"]),
                c["similarity"] if c["method"] == "ddic" else "",
                f"{c['passes']:.0f}",
                f"{c['seconds']:.2f}",
                f"{c['times_as_fast_as_published']:.0f}",
                *_compared(c),
            )
            for c in candidates
        ),
    )


def _each(correlations: list[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in correlations)


def _compared(c: dict[str, Any]) -> tuple[str, ...]:
    """The cells under :data:`COMPARED`."""
    return (
        f"{c['correlation']:.4f} ({c['least_correlation']:.4f})",
        f"{c['mean_absolute_difference']:.2f}",
        f"{c['correlation_with_ultrasound']:.3f}",
        f"{c['mutual_information_ratio']:.3f}",
        f"{c['cnr_ratio']:.3f}",
    )


def _ranges(ranges: list[dict[str, Any]]) -> Iterable[tuple[str, ...]]:
    for c in ranges:
        low, high = c["log_snr_range"]
        yield f"{low:g} to {high:g}", *_compared(c)


def _pulls(pulls: list[dict[str, Any]]) -> Iterable[tuple[str, ...]]:
    for c in pulls:
        yield str(c["pulled_at_once"]), f"{c['seconds']:.2f}", *_compared(c)


def _gains(gains: dict[str, list[float]]) -> Iterable[tuple[str, ...]]:
    for name, parts in gains.items():
        yield name, ", ".join(f"{part:.0%}" for part in parts)


def _reference(rows: list[dict[str, Any]], steps: int) -> str:
    def cell(row: dict[str, Any], name: str) -> str:
        seconds = row["seconds"]
        digits = 0 if seconds[name] > 100 else 2
        return f"{seconds[name]:.{digits}f} ({seconds['reference'] / seconds[name]:.2f})"

    header = ("seconds an image", *(_threads(row["threads"]) for row in rows))
    names = rows[0]["seconds"]
    seconds = table(header, ((name, *(cell(row, name) for row in rows)) for name in names))
    return f"""\
The reference (`Testing/bridge/reference_bridge.py`) has the same weights in the networks that were
trained (`training/networks/eps.py`, MONAI's), whose parameters ask for gradients, in PyTorch's own
layout and, for comparison, with channels last; it takes one image at a time. Seconds of wall clock
for an image, those of 1000 steps reckoned from {steps}; in brackets, how many times as fast as the
reference on as many threads. All take turns. Of several images each has a thread, as far as there
are threads; of one image the exact mode has half of them for the ultrasound while the MRI goes its
first step.

{seconds}

With the same networks the pictures of exact mode and reference differ by at most
{max(row["largest_difference"] for row in rows):.1e} on [-1, 1]. Those that were trained compute the
same as those that were exported, but round otherwise (and otherwise on more threads); medians are
then other pixels', and single pixels differ by up to
{max(row["difference_by_rounding"] for row in rows):.1e}. In double precision there is no such
difference (`Testing/training/test_inference_form.py`)."""


def _threads(number: int) -> str:
    return "1 thread" if number == 1 else f"{number} threads"


def _passes(parts: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    for p in parts["passes"]:
        yield (
            p["pass"],
            str(p["batch"]),
            f"{p['seconds'] * 1e3:.1f}",
            f"{p['gflop']:.2f}",
            f"{p['gflops']:.0f}",
            f"{p['share_of_peak']:.0%}",
        )


def _slices(parts: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    for count, seconds in parts["slices"].items():
        yield str(count), f"{seconds:.2f}", f"{seconds / count:.2f}"


def _plot(candidates: list[dict[str, Any]], path: Path, pictures: np.ndarray) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.subplot_mosaic("PPAB", width_ratios=[1.2, 1.2, 1, 1])
    plot = axes["P"]
    ddic = [c for c in candidates[1:] if c["method"] == "ddic" and c["similarity"] == "pearson"]
    for solver, (marker, colour) in MARKERS.items():
        mine = sorted((c for c in ddic if c["solver"] == solver), key=lambda c: c["passes"])
        x, y = [c["passes"] for c in mine], [1 - c["correlation"] for c in mine]
        plot.plot(x, y, marker=marker, color=colour, label=solver)
        for c, px, py in zip(mine, x, y):
            plot.annotate(str(c["steps"]), (px, py), (3, 4), textcoords="offset points", size=8)
    front = _pareto([(c["passes"], 1 - c["correlation"]) for c in ddic])
    plot.step(*zip(*front), where="post", color="#bbbbbb", lw=5, zorder=0, label="Pareto front")
    plot.set(xscale="log", yscale="log", xlabel="network passes an image")
    plot.xaxis.set_minor_formatter(NullFormatter())
    plot.yaxis.set_minor_formatter(NullFormatter())
    plot.set_ylabel(f"1 - correlation with DDIM, {candidates[0]['steps']} steps")
    plot.axhline(0.01, color="#888888", ls=":", lw=1)
    plot.legend(frameon=False)
    plot.spines[["top", "right"]].set_visible(False)
    titles = (f"DDIM, {candidates[0]['steps']} steps", "default")
    for name, picture, title in zip("AB", pictures, titles):
        axes[name].imshow(picture, cmap="gray", vmin=-1, vmax=1)
        axes[name].set_title(f"SYNTHETIC\n{title}", size=9)
        axes[name].axis("off")
    figure.savefig(path, dpi=130)


def _pareto(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other beats in both, by the first coordinate."""
    front: list[tuple[float, float]] = []
    for point in sorted(points):
        if not front or point[1] < front[-1][1]:
            front.append(point)
    return front
