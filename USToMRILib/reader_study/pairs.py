"""The pairs of ultrasound and pseudo-MRI of a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..image.folders import Problem, Reader, check_same_grid, images_by_name
from ..image.volume import Volume

ULTRASOUND_FOLDER, MRI_FOLDER = "ultrasound", "pseudo_mri"


@dataclass(frozen=True)
class StudyPair:
    """An ultrasound and the pseudo-MRI made from it, on one grid; of volumes one slice is shown."""

    case: str
    ultrasound: Volume
    pseudo_mri: Volume


def read_pairs(folder: Path) -> tuple[list[StudyPair], list[str]]:
    """Read the pairs of a folder.

    Args:
        folder: holds the folders ``ultrasound`` and ``pseudo_mri``, whose files have the same names
            up to the suffix, or to the ``_SYNTHETIC...`` that ``ustomri batch`` adds.

    Returns:
        The pairs by name, and a sentence for everything that has no partner or cannot be used.

    Raises:
        InputError: if the folders are not there or hold no usable pair.
    """
    problems: list[Problem] = []
    ultrasounds, mris = (
        images_by_name(folder / name, name, problems) for name in (ULTRASOUND_FOLDER, MRI_FOLDER)
    )
    texts = [f"{problem.case}: {problem.text}" for problem in problems]
    texts += [f"{name}: there is no pseudo-MRI." for name in sorted(ultrasounds.keys() - mris)]
    texts += [f"{name}: there is no ultrasound." for name in sorted(mris.keys() - ultrasounds)]
    pairs = []
    for name in sorted(ultrasounds.keys() & mris):
        try:
            pairs.append(_read_pair(name, ultrasounds[name], mris[name]))
        except InputError as error:
            texts.append(f"{name}: {error}")
    if not pairs:
        raise InputError(f"{folder} holds no usable pair. {' '.join(texts)}".strip())
    return pairs, texts


def _read_pair(name: str, ultrasound: Path, pseudo_mri: Path) -> StudyPair:
    """Read a pair whose two images lie in one place."""
    made = Reader().read(pseudo_mri)
    # A picture does not know its pixel size; what was made of it does.
    pair = StudyPair(name, Reader(made.grid.spacing[0]).read(ultrasound), made)
    check_same_grid(pair.pseudo_mri, pseudo_mri, pair.ultrasound, ultrasound)
    return pair
