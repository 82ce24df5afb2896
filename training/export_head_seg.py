"""Make the bundle ``fetal_head_seg`` of a training run, measured on the subjects held out.

``python -m training.export_head_seg --work runs/head_seg``
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.cards import bundle_metadata, model_card
from training.checkpoint import load_checkpoint
from training.data import add_data_option
from training.export import data_format, export_bundle, trace
from training.hc18 import HeadImage, read_hc18, source
from training.train_head_seg import HeadProbability, head_net
from USToMRILib import Grid, InputError, Volume
from USToMRILib.head import BUNDLE, NET_SIZE, find_head_with

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


def volume_of(head: HeadImage) -> Volume:
    """The image as a volume of one slice."""
    pixels = head.pixels
    size = (pixels.shape[1], pixels.shape[0], 1)
    return Volume(pixels[None], Grid(size, (head.pixel_size_mm, head.pixel_size_mm, 1.0)))


def measure(net: torch.nn.Module, heads: list[HeadImage]) -> dict[str, Any]:
    """Dice of the found ellipse with the annotated one, and error of its circumference."""
    dices, errors, refused = [], [], []
    for head in heads:
        try:
            found = find_head_with(net, volume_of(head))
        except InputError:
            refused.append(head.name)
            continue
        drawn = head.ellipse.mask(head.mask.shape, (head.pixel_size_mm, head.pixel_size_mm))
        mask = found.mask.array[0] > 0
        dices.append(2 * (drawn & mask).sum() / (drawn.sum() + mask.sum()))
        errors.append(found.circumference_mm - head.circumference_mm)
    absolute = np.abs(errors)
    return {
        "images": len(heads),
        "refused": refused,
        "dice_mean": round(float(np.mean(dices)), 4),
        "dice_least": round(float(np.min(dices)), 4),
        "hc_mean_absolute_error_mm": round(float(absolute.mean()), 2),
        "hc_median_absolute_error_mm": round(float(np.median(absolute)), 2),
        "hc_mean_error_mm": round(float(np.mean(errors)), 2),
        "hc_greatest_absolute_error_mm": round(float(absolute.max()), 2),
    }


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
        metrics = measure(probability, list(read_hc18(options.data / "hc18", "test")))
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
        {"command": "python -m training.export_head_seg", **metrics},
        steps=state["step"],
        split="training/splits/hc18.json",
    )
    sections = {
        "Training": f"{state['step']} steps of batch 8 on one CPU core. Half of the views show the "
        "whole image and half the head close up, as the library looks at it twice; they are "
        "turned, sheared, moved, mirrored, darkened to one side and cut out on black. One in five "
        "shows no head. Rare sizes of heads are shown more often.",
        "Limits": LIMITS,
    }
    card = model_card("Fetal head segmentation", metadata, sections)
    pixels = torch.rand(2, 1, NET_SIZE, NET_SIZE) * 2 - 1
    folder = export_bundle(
        BUNDLE, trace(probability, pixels), metadata, card, LICENCE, options.models
    )
    print(f"{folder}\n{json.dumps(metrics, indent=2)}")


if __name__ == "__main__":
    main()
