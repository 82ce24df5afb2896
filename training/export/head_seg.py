"""Make the bundle ``fetal_head_seg`` of a training run, measured on the subjects held out.

``python -m training.export.head_seg --work runs/head_seg``
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import patches
from matplotlib.figure import Figure

from training.data.hc18 import HeadImage, read_hc18, source
from training.data.location import add_data_option
from training.export.bundle import data_format, export_bundle, trace
from training.export.cards import bundle_metadata, model_card
from training.train.checkpoint import load_checkpoint
from training.train.head_seg import HeadProbability, head_net
from USToMRILib import Grid, InputError, Volume
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.head import BUNDLE, NET_SIZE, find_head_with

LICENCE = (
    "The weights are licensed under the Creative Commons Attribution 4.0 International licence\n"
    "(CC BY 4.0), as are the images of HC18 (doi:10.5281/zenodo.1327317) that they were trained\n"
    "on.\n"
)

LIMITS = """
- Trained on standard transthalamic and transventricular planes with a head circumference of 170 to
  350 mm of one hospital; other planes, first-trimester heads and heads cut off by the image's
  border are found less well or not at all.
- The ellipse has the area and second moments of the network's mask: where the mask is wrong on one
  side, the whole ellipse moves.
"""


FAILURES_FILE = "failures.png"

FAILURES = f"""
![The images with the greatest errors]({FAILURES_FILE})

The test images with the greatest error of the head circumference: annotated ellipse green, found
one red and dashed. In some the head's side is dark, and where the skull goes on is a guess; in
others the annotated ellipse lies off the skull that one sees.
"""


def volume_of(head: HeadImage) -> Volume:
    """The image as a volume of one slice."""
    pixels = head.pixels
    size = (pixels.shape[1], pixels.shape[0], 1)
    return Volume(pixels[None], Grid(size, (head.pixel_size_mm, head.pixel_size_mm, 1.0)))


@dataclass(frozen=True)
class Case:
    """A head of the test part as it was found.

    Attributes:
        head: the annotated image.
        found: the ellipse that the library finds in it, in mm.
        dice: overlap of both ellipses.
    """

    head: HeadImage
    found: Ellipse
    dice: float

    @property
    def error_mm(self) -> float:
        """Error of the head circumference."""
        return self.found.circumference_mm - self.head.circumference_mm


def find_heads(net: torch.nn.Module, heads: Iterable[HeadImage]) -> tuple[list[Case], list[str]]:
    """Find heads as the library does; with them, the names of images in which none was found."""
    cases, refused = [], []
    for head in heads:
        try:
            found = find_head_with(net, volume_of(head))
        except InputError:
            refused.append(head.name)
            continue
        drawn = head.ellipse.mask(head.mask.shape, (head.pixel_size_mm, head.pixel_size_mm))
        mask = found.mask.array[0] > 0
        dice = 2 * (drawn & mask).sum() / (drawn.sum() + mask.sum())
        cases.append(Case(head, found.ellipse, float(dice)))
    return cases, refused


def measure(cases: list[Case], refused: list[str]) -> dict[str, Any]:
    """Dice of the found ellipse with the annotated one, and error of its circumference."""
    dices, errors = [case.dice for case in cases], [case.error_mm for case in cases]
    absolute = np.abs(errors)
    return {
        "images": len(cases) + len(refused),
        "refused": refused,
        "dice_mean": round(float(np.mean(dices)), 4),
        "dice_least": round(float(np.min(dices)), 4),
        "hc_mean_absolute_error_mm": round(float(absolute.mean()), 2),
        "hc_median_absolute_error_mm": round(float(np.median(absolute)), 2),
        "hc_mean_error_mm": round(float(np.mean(errors)), 2),
        "hc_greatest_absolute_error_mm": round(float(absolute.max()), 2),
    }


def picture_of_the_worst(cases: list[Case], path: Path, count: int = 6) -> None:
    """Draw the images with the greatest errors: annotated ellipse green, found one red, dashed."""
    worst = sorted(cases, key=lambda case: -abs(case.error_mm))[:count]
    figure = Figure(figsize=(12, 6), facecolor="black")
    axes = figure.subplots(2, (count + 1) // 2).flat
    for axis, case in zip(axes, worst):
        pixels, pixel = case.head.pixels, case.head.pixel_size_mm
        right, bottom = ((size - 0.5) * pixel for size in pixels.shape[::-1])
        axis.imshow(pixels, "gray", extent=(-0.5 * pixel, right, bottom, -0.5 * pixel))
        axis.add_patch(_outline(case.head.ellipse, "green", "-"))
        axis.add_patch(_outline(case.found, "red", "--"))
        axis.set_title(f"{case.head.name}: {case.error_mm:+.1f} mm", color="white", fontsize=8)
    for axis in axes:
        axis.axis("off")
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=80)


def _outline(ellipse: Ellipse, color: str, style: str) -> patches.Ellipse:
    long, short = (2 * length for length in ellipse.semi_axes)
    angle = math.degrees(ellipse.angle)
    return patches.Ellipse(
        ellipse.centre, long, short, angle=angle, fill=False, edgecolor=color, linestyle=style
    )


def main() -> None:
    """Make the bundle fetal_head_seg of a training run."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--work", type=Path, default=Path("runs/head_seg"))
    parser.add_argument("--models", type=Path, help="default: the library's folder of bundles")
    options = parser.parse_args()
    state = load_checkpoint(options.work / "checkpoint.pt")
    net = head_net()
    net.load_state_dict(state["ema"])
    probability = HeadProbability(net).eval()
    with torch.no_grad():
        cases, refused = find_heads(probability, read_hc18(options.data / "hc18", "test"))
    metrics = measure(cases, refused)
    channel = {"0": "ultrasound, -1 darkest and beyond the image, 1 the 99.5th percentile"}
    shape = [NET_SIZE, NET_SIZE]
    metadata = bundle_metadata(
        "find the fetal head in an ultrasound slice",
        "U-Net that gives the probability of head for each pixel of a fetal head ultrasound slice, "
        "laid on a square of 192x192 pixels whose width is the longer side of the slice.",
        {
            "inputs": {"image": data_format(channel, shape, [-1, 1], "image")},
            "outputs": {"pred": data_format({"0": "head"}, shape, [0, 1], "probability")},
        },
        options.work / "run.json",
        [source("training on the training part, metrics on the test part of the split")],
        {"command": "python -m training.export.head_seg", **metrics},
        steps=state["step"],
        split="training/splits/hc18.json",
    )
    sections = {
        "Training": f"{state['step']} steps of batch 8 on one CPU core; a moving average of the "
        "weights. Half of the views show the whole image and half the head close up, as the "
        "library looks at it; they are turned, sheared, moved, mirrored, darkened to one side and "
        "cut out on black. One in five "
        "shows no head. Rare sizes of heads are shown more often.",
        "Limits": LIMITS,
        "Known failures": FAILURES,
    }
    card = model_card("Fetal head segmentation", metadata, sections)
    pixels = torch.rand(2, 1, NET_SIZE, NET_SIZE) * 2 - 1
    folder = export_bundle(
        BUNDLE, trace(probability, pixels), metadata, card, LICENCE, options.models
    )
    picture_of_the_worst(cases, folder / "docs" / FAILURES_FILE)
    print(f"{folder}\n{json.dumps(metrics, indent=2)}")


if __name__ == "__main__":
    main()
