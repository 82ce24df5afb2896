"""Fetal head slices in the networks' frame, from HC18 and from the fetal MRI volumes.

Run ``python -m training.data.fetal_slices --sheet OUT.png`` for a contact sheet.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Callable

import numpy as np
from monai.transforms import Compose, RandAdjustContrast, RandAffine, RandFlip
from PIL import Image
from skimage.util import montage

from training.data.fetal_mri import PLANE_PIXEL_MM, MriSlice, read_feta, read_fetal_mri
from training.data.hc18 import HeadImage, read_hc18
from training.data.location import add_data_option, add_feta_option
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.frame import BACKGROUND, HeadFrame, normalise_head
from USToMRILib.fetal.frame_spec import FrameSpec
from USToMRILib.image.intensity import rescale

DOMAINS = ("us", "mri")

PAPER = FrameSpec.paper()


def fetal_slices(
    data: Path, domain: str, part: str, feta: Path | None = None, spec: FrameSpec = PAPER
) -> np.ndarray:
    """The prepared slices of one domain and part, float32 [N, rows, columns] in [-1, 1].

    Args:
        data: folder with ``hc18`` and ``fetal_mri``.
        domain: "us" or "mri".
        part: "train", "validation" or "test".
        feta: folder of FeTA, whose MRI slices then follow those of the atlases; each data set is
            divided by its own split.
        spec: of the frame.
    """
    if domain == "us":
        return np.stack(list(_ultrasound(data / "hc18", part, spec)))
    planes = chain(read_fetal_mri(data / "fetal_mri", part), read_feta(feta, part) if feta else ())
    return np.stack(list(_mri(planes, spec)))


def _ultrasound(root: Path, part: str, spec: FrameSpec) -> Iterator[np.ndarray]:
    for head in read_hc18(root, part):
        yield prepare_ultrasound(head, spec)


def prepare_ultrasound(head: HeadImage, spec: FrameSpec = PAPER) -> np.ndarray:
    """One annotated image in the frame, float32 [rows, columns] in [-1, 1]."""
    spacing = (head.pixel_size_mm, head.pixel_size_mm)
    pixels = head.pixels
    frame = HeadFrame.around(head.ellipse, pixels.shape, spacing, spec)
    return normalise_head(frame.to_frame(pixels), frame.mask)


def _mri(planes: Iterable[MriSlice], spec: FrameSpec) -> Iterator[np.ndarray]:
    spacing = (PLANE_PIXEL_MM, PLANE_PIXEL_MM)
    for plane in planes:
        outline = Ellipse.from_mask(plane.mask, spacing)
        frame = HeadFrame(outline, plane.mask.shape, spacing, spec)
        brain = frame.to_frame(np.where(plane.mask, plane.pixels, 0))
        # The brain is no ellipse: its own mask bounds it, and MRI background is true zero.
        inside = frame.to_frame(plane.mask.astype(np.float32)) > 0.5
        white = np.percentile(brain[inside], 99.5)
        yield np.where(inside, rescale(brain, 0.0, white), BACKGROUND)


def prepared_slices(
    data: Path, domain: str, part: str, cache: Path, feta: Path | None = None
) -> np.ndarray:
    """The slices of :func:`fetal_slices`, kept in ``cache``: preparing them takes a minute."""
    path = cache / f"{domain}_{'feta_' if feta else ''}{part}.npy"
    if not path.exists():
        np.save(path, fetal_slices(data, domain, part, feta))
    return np.load(path)


def augmentation() -> Callable[..., Any]:
    """Small moves that keep a head a head, and another contrast."""
    return Compose([*small_moves(5, 0.1), RandAdjustContrast(prob=0.5, gamma=(0.8, 1.25))])


def small_moves(degrees: float, scale: float) -> list[Any]:
    """Turns, scales and shifts by two pixels; mirror images of brains are plausible brains."""
    return [
        RandFlip(prob=0.5, spatial_axis=0),
        RandFlip(prob=0.5, spatial_axis=1),
        RandAffine(
            prob=1.0,
            rotate_range=math.radians(degrees),
            scale_range=(scale, scale),
            translate_range=(2, 2),
            mode="bilinear",
            padding_mode="border",
        ),
    ]


def contact_sheet(slices: Iterable[np.ndarray], path: Path, columns: int = 8) -> None:
    """Write ``slices`` [rows, columns] in [-1, 1] side by side, pixel for pixel, as PNG or JPEG."""
    shown = np.stack([np.asarray(image, np.float32) for image in slices])
    grid = -(-len(shown) // columns), columns
    sheet = montage((shown.clip(-1, 1) + 1) * 127.5, fill=0, grid_shape=grid, padding_width=2)
    Image.fromarray(sheet.round().astype(np.uint8)).save(path, quality=50)


def main() -> None:
    """Write a contact sheet of both domains."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    add_feta_option(parser)
    parser.add_argument("--sheet", type=Path, required=True)
    parser.add_argument("--part", default="train", choices=["train", "validation", "test"])
    options = parser.parse_args()
    rows: list[np.ndarray] = []
    for domain in DOMAINS:
        slices = fetal_slices(options.data, domain, options.part, options.feta)
        print(f"{domain}: {len(slices)} slices of the {options.part} part")
        rows.extend(slices[:: max(1, len(slices) // 24)][:24])
    contact_sheet(rows, options.sheet)


if __name__ == "__main__":
    main()
