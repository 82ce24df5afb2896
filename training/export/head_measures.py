"""How well heads are found in images that training never saw, and what else is taken for one.

``python -m training.export.head_measures`` measures the bundle that is installed, as the library
uses it. ``--pictures FOLDER`` draws every failure.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib import patches
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.data.fetal_planes import read_planes
from training.data.hc18 import HeadImage, read_hc18
from training.data.location import add_data_option
from USToMRILib import Grid, InputError, Volume
from USToMRILib.compute.bundle import load_bundle
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.head import BUNDLE, find_head_with

if TYPE_CHECKING:
    from USToMRILib.fetal.head import HeadNet

# Room about the head, in lengths of it, in an image that the head fills.
_FILLED_MARGIN = 0.01


@dataclass(frozen=True)
class Case:
    """A head of known outline as it was found.

    Attributes:
        name: of the image.
        image: one slice.
        annotated: ellipse of the head in mm.
        circumference_mm: of the head, as annotated.
        found: the ellipse that the library finds, in mm.
    """

    name: str
    image: Volume
    annotated: Ellipse
    circumference_mm: float
    found: Ellipse

    @property
    def error_mm(self) -> float:
        """Error of the head circumference."""
        return self.found.circumference_mm - self.circumference_mm

    @property
    def dice(self) -> float:
        """Overlap of both ellipses."""
        _, rows, columns = self.image.array.shape
        spacing = self.image.grid.spacing[:2]
        one, other = (e.mask((rows, columns), spacing) for e in (self.annotated, self.found))
        return float(2 * (one & other).sum() / (one.sum() + other.sum()))


@dataclass(frozen=True)
class Unclear:
    """An image without a known outline, and what the library says of it.

    Attributes:
        name: of the image.
        image: one slice.
        found: the ellipse, in mm; None where it says that there is no head.
        said: why there is none.
    """

    name: str
    image: Volume
    found: Ellipse | None
    said: str = ""


def look(net: HeadNet, name: str, image: Volume) -> Unclear:
    """What the library finds in an image."""
    try:
        return Unclear(name, image, find_head_with(net, image).ellipse)
    except InputError as error:
        return Unclear(name, image, None, str(error))


def find_heads(net: HeadNet, heads: Iterable[HeadImage]) -> tuple[list[Case], list[Unclear]]:
    """Find heads as the library does; with them, the images in which it finds none."""
    cases, refused = [], []
    for head in heads:
        looked = look(net, head.name, head.volume)
        if looked.found is None:
            refused.append(looked)
            continue
        annotated, size = head.ellipse, head.circumference_mm
        cases.append(Case(head.name, looked.image, annotated, size, looked.found))
    return cases, refused


def filled(head: HeadImage) -> Volume:
    """The image cropped to its head."""
    ellipse, pixel = head.ellipse, head.pixel_size_mm
    margin = _FILLED_MARGIN * 2 * ellipse.semi_axes[0]
    reach = np.linalg.norm(ellipse.rotation * ellipse.semi_axes, axis=1) + margin
    low = np.maximum(0, np.round((ellipse.centre - reach) / pixel)).astype(int)
    high = np.round((ellipse.centre + reach) / pixel).astype(int) + 1
    pixels = head.pixels[low[1] : high[1], low[0] : high[0]]
    rows, columns = pixels.shape
    return Volume(pixels[None].copy(), Grid((columns, rows, 1), (pixel, pixel, 1.0)))


def measure(cases: list[Case], refused: list[Unclear]) -> dict[str, Any]:
    """Dice of the found ellipse with the annotated one, and error of its circumference."""
    counts = {
        "images": len(cases) + len(refused),
        "refused": [image.name for image in refused],
    }
    if not cases:
        return counts
    dices, errors = [case.dice for case in cases], [case.error_mm for case in cases]
    absolute = np.abs(errors)
    return {
        **counts,
        "dice_mean": round(float(np.mean(dices)), 4),
        "dice_least": round(float(np.min(dices)), 4),
        "hc_mean_absolute_error_mm": round(float(absolute.mean()), 2),
        "hc_median_absolute_error_mm": round(float(np.median(absolute)), 2),
        "hc_mean_error_mm": round(float(np.mean(errors)), 2),
        "hc_greatest_absolute_error_mm": round(float(absolute.max()), 2),
    }


@dataclass(frozen=True)
class Measured:
    """All that is measured of a network.

    Attributes:
        cases: heads found in the test part of HC18.
        metrics: for the card: those of :func:`measure` for the test part of HC18, and for
            "validation" the others; how many heads that "fill" their image are refused; how many
            images of "other_planes" are accepted, and of the "brain" refused.
        failures: images on which the library is wrong, by kind.
    """

    cases: list[Case]
    metrics: dict[str, Any]
    failures: dict[str, list[Unclear]]


def measure_all(net: HeadNet, data: Path) -> Measured:
    """Measure a network on everything that was held out."""
    with torch.no_grad():
        cases, refused = find_heads(net, read_hc18(data / "hc18", "test"))
        others = find_heads(net, read_hc18(data / "hc18", "validation"))
        full = [look(net, h.name, filled(h)) for h in read_hc18(data / "hc18", "test")]
        planes = _looked(net, data, brain=False)
        brains = _looked(net, data, brain=True)
    failures = {
        "refused": refused + others[1],
        "filling_refused": [image for image in full if image.found is None],
        "other_plane_accepted": [image for image in planes if image.found is not None],
        "brain_refused": [image for image in brains if image.found is None],
    }

    def counted(of: Sequence[Unclear], kind: str, verb: str) -> dict[str, Any]:
        return {"images": len(of), verb: [image.name for image in failures[kind]]}

    metrics = {
        **measure(cases, refused),
        "validation": measure(*others),
        "filling_the_image": counted(full, "filling_refused", "refused"),
        "other_planes": counted(planes, "other_plane_accepted", "accepted"),
        "brain": counted(brains, "brain_refused", "refused"),
    }
    return Measured(cases, metrics, failures)


def _looked(net: HeadNet, data: Path, brain: bool) -> list[Unclear]:
    images = read_planes(data / "fetal_planes", "test", brain)
    return [look(net, image.name, image.volume) for image in images]


def picture_of_the_worst(cases: list[Case], path: Path, count: int = 6) -> None:
    """Draw the images with the greatest errors: annotated ellipse green, found one red, dashed."""
    worst = sorted(cases, key=lambda case: -abs(case.error_mm))[:count]
    figure = Figure(figsize=(12, 6), facecolor="black")
    for axis, case in zip(figure.subplots(2, (count + 1) // 2).flat, worst):
        _show(axis, case.image, f"{case.name}: {case.error_mm:+.1f} mm")
        axis.add_patch(_outline(case.annotated, "green", "-"))
        axis.add_patch(_outline(case.found, "red", "--"))
    _save(figure, path)


def pictures(images: Sequence[Unclear], path: Path, columns: int = 5) -> None:
    """Draw images with their names and what was found in them, if anything."""
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.7 * rows), facecolor="black")
    for axis, image in zip(figure.subplots(rows, columns, squeeze=False).flat, images):
        _show(axis, image.image, image.name)
        if image.found is not None:
            axis.add_patch(_outline(image.found, "red", "--"))
    _save(figure, path)


def _show(axis: Axes, image: Volume, title: str) -> None:
    (columns, rows, _), (x, y, _) = image.grid.size, image.grid.spacing
    axis.imshow(
        image.array[0],
        "gray",
        extent=(-0.5 * x, (columns - 0.5) * x, (rows - 0.5) * y, -0.5 * y),
    )
    axis.set_title(title, color="white", fontsize=8)


def _save(figure: Figure, path: Path) -> None:
    for axis in figure.axes:
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
    """Measure the bundle that finds fetal heads."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="of every failure")
    options = parser.parse_args()
    measured = measure_all(load_bundle(BUNDLE).net, options.data)
    print(json.dumps(measured.metrics, indent=2))
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
        picture_of_the_worst(measured.cases, options.pictures / "worst.png")
        for kind, images in measured.failures.items():
            if images:
                pictures(images, options.pictures / f"{kind}.png")


if __name__ == "__main__":
    main()
