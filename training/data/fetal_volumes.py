"""Fetal brain MRI volumes with a tissue parcellation, in the layouts in which they are published.

CRL (Gholipour et al. 2017) and Wu et al. 2021, with the parcellation of Fidon et al.: a folder a
week with ``t2`` or ``srr`` and ``parcellation``; their axes are those of the head. FeTA (Payette
et al., Sci. Data 2021, doi:10.1038/s41597-021-00946-3): ``sub-001/anat/
sub-001_rec-mial_T2w.nii.gz`` with ``_dseg``, and ``participants.tsv``; the heads lie in any way.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from training.data.fetal_labels import FETA, FIDON, LabelScheme
from training.data.head_axes import find_head_axes, turn_upright
from training.data.inventory import Inventory, LeftOut, find_image
from training.data.splits import part_of, read_split
from USToMRILib.errors import InputError

ATLAS_NAMES = ("t2", "srr")


@dataclass(frozen=True)
class FetalVolume:
    """One volume.

    Attributes:
        subject: folder name.
        t2: the image.
        parcellation: its tissues.
        scheme: what the numbers in the parcellation mean.
        upright: whether its axes are known to be those of the head.
        about: what a table says of it, in words; "" where there is none.
    """

    subject: str
    t2: Path
    parcellation: Path
    scheme: LabelScheme
    upright: bool
    about: str = ""

    def describe(self) -> str:
        """Its files, in one line."""
        return ", ".join(filter(None, (self.t2.name, self.parcellation.name, self.about)))

    @classmethod
    def of_atlas(cls, folder: Path, t2: Path, parcellation: Path) -> FetalVolume:
        """A week of an atlas."""
        return cls(folder.name, t2, parcellation, FIDON, upright=True)


def read_upright(volume: FetalVolume) -> tuple[sitk.Image, sitk.Image]:
    """The image, float32, and each voxel's :class:`Tissue`, uint8, with the head upright.

    No voxel changes: a head that lies in another way is turned in the images' coordinates, to the
    axes of the atlases. Left and right are where the files' coordinates say.

    Raises:
        InputError: if the parcellation cannot be used; see :func:`find_head_axes`.
    """
    image = sitk.ReadImage(str(volume.t2), sitk.sitkFloat32)
    labels = volume.scheme.read(volume.parcellation)
    if volume.upright:
        return image, labels
    axes = find_head_axes(labels)
    return turn_upright(image, axes), turn_upright(labels, axes)


def find_atlas(root: Path) -> Inventory[FetalVolume]:
    """The atlas volumes in ``root``: CRL, Wu, and any in the same layout."""
    found, left_out = [], []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        images = [image for name in ATLAS_NAMES if (image := find_image(folder, name))]
        parcellation = find_image(folder, "parcellation")
        if images and parcellation:
            found.append(FetalVolume.of_atlas(folder, images[0], parcellation))
        else:
            left_out.append(LeftOut(folder.name, "no t2 or srr image with a parcellation"))
    return Inventory("fetal atlas", root, found, left_out)


def find_feta(root: Path) -> Inventory[FetalVolume]:
    """The volumes of FeTA in ``root`` that the split names, not called pathological.

    The networks should learn healthy anatomy from them, as from the atlases; without
    ``participants.tsv`` nothing is known, and all are taken. The axes of every head are looked
    for, half a second each: a volume is found only where they are.
    """
    table = _participants(root / "participants.tsv")
    found, left_out = [], []
    for folder in sorted(path for path in root.glob("sub-*") if path.is_dir()):
        try:
            found.append(_feta_volume(folder, table.get(folder.name, {})))
        except InputError as error:
            left_out.append(LeftOut(folder.name, str(error)))
    return Inventory("FeTA", root, found, left_out)


def _feta_volume(folder: Path, row: dict[str, str]) -> FetalVolume:
    """The volume of one subject; raises InputError with the reason why it cannot be used."""
    images = sorted((folder / "anat").glob(f"{folder.name}*_T2w.nii*"))
    labels = sorted((folder / "anat").glob(f"{folder.name}*_dseg.nii*"))
    part, age = part_of(folder.name, read_split("feta")), row.get("Gestational age", "")
    if not (images and labels):
        raise InputError("no T2w image with a dseg parcellation")
    if "patholog" in row.get("Pathology", "").lower():
        raise InputError("pathological")
    if part is None:
        raise InputError("not in training/splits/feta.json; add the subject to one of its parts")
    find_head_axes(FETA.read(labels[0]))
    about = f"{age} weeks, {part}" if age else part
    return FetalVolume(folder.name, images[0], labels[0], FETA, upright=False, about=about)


def _participants(path: Path) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as lines:
        return {row["participant_id"]: row for row in csv.DictReader(lines, delimiter="\t")}
