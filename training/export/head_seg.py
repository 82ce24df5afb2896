"""Make the bundle ``fetal_head_seg`` of a training run, measured on the subjects held out.

``python -m training.export.head_seg --work runs/head_seg``
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.data import fetal_planes, hc18
from training.data.hc18 import read_hc18
from training.export.bundle import data_format, export_bundle, in_half_precision, trace
from training.export.cards import bundle_metadata, model_card
from training.export.command import begin, export_parser, show
from training.export.head_measures import measure_all, picture_of_the_worst
from training.train.head_seg import HeadProbability, head_net
from USToMRILib.fetal.head import BUNDLE, NET_SIZE, net_grid, to_net

LICENCE = (
    "The weights are licensed under the Creative Commons Attribution 4.0 International licence\n"
    "(CC BY 4.0), as are the images of HC18 (doi:10.5281/zenodo.1327317) and of FETAL_PLANES_DB\n"
    "(doi:10.5281/zenodo.3904280) that they were trained on.\n"
)

TRAINING = """
{steps} steps of batch {batch}; a moving average of the weights. Half of the views show
the whole image and half the head close up, as the library looks at it; they are turned, sheared,
stretched, moved, mirrored, cropped until the head fills the image or is cut by its edge, darkened
to one side, shadowed, hazy, of another gain and compression, and cut out on black. One in five
shows another plane of a fetus, one in ten nothing. Rare sizes of heads are shown more often.
FETAL_PLANES_DB has no annotations: its heads in training are those on which three looks of the
network before agreed (`training/data/agreed_heads.json`), each looked at by eye.
"""

MEASURES = """
As the library finds heads, on subjects that training never saw. "refused": images in which it finds
none; "dice" and "hc", the head circumference, of the others against the annotation: the test part
of HC18, and "validation" its other part. "filling_the_image": the test images cropped to their
heads. "other_planes": images of abdomen, thorax and femur, "accepted" those in which it finds a
head; "brain": brain images of other scanners and hospitals, whose pixel size is not known.
"""

LIMITS = """
- Trained on standard transthalamic and transventricular planes with a head circumference of 170 to
  350 mm; other planes and first-trimester heads are found less well or not at all, and where the
  image's border cuts a head, its outline beyond is a guess.
- The ellipse has the area and second moments of the network's mask: where the mask is wrong on one
  side, the whole ellipse moves.
"""


FAILURES_FILE = "failures.jpg"

FAILURES = f"""
![The images with the greatest errors]({FAILURES_FILE})

The test images with the greatest error of the head circumference: annotated ellipse green, found
one red and dashed. In some the head's side is dark, and where the skull goes on is a guess; in
others the annotated ellipse lies off the skull that one sees.
"""


def main() -> None:
    """Make the bundle fetal_head_seg of a training run."""
    options, state = begin(export_parser(main.__doc__, "runs/head_seg", note=False))
    net = head_net()
    net.load_state_dict(state["ema"])
    probability = HeadProbability(net).eval().requires_grad_(False)
    measured = measure_all(probability, options.data)
    metadata = make_metadata(state["step"], options.work / "run.json", measured.metrics)
    pixels = first_looks(options.data)
    folder = export_bundle(
        BUNDLE,
        in_half_precision(trace(probability, pixels), (pixels,)),
        metadata,
        make_card(metadata, state["config"]["batch"]),
        LICENCE,
        options.models,
    )
    picture_of_the_worst(measured.cases, folder / "docs" / FAILURES_FILE)
    show(folder, measured.metrics)


def first_looks(data: Path, count: int = 8) -> torch.Tensor:
    """What the network sees at first of some images of the validation part, [8, 1, 192, 192]."""
    seen = []
    for head in islice(read_hc18(data / "hc18", "validation"), count):
        pixels, spacing = head.pixels, (head.pixel_size_mm, head.pixel_size_mm)
        seen.append(to_net(pixels, spacing, net_grid(pixels.shape, spacing)))
    return torch.from_numpy(np.stack(seen))[:, None]


def make_metadata(steps: int, runs_file: Path, metrics: dict[str, Any]) -> dict[str, Any]:
    """The bundle's metadata, but for the checksum."""
    channel = {"0": "ultrasound, -1 darkest and beyond the image, 1 the 99.5th percentile"}
    shape = [NET_SIZE, NET_SIZE]
    part = "training on the training part, metrics on the others of the split"
    return bundle_metadata(
        "find the fetal head in an ultrasound slice",
        "U-Net that gives the probability of head for each pixel of a fetal head ultrasound slice, "
        "laid on a square of 192x192 pixels whose width is the longer side of the slice.",
        {
            "inputs": {"image": data_format(channel, shape, [-1, 1], "image")},
            "outputs": {"pred": data_format({"0": "head"}, shape, [0, 1], "probability")},
        },
        runs_file,
        [hc18.source(part), fetal_planes.source(part)],
        {"command": "python -m training.export.head_seg", **metrics},
        steps=steps,
        split="training/splits/hc18.json, training/splits/fetal_planes.json",
    )


def make_card(metadata: dict[str, Any], batch: int) -> str:
    """The model card, in plain words."""
    sections = {
        "Training": TRAINING.format(steps=metadata["steps"], batch=batch),
        "Measures": MEASURES,
        "Limits": LIMITS,
        "Known failures": FAILURES,
    }
    return model_card("Fetal head segmentation", metadata, sections)


if __name__ == "__main__":
    main()
