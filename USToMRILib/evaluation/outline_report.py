"""The report's part about outlines, with the picture of the DDIC paper's Figure 6."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .comparison_tables import comparison_table
from .figures import case_grid
from .formatting import summary_text
from .metrics import Metric
from .outline_shape import SMOOTHING_MM
from .outlines import IMAGES, Outlined, View, as_json
from .packages import check_packages
from .report import Block, Bullets, Heading, Paragraph, Section, Table, photograph
from .results import MetricResult
from .segmenters import Segmenter
from .statistics import compare_methods, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_AT_SCALE = f"of the outline smoothed by a Gaussian of {SMOOTHING_MM:g} mm along itself"
_METRICS = {
    "area_mm2": Metric("area", "mm²", "", "of the outline as it is", None),
    "roundness": Metric("roundness", "", "higher", f"4 pi area / length², {_AT_SCALE}", None),
    "bending": Metric(
        "bending energy", "", "lower", f"length / 4 pi² x integral of curvature², {_AT_SCALE}", None
    ),
}
_SHOWN = 6
_WINDOW_MM = 60.0
_LINE, _PROMPT = "#ffd84d", "#56b4e9"


def section(outlined: Sequence[Outlined], segmenter: Segmenter, problems: Sequence[str]) -> Section:
    """Make the part.

    Args:
        outlined: at least one.
        segmenter: that outlined them.
        problems: what was left out.

    Raises:
        InputError: if the packages of the extra ``evaluation`` are not installed.
    """
    check_packages()
    results = _results(outlined)
    shown = _SHOWN if len(outlined) > _SHOWN else len(outlined)
    text = (
        f"Outlined by: {segmenter.name}, from the same prompt on each image. Roundness and bending "
        f"energy are those {_AT_SCALE}; both are 1 for a circle. A smooth outline shows that the "
        "segmenter found a clear edge; it does not show that the edge is where the anatomy has it."
    )
    picture = photograph(
        figure(outlined[:shown]),
        f"The first {shown} of {len(outlined)} prompts (blue) and outlines (yellow), as Figure 6 "
        f"of the DDIC paper; {_WINDOW_MM:g} mm are shown. Segmenter: {segmenter.name}. The "
        "pseudo-MRI is synthetic.",
    )
    rows = [
        [name, *(summary_text(r.summaries[name], r.decimals, len(outlined)) for r in results)]
        for name in IMAGES
    ]
    header = ["image", *(_head(r.metric) for r in results)]
    means = Table(header, rows, "mean ± sd [95 % interval]")
    blocks: list[Block] = [Paragraph(text), picture, means, comparison_table(results)]
    if problems:
        blocks += [Heading("Left out"), Bullets(problems)]
    data: dict[str, Any] = {**as_json(outlined, segmenter), "problems": list(problems)}
    return Section("Outlines", blocks, {"outlines": data})


def _head(metric: Metric) -> str:
    return f"{metric.label}, {metric.unit}" if metric.unit else metric.label


def _results(outlined: Sequence[Outlined]) -> list[MetricResult]:
    """Return each measure as the evaluation's tables want it."""
    results = []
    for measure, metric in _METRICS.items():
        values = {
            name: {one.name: getattr(one.outlines[name].shape, measure) for one in outlined}
            for name in IMAGES
        }
        summaries = {name: summarise(list(found.values())) for name, found in values.items()}
        results.append(MetricResult(metric, values, summaries, compare_methods(values)))
    return results


def figure(outlined: Sequence[Outlined]) -> Figure:
    """Draw Figure 6 of the DDIC paper: rows of prompts, the images side by side, with outlines."""
    rows: dict[str, list[np.ndarray | None]] = {
        one.name: [one.outlines[name].view.pixels for name in IMAGES] for one in outlined
    }
    drawn = case_grid([name.replace(", ", "\n") for name in IMAGES], rows)
    outlines = [one.outlines[name] for one in outlined for name in IMAGES]
    for panel, outline in zip(drawn.axes, outlines):
        left, top, right, bottom = outline.view.prompt.box
        panel.plot(
            [left, right, right, left, left], [top, top, bottom, bottom, top], _PROMPT, lw=0.8
        )
        x, y = (np.vstack([outline.polygon, outline.polygon[:1]]) / outline.view.spacing).T
        panel.plot(x, y, _LINE, lw=1.1)
        _show_around(panel, outline.view)
    return drawn


def _show_around(panel: Axes, view: View) -> None:
    """Show the prompt's surroundings, the same length in every image."""
    left, top, right, bottom = view.prompt.box
    x, y = _WINDOW_MM / 2 / np.array(view.spacing)
    panel.set_xlim((left + right) / 2 - x, (left + right) / 2 + x)
    panel.set_ylim((top + bottom) / 2 + y, (top + bottom) / 2 - y)
