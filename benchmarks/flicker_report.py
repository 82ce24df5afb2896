"""The table and the picture of ``benchmarks.flicker``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.flicker_measure import SCALES_MM
from benchmarks.markdown import table
from training.data.fetal_mri import PLANE_PIXEL_MM

WAYS = {
    "slices": "each slice alone",
    "frames": "common outline and grey levels",
    "stack": "a volume, as translated",
    "": "",
}
SCALES = [f"{scale:g} mm" if scale else "voxels" for scale in SCALES_MM] + ["slice means"]
MEANING = """\
The change is the mean absolute difference of neighbouring slices inside the brain, 4 mm from its
border, in standard deviations of the same voxels, **divided by that of the real MRI of the same
head in the same place**: 1 is as MRI, more is flicker, less is smoother than anatomy. *Voxels*
compares slices as they are; the next columns after a Gaussian blur of so many mm in the plane,
which leaves regions that jump as a whole; the last the slices' mean brightness. *Detail* is the
mean absolute difference of voxels at the same distance in the plane, likewise divided: what blurs
the picture lowers it. Means over the volumes are geometric.

The correlation with the true MRI says whether the anatomy is right. Where it is near 0 there is
no anatomy to judge, only the change from slice to slice: the networks have never seen simulated
ultrasound. *Steps of means* is the correlation of the steps in mean brightness with the
ultrasound's: a step that the ultrasound has too is followed, not drawn by chance. The MRI are
atlases, averages of many fetuses: single fetuses' MRI change somewhat more from slice to slice."""
ALIKE = {
    "with_ultrasound": "correlation with ultrasound",
    "means_with_ultrasound": "steps of means with its",
    "with_mri": "correlation with MRI",
}


def write_report(results: dict[str, Any], output: Path, pictures: dict[str, np.ndarray]) -> None:
    """Write ``output``.json, .md and .png.

    Args:
        results: of ``benchmarks.flicker.main``.
        output: path without suffix.
        pictures: volumes [k, j, i] in 0 .. 255 of the first head, by name.
    """
    output.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    output.with_suffix(".md").write_text(_text(results), encoding="utf-8")
    _plot(results, output.with_suffix(".png"), pictures)


def relative_changes(results: dict[str, Any]) -> dict[tuple[str, str], np.ndarray]:
    """Of every image and way: the changes over those of MRI, and the detail over MRI's last."""
    logs: dict[tuple[str, str], list[np.ndarray]] = {}
    for subject in results["subjects"]:
        values = {
            (row["image"], row["way"]): np.log([*row["across"], row["within"]])
            for row in subject["rows"]
        }
        for name, value in values.items():
            logs.setdefault(name, []).append(value - values["MRI", ""])
    return {name: np.exp(np.mean(value, axis=0)) for name, value in logs.items()}


def _text(results: dict[str, Any]) -> str:
    run = results["run"]
    weights = ", ".join(f"{name} {sha[:12]}" for name, sha in results["weights"].items())
    heads = ", ".join(subject["subject"] for subject in results["subjects"])
    header = ("image", "way", *SCALES, "detail", *ALIKE.values())
    return f"""\
# Flicker from slice to slice

`{run["command"]}` at commit `{run["commit"]}`, {run["date"]}; simulated swept ultrasound
(`training.simulation.fetal_pairs`) of {heads}, of the test part of
`training/splits/fetal_mri.json`, {results["slices"]} slices {results["distance_mm"]:g} mm apart
each; CPU. Weights: {weights}.

![Cuts across the slices, and the change from slice to slice](flicker.png)

## Change from slice to slice

{MEANING}

{table(header, _rows(results))}

A volume's neighbours share their latents as far as a Gaussian of sigma {results["latent_mm"]:g} mm
(`USToMRILib/bridge/shared_latents.py`).

## Where the flicker comes from

Correlation of slices of {heads.partition(",")[0]} inside the brain, and of their latents by the
network of each domain:

{table(("", "1 apart", "2 apart", "3 apart"), _latents(results))}

Where the latents of ultrasound are less alike than those of MRI, the forward ODE has made noise of
speckle, which neighbours do not have in common.

## Seconds

{table(("method", "way", "s a slice"), _seconds(results))}
"""


def _rows(results: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for (image, way), values in relative_changes(results).items():
        alike = [
            np.mean(
                [
                    row[key]
                    for subject in results["subjects"]
                    for row in subject["rows"]
                    if (row["image"], row["way"]) == (image, way)
                ]
            )
            for key in ALIKE
        ]
        yield image, WAYS[way], *(f"{value:.2f}" for value in (*values, *alike))


def _latents(results: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, values in results["latents"].items():
        yield name, *(f"{value:.2f}" for value in values)


def _seconds(results: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, seconds in results["seconds_a_slice"].items():
        method, way = name.split()
        yield method, WAYS[way], f"{seconds:.2f}"


def _plot(results: dict[str, Any], path: Path, pictures: dict[str, np.ndarray]) -> None:
    """Draw a slice and two cuts across the slices of every volume, and the changes below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.5 * len(pictures), 8.2), layout="constrained")
    places = figure.add_gridspec(2, 1, height_ratios=[1.9, 1])
    upper, lower = (figure.add_subfigure(place) for place in (places[0], places[1]))
    rows = upper.subplots(3, len(pictures), height_ratios=[2, 0.8, 0.8])
    brain = np.argwhere(pictures["MRI"])
    (_, top, left), (_, bottom, right) = brain.min(axis=0) - 12, brain.max(axis=0) + 12
    k, j, i = (brain.min(axis=0) + brain.max(axis=0)) // 2
    pixels_a_slice = results["distance_mm"] / PLANE_PIXEL_MM
    for column, (name, array) in zip(rows.T, pictures.items()):
        array = array[:, max(top, 0) : bottom, max(left, 0) : right]
        cuts = array[k], array[:, j - max(top, 0)], array[:, :, i - max(left, 0)]
        for axes, cut, aspect in zip(column, cuts, (1, pixels_a_slice, pixels_a_slice)):
            axes.imshow(cut, cmap="gray", vmin=0, vmax=255, aspect=aspect)
            axes.axis("off")
        method, _, way = name.partition(" ")
        made = f"SYNTHETIC {method}\n{WAYS[way]}" if way else f"{name}\n"
        column[0].set_title(made, size=9)
    for axes, shown in zip(lower.subplots(1, 2), ("ddib", "ddic")):
        _changes(axes, results, shown)
    figure.savefig(path, dpi=110)


def _changes(axes: Any, results: dict[str, Any], method: str) -> None:
    """Draw the change over MRI's at every scale."""
    colours = {"slices": "#b22222", "frames": "#d9a31a", "stack": "#1f6fb4", "": "#5b5b5b"}
    for (image, way), values in relative_changes(results).items():
        if image in (method, "ultrasound"):
            label = WAYS[way] or "ultrasound"
            axes.plot(SCALES, values[:-1], "o-", color=colours[way], label=label)
    axes.axhline(1, color="black", lw=1, ls="--")
    axes.text(len(SCALES) - 1, 0.98, "real MRI", ha="right", va="top", size=8)
    axes.set(
        title=method, xlabel="blur in the plane", ylabel="change / that of MRI", ylim=(0, None)
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
