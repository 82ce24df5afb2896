"""Fetal brain MRI volumes with a tissue parcellation, in the layouts in which they are published.

CRL (Gholipour et al. 2017) and Wu et al. 2021, with the parcellation of Fidon et al.: a folder a
week with ``t2`` or ``srr`` and ``parcellation``. FeTA (Payette et al., Sci. Data 2021,
doi:10.1038/s41597-021-00946-3): ``sub-001/anat/sub-001_rec-mial_T2w.nii.gz`` with ``_dseg``, and
``participants.tsv``.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from training.inventory import Inventory, LeftOut, find_image

ATLAS_NAMES = ("t2", "srr")


@dataclass(frozen=True)
class FetalVolume:
    """One volume.

    Attributes:
        subject: folder name.
        t2: the image.
        parcellation: its tissues; deep grey matter is 6 in both layouts.
        about: what a table says of it, in words; "" where there is none.
    """

    subject: str
    t2: Path
    parcellation: Path
    about: str = ""

    def describe(self) -> str:
        """Its files, in one line."""
        return ", ".join(filter(None, (self.t2.name, self.parcellation.name, self.about)))


def find_atlas(root: Path) -> Inventory[FetalVolume]:
    """The atlas volumes in ``root``: CRL, Wu, and any in the same layout."""
    found, left_out = [], []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        images = [image for name in ATLAS_NAMES if (image := find_image(folder, name))]
        parcellation = find_image(folder, "parcellation")
        if images and parcellation:
            found.append(FetalVolume(folder.name, images[0], parcellation))
        else:
            left_out.append(LeftOut(folder.name, "no t2 or srr image with a parcellation"))
    return Inventory("fetal atlas", root, found, left_out)


def find_feta(root: Path) -> Inventory[FetalVolume]:
    """The volumes of FeTA in ``root`` whose brain is not called pathological.

    The networks should learn healthy anatomy from them, as from the atlases; without
    ``participants.tsv`` nothing is known, and all are taken.
    """
    table = _participants(root / "participants.tsv")
    found, left_out = [], []
    for folder in sorted(path for path in root.glob("sub-*") if path.is_dir()):
        images = sorted((folder / "anat").glob(f"{folder.name}*_T2w.nii*"))
        labels = sorted((folder / "anat").glob(f"{folder.name}*_dseg.nii*"))
        row = table.get(folder.name, {})
        if not (images and labels):
            left_out.append(LeftOut(folder.name, "no T2w image with a dseg parcellation"))
        elif "patholog" in row.get("Pathology", "").lower():
            left_out.append(LeftOut(folder.name, "pathological"))
        else:
            age = row.get("Gestational age", "")
            about = f"{age} weeks" if age else ""
            found.append(FetalVolume(folder.name, images[0], labels[0], about))
    return Inventory("FeTA", root, found, left_out)


def _participants(path: Path) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as lines:
        return {row["participant_id"]: row for row in csv.DictReader(lines, delimiter="\t")}
