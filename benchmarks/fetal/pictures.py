"""What every method makes of a head, brought into one frame so that all are measured alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.data.brain_slices import FRAME
from USToMRILib import Grid, Volume, translate
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.frame import HeadFrame
from USToMRILib.fetal.tissues import Tissue
from USToMRILib.methods import METHODS


@dataclass(frozen=True)
class Head:
    """An image of a head, and where the head is.

    Attributes:
        name: of it.
        pixels: [rows, columns], any range.
        spacing: (x, y) in mm.
        outline: outer outline of the skull, in mm.
    """

    name: str
    pixels: np.ndarray
    spacing: tuple[float, float]
    outline: Ellipse

    @property
    def frame(self) -> HeadFrame:
        """The frame in which it is measured."""
        rows, columns = self.pixels.shape
        return HeadFrame.around(self.outline, (rows, columns), self.spacing, FRAME)

    def in_frame(self, point: Sequence[float]) -> np.ndarray:
        """(x, y) in the frame's pixels of a point (column, row) of the image."""
        frame = self.frame
        rows, columns = FRAME.shape
        offset = np.array(point) * self.spacing - np.array(frame.ellipse.centre)
        turned: np.ndarray = frame.ellipse.rotation.T @ offset
        return turned / frame.pixel_mm + np.array([columns - 1, rows - 1]) / 2


@dataclass(frozen=True)
class Pictures:
    """What a method made of heads, in the frame.

    Attributes:
        images: float32 [N, 128, 128], pseudo-MRI in 0..255.
        tissues: uint8 of the same shape, or None for a method that knows none.
    """

    images: np.ndarray
    tissues: np.ndarray | None


def ultrasound(heads: Sequence[Head]) -> Pictures:
    """The ultrasound itself, each head's 1st to 99.5th percentile on 0..255."""
    images = []
    for head in heads:
        framed = head.frame.to_frame(head.pixels)
        black, white = np.percentile(framed[head.frame.mask], [1, 99.5])
        images.append(np.clip((framed - black) / (white - black), 0, 1) * 255)
    return Pictures(np.stack(images).astype(np.float32), None)


def made_by(method: str, heads: Sequence[Head], framed: bool = True) -> Pictures:
    """What ``method`` makes of heads, with its defaults, as a user has it.

    Args:
        method: by its name.
        heads: to translate.
        framed: whether the pictures are brought into each head's frame; else they stay on the
            grid of its image.
    """
    known = "tissues" in METHODS[method].offers
    images, tissues = [], []
    for head in heads:
        rows, columns = head.pixels.shape
        volume = Volume(head.pixels[None], Grid((columns, rows, 1), (*head.spacing, 1.0)))
        result = translate(volume, method, head=head.outline, tissues=known)
        made = result.volume.array[0]
        images.append(head.frame.to_frame(made) if framed else made)
        if known:
            labels = result.maps["tissues"].array[0]
            tissues.append(_labels_in_frame(head.frame, labels) if framed else labels)
    return Pictures(np.stack(images), np.stack(tissues) if tissues else None)


def _labels_in_frame(frame: HeadFrame, labels: np.ndarray) -> np.ndarray:
    parts = [frame.to_frame((labels == label).astype(np.float32)) for label in (0, *Tissue)]
    return np.argmax(parts, axis=0).astype(np.uint8)
