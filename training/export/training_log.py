"""BrainVoxGen's Table 1 and loss curves (Figures 5 to 8), from the log of a training.

``python -m training.export.training_log LOG.jsonl --report OUT.html`` draws them on one page.

The log is what ``training.train.pix2pix3d`` writes: one JSON object a line with ``step``, the
losses ``discriminator``, ``gan``, ``l1`` and ``total`` (means since the line before), and at every
tenth of the run ``validation_ssim``, ``validation_psnr`` ... of held-out heads.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from training.train.runlog import read_log
from USToMRILib.errors import InputError
from USToMRILib.evaluation.formatting import number
from USToMRILib.evaluation.report import (
    Block,
    Paragraph,
    Section,
    Table,
    drawing,
    write_report,
    write_results,
)
from USToMRILib.files import atomic, check_creatable, check_readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOSSES = {
    "discriminator": "discriminator",
    "gan": "generator, adversarial",
    "l1": "generator, L1",
    "total": "generator, total",
}
"""The losses of a log, and what the papers call them."""

MEASURES = {"ssim": "SSIM", "psnr": "PSNR, dB", "l1": "L1, of 255", "ssim_all": "SSIM, all voxels"}
_TENTHS = 10
_DECIMALS = {"ssim": 3, "psnr": 2, "l1": 2, "ssim_all": 3}
# Of the run: how far the curve's moving average looks back.
_SMOOTHED_SHARE = 0.05


def read_training_log(path: Path) -> list[dict[str, float]]:
    """Read a log's entries in the order of their steps.

    Raises:
        InputError: if the file is no such log, or holds no losses.
    """
    check_readable(path)
    try:
        # A run that was stopped and went on may have logged a step twice: the later entry counts.
        by_step = {int(entry["step"]): entry for entry in read_log(path)}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no log of a training; give the log.jsonl of its folder."
        ) from error
    if not any(name in entry for entry in by_step.values() for name in LOSSES):
        raise InputError(f"{path} holds no losses of a 3D pix2pix; give the log.jsonl of its run.")
    return [by_step[step] for step in sorted(by_step)]


def tenths(entries: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Return what was measured on held-out heads at each tenth of the run.

    Returns:
        For each tenth the entry measured nearest to it, as ``share`` (0.1 .. 1), ``step`` and the
        :data:`MEASURES`. A run that was lengthened has measured at other steps than its tenths, and
        one that goes on lacks the last ones: an entry more than half a tenth away is left out.
    """
    last = entries[-1]["step"]
    measured = [entry for entry in entries if "validation_ssim" in entry]
    rows = []
    for tenth in range(1, _TENTHS + 1):
        wanted = last * tenth / _TENTHS
        near = [entry for entry in measured if abs(entry["step"] - wanted) < last / _TENTHS / 2]
        if near:
            entry = min(near, key=lambda entry: abs(entry["step"] - wanted))
            found = {m: entry[f"validation_{m}"] for m in MEASURES if f"validation_{m}" in entry}
            rows.append({"share": tenth / _TENTHS, "step": entry["step"], **found})
    return rows


def tenths_table(rows: Sequence[dict[str, float]]) -> tuple[list[str], list[list[str]]]:
    """Return head and body of BrainVoxGen's Table 1, as text, of what :func:`tenths` returns."""
    measures = [name for name in MEASURES if any(name in row for row in rows)]
    body = [
        [f"{row['share']:.0%}", f"{row['step']:g}"]
        + [number(row.get(name), _DECIMALS[name]) for name in measures]
        for row in rows
    ]
    return ["of the training", "step", *(MEASURES[name] for name in measures)], body


def figure(entries: Sequence[dict[str, float]]) -> Figure:
    """Draw the losses over the steps: as logged, and their moving average."""
    from matplotlib.figure import Figure

    result = Figure(figsize=(9, 5.2), layout="constrained")
    panels = result.subplots(2, 2, sharex=True)
    for panel, (name, label) in zip(panels.flat, LOSSES.items()):
        logged = [(e["step"], e[name]) for e in entries if math.isfinite(e.get(name, math.nan))]
        if logged:
            steps, values = zip(*logged)
            panel.plot(steps, values, color="#b9c3cd", lw=0.8)
            panel.plot(steps, _averaged(values), color="#0b5c8a", lw=1.5)
            if min(values) > 0 and max(values) > 20 * min(values):
                panel.set_yscale("log")
        panel.set_title(label, loc="left", fontsize=10)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", color="#e6e9ed")
    for panel in panels[-1]:
        panel.set_xlabel("step")
    return result


def _averaged(values: Sequence[float]) -> list[float]:
    """Return the mean of each value and those shortly before it."""
    window = max(1, round(_SMOOTHED_SHARE * len(values)))
    recent = [values[max(0, n - window + 1) : n + 1] for n in range(len(values))]
    return [sum(part) / len(part) for part in recent]


def section(entries: Sequence[dict[str, float]]) -> Section:
    """Make the report's part about a training."""
    lead = Paragraph(
        f"The log of {entries[-1]['step']:g} steps. Losses are those of training patches, the "
        "table's measures those of held-out heads, inside the cone where nothing else is said. "
        "BrainVoxGen's own table and curves are of another network and other data: their shapes "
        "can be compared, their numbers cannot."
    )
    caption = "Losses (grey: as logged; blue: moving average), as Figures 5 to 8."
    rows = tenths(entries)
    title = "Held-out heads at each tenth of the training, as Table 1 of BrainVoxGen"
    measured: Block = Paragraph("Nothing was measured on held-out heads.", "note")
    if rows:
        measured = Table(*tenths_table(rows), title)
    return Section(
        "Training of the 3D network",
        [lead, drawing(figure(entries), caption), measured],
        {"training": {"tenths": rows, "losses": _losses(entries)}},
    )


def _losses(entries: Sequence[dict[str, float]]) -> dict[str, list[list[float]]]:
    return {
        name: [
            [entry["step"], entry[name]]
            for entry in entries
            if math.isfinite(entry.get(name, math.nan))
        ]
        for name in LOSSES
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, and its numbers as JSON; return the exit status."""
    parser = argparse.ArgumentParser(description="Loss curves of the 3D network's training.")
    parser.add_argument("log", type=Path, metavar="LOG.jsonl", help="of training.train.pix2pix3d")
    parser.add_argument("--json", type=Path, metavar="FILE.json")
    parser.add_argument("--report", type=Path, metavar="FILE.html", required=True)
    options = parser.parse_args(arguments)
    try:
        for path in (options.json, options.report):
            if path:
                check_creatable(path)
        part = section(read_training_log(options.log))
        with ExitStack() as files:
            if options.json:
                write_results(files.enter_context(atomic(options.json)), [part])
            report = files.enter_context(atomic(options.report))
            write_report(report, part.title, f"From {options.log.name}.", [part])
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
