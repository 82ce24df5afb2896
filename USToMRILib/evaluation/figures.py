"""Figures of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .pairing import REFERENCE
from .results import MetricResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_GREY = "#6b7685"
_COLUMNS = 4
_JITTER = 0.09
# Width of an image in inches.
_CELL = 2.1


def method_colours(methods: Sequence[str]) -> dict[str, str]:
    """One colour for each method in all figures; grey for the references."""
    colours = {m: _COLOURS[i % len(_COLOURS)] for i, m in enumerate(methods)}
    return {**colours, REFERENCE: _GREY}


def box_plots(results: Mapping[str, MetricResult], colours: Mapping[str, str]) -> Figure:
    """A panel for each metric, a box for each method.

    Box: quartiles and median; whiskers: 5th and 95th percentile; points: the cases, a line joins
    those of one case. Of distances between sets: box of bootstrap resamples, diamond: the distance.
    """
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(results))
    rows = -(-len(results) // columns)
    figure = Figure(figsize=(2.75 * columns, 2.9 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, result in zip(panels, results.values()):
        _box_plot(panel, result, colours)
    for panel in panels[len(results) :]:
        panel.set_visible(False)
    return figure


def _box_plot(panel: Axes, result: MetricResult, colours: Mapping[str, str]) -> None:
    methods = list(result.summaries)
    for position, method in enumerate(methods):
        colour = colours[method]
        shown = result.resampled.get(method) or list(result.values.get(method, {}).values())
        if len(shown) > 1:
            panel.boxplot(
                [shown],
                positions=[position],
                widths=0.5,
                whis=(5, 95),
                showfliers=False,
                patch_artist=True,
                boxprops={"facecolor": colour, "alpha": 0.25, "edgecolor": colour},
                medianprops={"color": colour, "linewidth": 2},
                whiskerprops={"color": colour},
                capprops={"color": colour},
            )
        if method not in result.values:
            mean = result.summaries[method].mean
            panel.plot(position, mean, "D", color=colour, markersize=5, zorder=4)
    if result.values:
        _points(panel, result, methods, colours)
    panel.set_title(result.metric.title, fontsize=10, loc="left")
    panel.set_xticks(range(len(methods)), methods, fontsize=9)
    panel.set_xlim(-0.6, len(methods) - 0.4)
    panel.tick_params(axis="y", labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)


def _points(
    panel: Axes, result: MetricResult, methods: Sequence[str], colours: Mapping[str, str]
) -> None:
    cases = {case: None for values in result.values.values() for case in values}
    jitter = np.random.default_rng(0).uniform(-_JITTER, _JITTER, len(cases))
    for case, shift in zip(cases, jitter):
        found = [
            (i, result.values[m][case]) for i, m in enumerate(methods) if case in result.values[m]
        ]
        x, y = [i + shift for i, _ in found], [value for _, value in found]
        panel.plot(x, y, color=_GREY, alpha=0.25, linewidth=0.7, zorder=2)
        panel.scatter(x, y, s=9, c=[colours[methods[i]] for i, _ in found], zorder=3, linewidths=0)


def case_grid(columns: Sequence[str], rows: Mapping[str, Sequence[np.ndarray | None]]) -> Figure:
    """Rows of cases, columns of methods, as Figure 3 of the DDIC paper.

    Args:
        columns: titles.
        rows: by the name of the case, slices [j, i] in 0 .. 255, the first of which is there; None
            where there is none.
    """
    from matplotlib.figure import Figure

    heights = [row[0].shape[0] / row[0].shape[1] for row in rows.values() if row[0] is not None]
    figure = Figure(
        figsize=(_CELL * len(columns) + 0.35, _CELL * sum(heights) + 0.45),
        layout="constrained",
        facecolor="black",
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)  # type: ignore[union-attr,call-arg]
    panels = figure.subplots(len(rows), len(columns), squeeze=False, height_ratios=heights)
    for (name, images), line in zip(rows.items(), panels):
        for panel, image in zip(line, images):
            panel.set_xticks([])
            panel.set_yticks([])
            panel.set_facecolor("black")
            panel.spines[:].set_visible(False)
            if image is not None:
                panel.imshow(image, cmap="gray", vmin=0, vmax=255)
        line[0].set_ylabel(name, color="white", fontsize=9)
    for panel, title in zip(panels[0], columns):
        panel.set_title(title, color="white", fontsize=10)
    return figure
