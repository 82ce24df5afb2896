"""The methods on real heads that no network has seen: landmarks, contrast, steadiness."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import rotate

from benchmarks.fetal.pictures import Head, Pictures, made_by, ultrasound
from training.data.brain_slices import FRAME, atlas_slices
from training.data.hc18 import HeadImage, read_hc18
from training.data.splits import read_split
from USToMRILib.evaluation.distribution import kernel_from, offline_extractor
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.tissues import Tissue

MARKS = Path(__file__).parent / "marks.json"
ULTRASOUND = "ultrasound itself"
PARTS = ("validation", "test")

# Of the ventricle: within so many pixels of the marked plexus; of white matter: of that ventricle.
_NEAR_PLEXUS, _NEAR_VENTRICLE = 14, 8


@dataclass(frozen=True)
class Marks:
    """What was marked by eye on an image.

    Attributes:
        plexus: (column, row) in pixels of spots of choroid plexus, by "distal" and "proximal".
        regions: by "ventricle" and "tissue": centre (column, row), and semi-axes in mm along and
            across the midline.
    """

    plexus: dict[str, tuple[float, float]]
    regions: dict[str, dict[str, Any]]


def read_marks() -> dict[str, Marks]:
    """The marks, by the name of the image."""
    marked = json.loads(MARKS.read_text(encoding="utf-8"))
    return {
        name: Marks(plexus, marked["regions"].get(name, {}))
        for name, plexus in marked["choroid_plexus"].items()
    }


def head_of(image: HeadImage) -> Head:
    """An annotated image of HC18."""
    return Head(image.name, image.pixels, (image.pixel_size_mm,) * 2, image.ellipse)


def withheld_heads(data: Path) -> list[Head]:
    """All images of validation and test part."""
    return [head_of(image) for part in PARTS for image in read_hc18(data / "hc18", part)]


def landmarks(pictures: Pictures, heads: Sequence[Head], marks: dict[str, Marks]) -> dict[str, Any]:
    """Marked choroid plexus against tissues: how much of it lies in a ventricle.

    Returns:
        For "distal" and "proximal": [spots in a ventricle, spots].
    """
    assert pictures.tissues is not None
    hits: dict[str, list[int]] = {"distal": [0, 0], "proximal": [0, 0]}
    for head, tissues in zip(heads, pictures.tissues):
        for side, point in marks[head.name].plexus.items():
            x, y = np.round(head.in_frame(point)).astype(int)
            hits[side][0] += int(tissues[y, x] == Tissue.VENTRICLES)
            hits[side][1] += 1
    return hits


def regions_by_hand(head: Head, marks: Marks) -> tuple[np.ndarray, np.ndarray]:
    """Bool [128, 128] twice: the ventricle and the tissue beside it, as drawn."""
    pixel = head.frame.pixel_mm
    masks = []
    for name in ("ventricle", "tissue"):
        region = marks.regions[name]
        x, y = head.in_frame(region["centre"])
        along, across = (axis / pixel for axis in region["semi_axes_mm"])
        rows, columns = np.indices(FRAME.shape)
        masks.append(((columns - x) / along) ** 2 + ((rows - y) / across) ** 2 <= 1)
    return masks[0], masks[1]


def regions_by_tissues(
    head: Head, marks: Marks, tissues: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bool [128, 128] twice: ventricle about the distal plexus, and white matter beside it."""
    from scipy.ndimage import distance_transform_edt

    x, y = head.in_frame(marks.plexus["distal"])
    rows, columns = np.indices(FRAME.shape)
    near = np.hypot(columns - x, rows - y) <= _NEAR_PLEXUS
    ventricle = near & (tissues == Tissue.VENTRICLES)
    beside = distance_transform_edt(~ventricle) <= _NEAR_VENTRICLE
    return ventricle, beside & (tissues == Tissue.WHITE_MATTER)


def contrast(image: np.ndarray, regions: tuple[np.ndarray, np.ndarray]) -> float:
    """CNR |mean - mean| / sqrt(var + var) of two regions; NaN where one is all but empty."""
    a, b = (image[region].astype(float) for region in regions)
    if min(a.size, b.size) < 20:
        return float("nan")
    return float(abs(a.mean() - b.mean()) / np.sqrt(a.var() + b.var()))


