"""The DDIC paper's comparison of outlines: the same prompt on ultrasound and pseudo-MRI.

A segmenter outlines one structure in the ultrasound at its full size, in the ultrasound at
128 x 128 pixels, which is what the networks see, and in the pseudo-MRI. Where the pseudo-MRI shows
the structure more clearly, its outline should be smoother. A smooth outline is not a right one.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..fetal.ellipse import Ellipse
from ..fetal.frame_spec import FrameSpec
from ..image.display import eight_bit, ultrasound_levels
from ..image.folders import same_name
from ..reader_study.pairs import StudyPair
from .outline_shape import OutlineShape, measure, outline_of
from .segmenters import Prompt, Segmenter

FULL, SMALL, PSEUDO_MRI = "ultrasound, full size", "ultrasound, 128 x 128", "pseudo-MRI (synthetic)"
IMAGES = (FULL, SMALL, PSEUDO_MRI)

# That of the paper's comparison.
_FRAME = FrameSpec.paper()

_CORNERS = ("left", "top", "right", "bottom")


@dataclass(frozen=True)
class OutlineTask:
    """A structure to outline in a case; the prompt is in pixels of the ultrasound."""

    case: str
    structure: str
    prompt: Prompt


@dataclass(frozen=True)
class View:
    """An image with its prompt.

    Attributes:
        pixels: uint8 [rows, columns].
        spacing: (x, y) of its pixels in mm.
        prompt: in its pixels.
    """

    pixels: np.ndarray
    spacing: tuple[float, float]
    prompt: Prompt


@dataclass(frozen=True)
class Outline:
    """What was outlined in a view: a closed polygon [points, 2] in mm, and its shape."""

    view: View
    polygon: np.ndarray
    shape: OutlineShape


@dataclass(frozen=True)
class Outlined:
    """The outlines of one task, by image."""

    task: OutlineTask
    outlines: dict[str, Outline]

    @property
    def name(self) -> str:
        """Case and structure."""
        return f"{self.task.case}, {self.task.structure}".rstrip(", ")


def read_tasks(path: Path) -> tuple[list[OutlineTask], list[str]]:
    """Read prompts from a CSV: ``case,structure,left,top,right,bottom,x,y``, in pixels.

    ``x,y``, a point in the structure, and ``structure`` may be left out.

    Returns:
        The tasks, and a sentence for every row that cannot be used.

    Raises:
        InputError: if the file cannot be read or holds no prompt.
    """
    tasks, problems = [], []
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({error}); give a CSV of prompts.") from error
    for number, row in enumerate(rows, start=2):
        try:
            tasks.append(_read_task(row))
        except InputError as error:
            problems.append(f"{path.name}, row {number}: {error}")
        except (KeyError, TypeError, ValueError):
            problems.append(
                f"{path.name}, row {number}: case, left, top, right and bottom are needed."
            )
    if not tasks:
        raise InputError(f"{path} holds no prompt. {' '.join(problems)}".strip())
    return tasks, problems


def _read_task(row: Mapping[str, str]) -> OutlineTask:
    left, top, right, bottom = (float(row[name]) for name in _CORNERS)
    point = (float(row["x"]), float(row["y"])) if row.get("x") and row.get("y") else None
    prompt = Prompt((left, top, right, bottom), point)
    return OutlineTask(same_name(row["case"].strip()), (row.get("structure") or "").strip(), prompt)


def outline_tasks(
    pairs: Iterable[StudyPair],
    tasks: Sequence[OutlineTask],
    segmenter: Segmenter,
) -> tuple[list[Outlined], list[str]]:
    """Outline every task in its pair's three images.

    Returns:
        What was outlined, and a sentence for every task that has no pair or failed.
    """
    by_case = {pair.case: pair for pair in pairs}
    outlined, problems = [], []
    for task in tasks:
        name = f"{task.case}, {task.structure}".rstrip(", ")
        try:
            if task.case not in by_case:
                raise InputError("There is no pair of this name.")
            views = make_views(by_case[task.case], task.prompt)
            outlined.append(Outlined(task, {n: _outline(v, segmenter) for n, v in views.items()}))
        except InputError as error:
            problems.append(f"{name}: {error}")
    return outlined, problems


def make_views(pair: StudyPair, prompt: Prompt) -> dict[str, View]:
    """Return the three images of a square of 140 mm around the head, and the prompt in each.

    The square is the paper's frame, but not turned. The ultrasound at 128 x 128 pixels is black
    outside the head, as the networks see it.

    Raises:
        InputError: if the pair is a volume, the pseudo-MRI is empty, or the prompt lies outside.
    """
    from skimage.transform import resize

    if not pair.ultrasound.is_slice:
        raise InputError("Outlines are compared in single slices, and this is a volume.")
    ultrasound, mri = pair.ultrasound.array[0], pair.pseudo_mri.array[0]
    spacing = pair.ultrasound.grid.spacing[:2]
    head = mri > 0
    start, size = _square(Ellipse.from_mask(head, spacing), spacing)
    levels, inside, values = (
        _cut(image, start, size) for image in (ultrasound_levels(ultrasound, head), head, mri)
    )
    scale = np.array(_FRAME.shape[::-1]) / size
    masked = np.where(inside, levels, 0).astype(np.float32)
    # The pseudo-MRI was made at this size: smoothing it before sampling would flatter it.
    pixels = {
        FULL: levels,
        SMALL: eight_bit(resize(masked, _FRAME.shape, order=1, anti_aliasing=True)),
        PSEUDO_MRI: eight_bit(
            resize(values.astype(np.float32), _FRAME.shape, order=1, anti_aliasing=False)
        ),
    }
    views = {}
    for name, image in pixels.items():
        factor = np.ones(2) if name == FULL else scale
        x, y = np.array(spacing) / factor
        views[name] = View(image, (float(x), float(y)), prompt.moved(start, factor))
        _check_inside(views[name])
    return views


def _square(ellipse: Ellipse, spacing: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return first pixel and size, (column, row) each, of the square around a head."""
    size = np.rint(np.array(_FRAME.shape[::-1]) * _FRAME.pixel_mm / np.array(spacing))
    start = np.rint(np.array(ellipse.centre) / spacing - (size - 1) / 2)
    return start.astype(int), size.astype(int)


