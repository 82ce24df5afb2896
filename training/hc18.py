"""Reader of HC18, the fetal head circumference images of van den Heuvel et al. 2018.

Published layout (doi:10.5281/zenodo.1327317): ``*_HC.png`` images with ``*_Annotation.png``
ellipse outlines. A layout with ``images``, filled ``masks`` (``*_Mask.png``) and
``pixel_size_and_HC.csv`` is read as well. A subject is the number before the first underscore.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from training.splits import part_of, read_split
from USToMRILib import Volume
from USToMRILib.ellipse import Ellipse

# The filled masks reach to the outer edge of the drawn outline; the annotated ellipse is its
# middle. Over the validation images the circumference in the table agrees with the masks' after
# their radius is reduced by 1.34 pixels (standard deviation 0.03).
OUTLINE_HALF_WIDTH_PIXELS = 1.34


@dataclass(frozen=True)
class HeadImage:
    """One annotated image.

    Attributes:
        name: file name without its suffix.
        subject: the fetus; images of one fetus share it.
        pixel_size_mm: of the square pixels.
        circumference_mm: head circumference as annotated.
        image_path, mask_path: the files.
    """

    name: str
    subject: str
    pixel_size_mm: float
    circumference_mm: float
    image_path: Path
    mask_path: Path

    @property
    def pixels(self) -> np.ndarray:
        """uint8 [rows, columns]."""
        return Volume.read(self.image_path, pixel_size=self.pixel_size_mm).array[0]

    @property
    def mask(self) -> np.ndarray:
        """Boolean [rows, columns], inside the annotated ellipse."""
        mask = sitk.GetArrayFromImage(sitk.ReadImage(str(self.mask_path)))
        mask = mask[..., 0] if mask.ndim == 3 else mask
        if self.mask_path.stem.endswith("_Annotation"):
            outline = sitk.GetImageFromArray((mask > 0).astype(np.uint8))
            mask = sitk.GetArrayFromImage(sitk.BinaryFillhole(outline))
        return mask > 0

    @property
    def ellipse(self) -> Ellipse:
        """The annotated ellipse, in mm."""
        drawn = Ellipse.from_mask(self.mask, (self.pixel_size_mm, self.pixel_size_mm))
        margin = OUTLINE_HALF_WIDTH_PIXELS * self.pixel_size_mm
        long, short = drawn.semi_axes
        return Ellipse(drawn.centre, (long - margin, short - margin), drawn.angle)


def read_hc18(root: Path, part: str) -> Iterator[HeadImage]:
    """The images of one part of the split, in the order of their table.

    Args:
        root: folder that holds the csv and the images, either layout.
        part: "train", "validation" or "test".

    Raises:
        FileNotFoundError: if the folder holds no HC18 table.
    """
    tables = sorted(root.glob("*pixel_size_and_HC.csv"))
    if not tables:
        raise FileNotFoundError(f"No *pixel_size_and_HC.csv in {root}; name the HC18 folder.")
    split = read_split("hc18")
    with tables[0].open(newline="") as lines:
        for file_name, pixel_size, circumference in list(csv.reader(lines))[1:]:
            stem = Path(file_name).stem
            subject = stem.split("_")[0]
            files = _files_of(root, stem)
            if files and part_of(subject, split) == part:
                yield HeadImage(stem, subject, float(pixel_size), float(circumference), *files)


def source(part: str) -> dict[str, str]:
    """The entry of a bundle's metadata for this data set, of which ``part`` was used."""
    return {
        "name": "HC18",
        "part": part,
        "reference": "van den Heuvel et al., PLoS ONE 2018, doi:10.5281/zenodo.1327317.",
        "licence": "CC BY 4.0",
    }


def _files_of(root: Path, stem: str) -> tuple[Path, Path] | None:
    layouts = (
        (root / "images" / f"{stem}.png", root / "masks" / f"{stem}_Mask.png"),
        (root / "training_set" / f"{stem}.png", root / "training_set" / f"{stem}_Annotation.png"),
        (root / f"{stem}.png", root / f"{stem}_Annotation.png"),
    )
    return next((files for files in layouts if all(file.exists() for file in files)), None)
