"""Reader of FETAL_PLANES_DB, the ultrasound planes of Burgos-Artizzu et al. 2020.

Published layout (doi:10.5281/zenodo.3904280): images ``Patient00001_Plane3_1_of_2.png`` in one
folder. Folders of them inside the given one are read as well, and JPEG.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.data.inventory import Inventory, LeftOut
from training.data.splits import part_of, read_split
from USToMRILib import Grid, Volume

# The planes by the number in a file's name; others hold more than one plane.
PLANES = {"2": "abdomen", "3": "brain", "5": "femur", "6": "thorax"}
BRAIN = "brain"

# No pixel size is published. With this width of an image its heads have the size of heads.
WIDTH_MM = 140.0
# An image that was stretched to a square had this width over height.
ASPECT = 4 / 3

_NAME = re.compile(r"Patient(\d+)_Plane(\d)_\d+_of_\d+")


@dataclass(frozen=True)
class PlaneImage:
    """One image.

    Attributes:
        name: file name without its suffix.
        subject: number of the patient.
        plane: what it shows, one of :data:`PLANES`.
        path: the file.
    """

    name: str
    subject: str
    plane: str
    path: Path

    def describe(self) -> str:
        """Its name, plane and part, in one line."""
        return f"{self.name}, {self.plane}, {part_of(self.subject, read_split('fetal_planes'))}"

    @property
    def volume(self) -> Volume:
        """The image as a volume of one slice; its pixel size is assumed, see :data:`WIDTH_MM`."""
        pixels = Volume.read(self.path, pixel_size=1.0).array[0]
        rows, columns = pixels.shape
        aspect = ASPECT if rows == columns else columns / rows
        spacing = (WIDTH_MM / columns, WIDTH_MM / aspect / rows, 1.0)
        return Volume(pixels[None], Grid((columns, rows, 1), spacing))


def read_planes(root: Path, part: str, brain: bool) -> Iterator[PlaneImage]:
    """The images of one part of the split that show the brain, or those that do not, by name.

    Args:
        root: folder that holds the images, or folders of them.
        part: "train", "validation" or "test".
        brain: which of them.
    """
    split = read_split("fetal_planes")
    for image in find_planes(root).found:
        if (image.plane == BRAIN) == brain and part_of(image.subject, split) == part:
            yield image


def find_planes(root: Path) -> Inventory[PlaneImage]:
    """The images that the split names, by name."""
    split = read_split("fetal_planes")
    found, left_out = [], []
    for path in sorted(root.rglob("Patient*_Plane*"), key=lambda path: path.name):
        named = _NAME.fullmatch(path.stem)
        plane = PLANES.get(named[2]) if named else None
        if named is None or plane is None:
            left_out.append(LeftOut(path.name, "no abdomen, brain, femur or thorax by its name"))
        elif not part_of(named[1], split):
            left_out.append(LeftOut(path.name, "the split does not name its patient"))
        else:
            found.append(PlaneImage(path.stem, named[1], plane, path))
    return Inventory("FETAL_PLANES_DB", root, found, left_out)


def source(part: str) -> dict[str, str]:
    """The entry of a bundle's metadata for this data set, of which ``part`` was used."""
    return {
        "name": "FETAL_PLANES_DB",
        "part": part,
        "reference": "Burgos-Artizzu et al., Scientific Reports 2020, doi:10.5281/zenodo.3904280.",
        "licence": "CC BY 4.0",
    }