def _cut(image: np.ndarray, start: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return a part of [rows, columns], 0 where it reaches beyond the image."""
    cut = np.zeros(size[::-1], image.dtype)
    here, there = [], []
    for first, length, whole in zip(start[::-1], size[::-1], image.shape):
        low, high = max(0, int(first)), min(whole, int(first + length))
        here.append(slice(low - int(first), high - int(first)))
        there.append(slice(low, high))
    cut[tuple(here)] = image[tuple(there)]
    return cut


def _check_inside(view: View) -> None:
    rows, columns = view.pixels.shape
    left, top, right, bottom = view.prompt.box
    if left < 0 or top < 0 or right > columns - 1 or bottom > rows - 1:
        raise InputError("The prompt's box lies outside the head; give it in pixels of the image.")


def _outline(view: View, segmenter: Segmenter) -> Outline:
    polygon = outline_of(segmenter.segment(view.pixels, view.prompt), view.spacing)
    return Outline(view, polygon, measure(polygon))


def as_json(outlined: Sequence[Outlined], segmenter: Segmenter) -> dict[str, Any]:
    """Everything measured, ready for JSON."""
    return {
        "segmenter": segmenter.name,
        "outlines": [
            {
                "case": one.task.case,
                "structure": one.task.structure,
                "prompt": asdict(one.task.prompt),
                "images": {name: asdict(o.shape) for name, o in one.outlines.items()},
            }
            for one in outlined
        ],
    }
