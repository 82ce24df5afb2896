"""Pairs of brain ultrasound and MRI volumes, in the layouts in which they are published.

RESECT (Xiao et al., Med. Phys. 2017, doi:10.1002/mp.12268), NIfTI or MINC: ``CaseN/US/
CaseN-US-before``, ``CaseN/MRI/CaseN-T1``, and ``CaseN/Landmarks/CaseN-MRI-beforeUS.tag`` with the
MRI's points first. ReMIND (Juvekar et al., Sci. Data 2024, doi:10.1038/s41597-024-03295-z):
``ReMIND-001/<date>-NA-Intraop-<n>/<n>-USpredura-<n>/`` and the MRI beside it, in one space but for
the brain's shift; registrations that correct it, ``ReMIND-001_us_to_mri.tfm``, lie in a folder of
their own, as the data set has none. Any other data: a folder with ``NAME_us`` and ``NAME_mri``, or
one subfolder a subject with ``us`` and ``mri``; ``.tag`` landmarks or ``us_to_mri.tfm`` where there
are any.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from training.data.inventory import Inventory, LeftOut, find_image, without_suffixes
from USToMRILib import InputError

CONTRASTS = ("T1", "T2", "FLAIR")
# From which space to which a registration maps points.
WAYS = ("us_to_mri", "mri_to_us")
TRANSFORM_SUFFIXES = (".tfm", ".txt", ".h5", ".mat")


@dataclass(frozen=True)
class PairFiles:
    """An ultrasound volume and an MRI volume of one brain.

    Attributes:
        subject: splits go by it.
        ultrasound, mri: a file, or a folder that holds one DICOM series.
        landmarks: MNI tag file with the MRI's points first, or None.
        registration: ITK transform, or None. Without it and landmarks the two share one space.
    """

    subject: str
    ultrasound: Path
    mri: Path
    landmarks: Path | None = None
    registration: Path | None = None

    def describe(self) -> str:
        """Its files, in one line."""
        joined = self.registration or self.landmarks
        how = joined.name if joined else "no landmarks or registration, taken as aligned"
        return f"{self.ultrasound.name}, {self.mri.name}, {how}"


PairInventory = Inventory[PairFiles]


def find_resect(root: Path, contrast: str = "T1") -> PairInventory:
    """The pairs of RESECT before resection: ultrasound, MRI, and the landmarks that join them.

    Args:
        root: folder that holds the ``CaseN`` folders, or one above (``RESECT/NIFTI/CaseN``).
        contrast: of the MRI, "T1" or "FLAIR".
    """
    cases = [path for path in root.rglob("Case*") if path.is_dir() and path.name[4:].isdigit()]
    found: list[PairFiles] = []
    left_out = []
    # NIfTI before MINC, which has the same images once more.
    for case in sorted(cases, key=lambda path: (int(path.name[4:]), "MINC" in path.parts)):
        name = case.name
        if found and found[-1].subject == name:
            left_out.append(LeftOut(f"{case.parent.name}/{name}", "the same in another format"))
            continue
        us = find_image(case / "US", f"{name}-US-before")
        mri = find_image(case / "MRI", f"{name}-{contrast}")
        tags = case / "Landmarks" / f"{name}-MRI-beforeUS.tag"
        missing = [
            what
            for what, there in (
                ("ultrasound before resection", us),
                (f"{contrast} MRI", mri),
                ("landmarks between MRI and that ultrasound", tags.exists()),
            )
            if not there
        ]
        if us and mri and not missing:
            found.append(PairFiles(name, us, mri, tags))
        else:
            left_out.append(LeftOut(name, f"no {', no '.join(missing)}"))
        for stage in ("during", "after"):
            later = find_image(case / "US", f"{name}-US-{stage}")
            if later:
                left_out.append(LeftOut(later.name, "the brain of the MRI is not resected"))
    return Inventory("RESECT", root, found, left_out)


def find_remind(root: Path, contrast: str = "T1") -> PairInventory:
    """The pairs of ReMIND before the dura was opened: ultrasound and preoperative MRI.

    Both are in the space of the navigation; there are no landmarks.

    Args:
        root: folder that holds the ``ReMIND-NNN`` folders.
        contrast: of the MRI, one of :data:`CONTRASTS`; of several series the one whose name says
            3D, then the first.
    """
    found, left_out = [], []
    for subject in sorted(path for path in root.rglob("ReMIND-*") if path.is_dir()):
        series = list(_series_of(subject))
        for _, description in series:
            if description.startswith("US") and description != "USpredura":
                why = "the brain has moved since the preoperative MRI"
                left_out.append(LeftOut(f"{subject.name} {description}", why))
        us = [path for path, description in series if description == "USpredura"]
        mri = [path for path, description in series if _is_preop(path, description, contrast)]
        if us and mri:
            best = sorted(mri, key=lambda path: ("3D" not in path.name, path.name))[0]
            found.append(PairFiles(subject.name, us[0], best))
        elif series:
            missing = f"no preoperative {contrast} MRI" if us else "no ultrasound before the dura"
            left_out.append(LeftOut(subject.name, missing))
    return Inventory("ReMIND", root, found, left_out)


def _series_of(subject: Path) -> Iterator[tuple[Path, str]]:
    """The series of a ReMIND subject, each a folder of DICOM or a file, with its description."""
    for study in sorted(path for path in subject.iterdir() if path.is_dir()):
        for path in sorted(study.iterdir()):
            parts = re.fullmatch(r"[\d.]+-(.+)-\d+", without_suffixes(path.name))
            if parts:
                yield path, parts[1]


def _is_preop(path: Path, description: str, contrast: str) -> bool:
    usable = not description.startswith("US") and "seg" not in description.lower()
    return usable and "Preop" in path.parent.name and contrast.lower() in description.lower()


def find_pairs(root: Path, contrast: str = "") -> PairInventory:
    """The pairs of a plain folder: ``NAME_us`` and ``NAME_mri``, or ``NAME/us`` and ``NAME/mri``.

    Landmarks are ``NAME_landmarks.tag`` or ``NAME/landmarks.tag``; a registration
    (:func:`find_registration`) goes before them. What stands before ``_us`` is
    the subject, up to the first underscore: two scans of one person are ``anna_1_us``,
    ``anna_2_us``.

    Args:
        root: the folder.
        contrast: not used: the files are named for what they are.
    """
    places = [(path, "", path.name) for path in sorted(root.iterdir()) if path.is_dir()]
    for file in sorted(root.iterdir()):
        stem = without_suffixes(file.name)
        if stem.endswith(("_us", "_mri")) and file.is_file():
            prefix = stem[: stem.rindex("_")]
            places.append((root, f"{prefix}_", prefix))
    found, left_out = [], []
    for folder, prefix, name in sorted(set(places)):
        us, mri = find_image(folder, f"{prefix}us"), find_image(folder, f"{prefix}mri")
        tags = folder / f"{prefix}landmarks.tag"
        if us and mri:
            registration = find_registration(folder, prefix)
            landmarks = tags if tags.exists() and not registration else None
            found.append(PairFiles(name.split("_")[0], us, mri, landmarks, registration))
        else:
            missing = [what for what, file in (("ultrasound", us), ("MRI", mri)) if not file]
            left_out.append(LeftOut(name, f"no {' and no '.join(missing)}"))
    return Inventory("pairs", root, found, left_out)


def find_registration(folder: Path, prefix: str) -> Path | None:
    """The ITK transform that joins a pair, or None.

    ``PREFIXus_to_mri.tfm`` maps points of the ultrasound's space to the MRI's: what ITK, Slicer and
    ANTs write when the ultrasound was the fixed image; ``PREFIXmri_to_us.tfm`` the other way round.

    Args:
        folder: where it lies.
        prefix: of its name, "ReMIND-001_" or "".

    Raises:
        InputError: if both are there.
    """
    files = [folder / f"{prefix}{way}{suffix}" for way in WAYS for suffix in TRANSFORM_SUFFIXES]
    there = [file for file in files if file.exists()]
    if len(there) > 1:
        raise InputError(
            f"{folder} has {' and '.join(file.name for file in there)} for one pair; keep one."
        )
    return there[0] if there else None


def with_registrations(inventory: PairInventory, folder: Path) -> PairInventory:
    """The pairs, each with ``SUBJECT_us_to_mri.tfm`` or the like of a folder in place of landmarks.

    Raises:
        InputError: as :func:`find_registration`, or the folder has none for any subject.
    """
    files = {name: find_registration(folder, f"{name}_") for name in inventory.subjects}
    if not any(files.values()):
        raise InputError(
            f"{folder} has no registration of these subjects; name the files "
            f"SUBJECT_{WAYS[0]}.tfm, for example {inventory.subjects[0]}_{WAYS[0]}.tfm."
            if files
            else f"There is no pair in {inventory.root} for the registrations in {folder}."
        )
    found = [
        replace(pair, landmarks=None, registration=file) if file else pair
        for pair in inventory.found
        for file in [files[pair.subject]]
    ]
    return replace(inventory, found=found)


FINDERS: dict[str, Callable[[Path, str], PairInventory]] = {
    "resect": find_resect,
    "remind": find_remind,
    "pairs": find_pairs,
}
