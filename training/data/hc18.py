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

from training.data.inventory import Inventory, LeftOut
from training.data.splits import part_of, read_split
from USToMRILib import Volume
from USToMRILib.fetal.ellipse import Ellipse

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

    def describe(self) -> str:
        """Its name, circumference and part, in one line."""
        part = part_of(self.subject, read_split("hc18"))
        return f"{self.name}, head circumference {self.circumference_mm:g} mm, {part}"

    @property
    def volume(self) -> Volume:
        """The image as a volume of one slice."""
        return Volume.read(self.image_path, pixel_size=self.pixel_size_mm)

    @property
    def pixels(self) -> np.ndarray:
        """uint8 [rows, columns]."""
        return self.volume.array[0]

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
    split = read_split("hc18")
    for head in find_hc18(root).found:
        if part_of(head.subject, split) == part:
            yield head


def find_hc18(root: Path) -> Inventory[HeadImage]:
    """The images that the split names, in the order of their table.

    Raises:
        FileNotFoundError: if the folder holds no HC18 table.
    """
    tables = sorted(root.glob("*pixel_size_and_HC.csv"))
    if not tables:
        raise FileNotFoundError(f"No *pixel_size_and_HC.csv in {root}; name the HC18 folder.")
    split = read_split("hc18")
    found, left_out = [], []
    with tables[0].open(newline="") as lines:
        for file_name, pixel_size, circumference in list(csv.reader(lines))[1:]:
            stem, hc = Path(file_name).stem, float(circumference)
            subject, files = stem.split("_")[0], _files_of(root, stem)
            if files and part_of(subject, split):
                found.append(HeadImage(stem, subject, float(pixel_size), hc, *files))
            elif not files:
                left_out.append(LeftOut(stem, "no image with an annotation"))
            else:
                why = f"head circumference {hc:g} mm; the split has 170 to 350 mm"
                left_out.append(LeftOut(stem, why))
    return Inventory("HC18", root, found, left_out)


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
