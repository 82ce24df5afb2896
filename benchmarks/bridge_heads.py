"""The heads that the bridge is measured on, and how two sets of pictures of them compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from training.data.hc18 import read_hc18
from USToMRILib.evaluation.information import histogram
from USToMRILib.fetal.frame import HeadFrame, normalise_head
from USToMRILib.fetal.frame_spec import FrameSpec
from USToMRILib.fetal.gain import even_gain
from USToMRILib.image.cnr import contrast_to_noise
from USToMRILib.image.intensity import to_mri_values

PAPER = FrameSpec.paper()


@dataclass(frozen=True)
class Heads:
    """Ultrasound frames.

    Attributes:
        images: float32 [B, 1, 128, 128] in [-1, 1].
        masks: bool [B, 128, 128], inside the skull.
        boxes: bool [B, 2, 128, 128], a box over the midline and one beside it, for the CNR.
    """

    images: torch.Tensor
    masks: np.ndarray
    boxes: np.ndarray

    def correlations(self, pictures: torch.Tensor, published: torch.Tensor) -> list[float]:
        """Pearson's correlation of both pictures of each head, inside it, from the least on."""
        pairs = zip(pictures.clamp(-1, 1).numpy(), published.clamp(-1, 1).numpy(), self.masks)
        return sorted(float(np.corrcoef(a[0][m], b[0][m])[0, 1]) for a, b, m in pairs)

    def compare(self, pictures: torch.Tensor, published: torch.Tensor) -> dict[str, float]:
        """Compare pictures with the published algorithm's, both [B, 1, 128, 128] in [-1, 1].

        Returns:
            Inside the heads, means over them: Pearson's correlation with the published pictures
            (and the least), mean absolute difference in grey levels of 255, correlation with the
            ultrasound, mutual information with it and CNR of the two boxes, both over the
            published pictures'.
        """
        shown, wanted, seen = (
            [to_mri_values(image[0].numpy()) for image in images]
            for images in (pictures, published, self.images)
        )
        near, information, contrast = [], [], []
        for a, b, us, mask, boxes in zip(shown, wanted, seen, self.masks, self.boxes):
            inside = [image[mask] for image in (a, b, us)]
            near.append(
                (
                    np.corrcoef(inside[0], inside[1])[0, 1],
                    np.abs(inside[0] - inside[1]).mean(),
                    np.corrcoef(inside[0], inside[2])[0, 1],
                )
            )
            information.append([histogram(inside[2], image) for image in inside[:2]])
            contrast.append([_cnr(image, boxes) for image in (a, b)])
        correlation, difference, with_us = np.mean(near, axis=0)
        mi, cnr = (np.mean(pairs, axis=0) for pairs in (information, contrast))
        return {
            "correlation": float(correlation),
            "least_correlation": float(np.min(near, axis=0)[0]),
            "mean_absolute_difference": float(difference),
            "correlation_with_ultrasound": float(with_us),
            "mutual_information": float(mi[0]),
            "mutual_information_ratio": float(mi[0] / mi[1]),
            "cnr": float(cnr[0]),
            "cnr_ratio": float(cnr[0] / cnr[1]),
        }


def filled(pictures: torch.Tensor, masks: np.ndarray) -> list[float]:
    """The part of every head where its picture, [B, 1, 128, 128] in [-1, 1], is not black."""
    black = -0.8  # a tenth of the range
    return [float((p[0].numpy() > black)[mask].mean()) for p, mask in zip(pictures, masks)]


def _cnr(image: np.ndarray, boxes: np.ndarray) -> float:
    return contrast_to_noise(image, *boxes).cnr


def read_heads(data: Path, chosen: int | Sequence[int], even: bool = True) -> Heads:
    """Heads of HC18's validation part, by annotated ellipse.

    Args:
        data: folder of the data.
        chosen: places in the part's table, or how many heads, spread over it.
        even: whether their gain is evened, as the library does by default.
    """
    found = list(read_hc18(data / "hc18", "validation"))
    images, masks, boxes = [], [], []
    for place in _spread(chosen, len(found)) if isinstance(chosen, int) else chosen:
        head = found[place]
        frame = HeadFrame(head.ellipse, head.mask.shape, (head.pixel_size_mm,) * 2, PAPER)
        seen = normalise_head(frame.to_frame(head.pixels), frame.mask)
        images.append(even_gain(seen, frame.mask, frame.pixel_mm) if even else seen)
        masks.append(frame.mask)
        boxes.append(_boxes(*(axis / frame.pixel_mm for axis in head.ellipse.semi_axes)))
    return Heads(torch.from_numpy(np.stack(images))[:, None], np.stack(masks), np.stack(boxes))


def _spread(count: int, total: int) -> list[int]:
    return np.linspace(0, total - 1, min(count, total)).round().astype(int).tolist()


def _boxes(long: float, short: float) -> np.ndarray:
    """Over the midline, and in the hemisphere below it, for semi-axes in pixels."""
    along, across = (np.indices(PAPER.shape) - (PAPER.shape[0] - 1) / 2)[::-1]
    central = np.abs(along) < 0.25 * long
    middle = np.abs(across) < 0.15 * short
    beside = (across > 0.35 * short) & (across < 0.75 * short)
    return np.stack([central & middle, central & beside])