def contrasts(
    pictures: dict[str, Pictures],
    heads: Sequence[Head],
    marks: dict[str, Marks],
    tissues: np.ndarray,
) -> dict[str, dict[str, list[float]]]:
    """CNR of the distal lateral ventricle in every picture: [mean, deviation, heads].

    Args:
        pictures: by method.
        heads: whose pictures they are.
        marks: of the heads.
        tissues: [N, 128, 128] from which regions are taken; the same for all pictures.

    Returns:
        By "hand" and "tissues", how the regions were drawn, and by method.
    """
    drawn: dict[str, list[tuple[int, tuple[np.ndarray, np.ndarray]]]] = {"hand": [], "tissues": []}
    for n, head in enumerate(heads):
        mark = marks[head.name]
        if mark.regions:
            drawn["hand"].append((n, regions_by_hand(head, mark)))
        if "distal" in mark.plexus:
            drawn["tissues"].append((n, regions_by_tissues(head, mark, tissues[n])))
    return {
        how: {name: _summary([contrast(p.images[n], r) for n, r in regions])
              for name, p in pictures.items()}
        for how, regions in drawn.items()
    }  # fmt: skip


def _summary(values: Sequence[float]) -> list[float]:
    there = np.array(values)[np.isfinite(values)]
    return [float(there.mean()), float(there.std()), float(len(there))]


def louder(head: Head, decibels: float) -> Head:
    """The same image with another gain, 8 bits of a display of 60 dB."""
    return replace(head, pixels=np.clip(head.pixels + decibels * 255 / 60, 0, 255))


def turned(head: Head, degrees: float) -> Head:
    """The same image turned about the middle of the head."""
    return replace(
        head,
        outline=Ellipse(
            head.outline.centre, head.outline.semi_axes, head.outline.angle + np.radians(degrees)
        ),
    )


def steadiness(method: str, heads: Sequence[Head], plain: Pictures) -> dict[str, float]:
    """Correlation inside the brain with the picture of the image as it is, mean over heads.

    Gain of -6 and +6 dB; and an outline that errs by 3 degrees either way, whose picture is
    turned back.
    """
    louder_by = [made_by(method, [louder(h, db) for h in heads]) for db in (-6, 6)]
    turned_by = [made_by(method, [turned(h, d) for h in heads]) for d in (-3, 3)]
    back = [
        np.stack([rotate(image, -d, reshape=False, order=1) for image in made.images])
        for made, d in zip(turned_by, (-3, 3))
    ]
    return {
        "gain": _correlation(heads, plain.images, [made.images for made in louder_by]),
        "rotation": _correlation(heads, plain.images, back),
    }


def _correlation(heads: Sequence[Head], plain: np.ndarray, others: Sequence[np.ndarray]) -> float:
    values = [
        np.corrcoef(a[head.frame.mask], b[head.frame.mask])[0, 1]
        for other in others
        for head, a, b in zip(heads, plain, other)
    ]
    return float(np.mean(values))


def repeatability(pictures: Pictures, heads: Sequence[Head]) -> list[float]:
    """Correlation of the pictures of two images of one fetus, mirrored as suits them best.

    Returns:
        [mean, deviation, pairs].
    """
    by_subject: dict[str, list[int]] = {}
    for n, head in enumerate(heads):
        by_subject.setdefault(head.name.split("_")[0], []).append(n)
    pairs = [numbers[:2] for numbers in by_subject.values() if len(numbers) > 1]
    return _summary([_best_mirrored(*(pictures.images[n] for n in pair)) for pair in pairs])


def _best_mirrored(one: np.ndarray, other: np.ndarray) -> float:
    core = (one > 0) | (other > 0)
    ways = [other[::down, ::across] for down, across in itertools.product((1, -1), (1, -1))]
    return max(float(np.corrcoef(one[core], way[core])[0, 1]) for way in ways)


def kernel_distances(
    pictures: dict[str, Pictures], heads: Sequence[Head], data: Path
) -> dict[str, float]:
    """Kernel distance of each set of pictures from MRI slices of the test part, in the frame.

    The MRI goes the way of the pictures, onto the grid of a head's image and back: the two
    resamplings alone take it from itself as far as a picture is from it.
    """
    subjects = read_split("fetal_mri")["test"]
    slices = atlas_slices(data / "fetal_mri", subjects, 24, np.random.default_rng(0))
    frames = itertools.cycle([head.frame for head in heads])
    shown = [(s.mri + 1) * 127.5 for s in slices]
    mri = [frame.to_frame(frame.to_source(image)) for image, frame in zip(shown, frames)]
    features = offline_extractor().features
    distance = kernel_from(features(np.stack(mri)))
    return {name: distance(features(made.images)) for name, made in pictures.items()}


def all_pictures(methods: Sequence[str], heads: Sequence[Head]) -> dict[str, Pictures]:
    """The ultrasound itself and what each method makes of it."""
    return {ULTRASOUND: ultrasound(heads), **{m: made_by(m, heads) for m in methods}}
