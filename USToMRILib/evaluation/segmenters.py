"""Segmenters that are told by a prompt what to outline."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import numpy as np

from ..errors import InputError
from ..files import check_readable


@dataclass(frozen=True)
class Prompt:
    """What to outline, in pixel coordinates (column, row) of an image.

    Attributes:
        box: left, top, right, bottom; the structure lies inside.
        point: inside the structure; None: the middle of the box.
    """

    box: tuple[float, float, float, float]
    point: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check that there is something inside."""
        left, top, right, bottom = self.box
        x, y = self.inside
        if not (left < x < right and top < y < bottom):
            raise InputError(
                f"The prompt's box {self.box} is empty or does not hold the point ({x:g}, {y:g}); "
                "give left, top, right, bottom with the point between them."
            )

    @property
    def inside(self) -> tuple[float, float]:
        """A point in the structure."""
        left, top, right, bottom = self.box
        return self.point or ((left + right) / 2, (top + bottom) / 2)

    def moved(self, offset: np.ndarray, scale: np.ndarray) -> Prompt:
        """The same prompt in an image whose pixel p lies at ``offset + (p + 1/2) / scale - 1/2``.

        Args:
            offset, scale: (column, row) each.
        """

        def there(x: float, y: float) -> tuple[float, float]:
            column, row = (np.array([x, y]) + 0.5 - offset) * scale - 0.5
            return float(column), float(row)

        corners = (*there(*self.box[:2]), *there(*self.box[2:]))
        return Prompt(corners, there(*self.point) if self.point else None)


@dataclass(frozen=True)
class Segmenter:
    """A promptable segmenter.

    Attributes:
        name: what it is; stands in every output.
        segment: from a uint8 image [rows, columns] and a prompt to a boolean mask of its shape.
    """

    name: str
    segment: Callable[[np.ndarray, Prompt], np.ndarray]


def random_walker() -> Segmenter:
    """Random walks from the middle of the box and from outside it (Grady 2006).

    It stands in where no weights of Segment Anything are given, and knows nothing of anatomy.
    """
    return Segmenter("random walker (scikit-image)", _random_walk)


def segment_anything(weights: Path, device: str = "cpu") -> Segmenter:
    """Segment Anything (Kirillov et al. 2023) through its package ``segment-anything``.

    Args:
        weights: ``sam_vit_b_01ec64.pth``, ``sam_vit_l_0b3195.pth`` or ``sam_vit_h_4b8939.pth``; the
            name says which network it is.
        device: "cpu", "cuda" or "mps".

    Raises:
        InputError: if the package is not installed or the weights cannot be used.
    """
    try:
        from segment_anything import SamPredictor, sam_model_registry
    except ImportError:
        raise InputError(
            "Segment Anything is not installed; install it with pip install segment-anything "
            "torchvision, or leave out its weights to use the random walker."
        ) from None
    check_readable(weights)
    kind = re.search(r"vit_[bhl]", weights.name)
    if not kind:
        raise InputError(
            f"The name of {weights} does not say which network it is; keep the published name, "
            "for example sam_vit_b_01ec64.pth."
        )
    try:
        network = sam_model_registry[kind[0]](checkpoint=str(weights))
    except (
        Exception
    ) as error:  # torch raises whatever it meets in a file that holds no such network
        raise InputError(
            f"{weights} does not hold the weights of Segment Anything {kind[0]}; download it again."
        ) from error
    predictor = SamPredictor(network.to(device))
    return Segmenter(f"Segment Anything {kind[0]}", lambda *what: _ask(predictor, *what))


def _ask(predictor: Any, image: np.ndarray, prompt: Prompt) -> np.ndarray:
    """Return the mask that the network trusts most."""
    predictor.set_image(np.repeat(image[..., None], 3, axis=-1))
    masks, scores, _ = predictor.predict(
        point_coords=np.array([prompt.inside]),
        point_labels=np.ones(1, int),
        box=np.array(prompt.box),
        multimask_output=True,
    )
    return np.asarray(masks[int(np.argmax(scores))], bool)


# Of the box's size: half the height and width of the part that is taken to be the structure.
_CORE = 0.12
# Of the box's size: how much around it is taken to be something else.
_RING = 0.25
# How much walks shun edges. Below about 2000 the outlines of full-size ultrasound, whose edges are
# many pixels wide, become round whatever the image shows.
_BETA = 4000.0


def _random_walk(image: np.ndarray, prompt: Prompt) -> np.ndarray:
    """Label each pixel of the box by which seed a walk that shuns edges meets first."""
    from skimage.segmentation import random_walker

    rows, columns = np.indices(image.shape)
    left, top, right, bottom = prompt.box
    in_box = (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)
    x, y = prompt.inside
    across, down = ((columns - x) / (right - left), (rows - y) / (bottom - top))
    core = in_box & (np.hypot(across, down) <= _CORE)
    core[round(y), round(x)] = True
    labels = np.where(core, 1, np.where(in_box, 0, 2))
    # Walks far from the box change nothing and take long.
    margin = _RING * max(right - left, bottom - top) + 2
    near = tuple(
        slice(max(0, int(low - margin)), int(high + margin) + 1)
        for low, high in ((top, bottom), (left, right))
    )
    walked = random_walker(image[near] / 255.0, labels[near], _BETA, mode="bf")
    mask = np.zeros(image.shape, bool)
    mask[near] = walked == 1
    return mask
