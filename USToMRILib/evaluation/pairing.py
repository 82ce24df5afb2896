"""Which files belong together, and reading them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..image.folders import (
    IMAGE_SUFFIXES,
    Problem,
    files_by_name,
    images_by_name,
    only_ones,
)
from ..image.formats import is_picture
from ..image.masks import filled, is_outline, read_mask
from ..image.regions import MARKUPS_SUFFIX, read_region
from ..image.volume import Volume

_REGION_SUFFIXES = (MARKUPS_SUFFIX, *IMAGE_SUFFIXES)
REGION_NAMES = ("roi", "background")

# The name under which the references themselves are spoken of, and measured where that says
# something.
REFERENCE = "reference"


@dataclass(frozen=True)
class Folders:
    """Where the images are.

    Attributes:
        reference: what each image is compared with.
        images: of each method, by the method's name.
        masks: the foreground of each reference, above 0 inside; None: where a reference is above 0.
        rois: ``<name>_roi`` and ``<name>_background``, Slicer ROIs (``.mrk.json``) or masks.
        real: what FID and KID compare with; None: the references.
    """

    reference: Path
    images: dict[str, Path]
    masks: Path | None = None
    rois: Path | None = None
    real: Path | None = None


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case, which share their name up to the suffix."""

    name: str
    reference: Path
    images: dict[str, Path]
    mask: Path | None
    regions: tuple[Path, Path] | None


@dataclass(frozen=True)
class Pair:
    """A reference and an image that lie on one grid, values in 0 .. 255.

    Attributes:
        foreground: boolean [k, j, i], never empty; None where there is none.
        regions: region of interest and background, boolean [k, j, i].
    """

    reference: Volume
    image: Volume
    foreground: np.ndarray | None = None
    regions: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def inside(self) -> np.ndarray:
        """The foreground.

        Raises:
            InputError: if there is none.
        """
        if self.foreground is None:
            raise InputError("There is no foreground.")
        return self.foreground


def match_files(folders: Folders) -> tuple[list[CaseFiles], list[Problem]]:
    """Pair the files by their names up to the suffix.

    Returns:
        The cases that have a reference and at least one image, sorted by name, and what is missing
        or ambiguous.

    Raises:
        InputError: if a folder is missing or there is no pair at all.
    """
    problems: list[Problem] = []
    references = images_by_name(folders.reference, REFERENCE, problems)
    found = {m: images_by_name(folder, m, problems) for m, folder in folders.images.items()}
    masks = images_by_name(folders.masks, "masks", problems) if folders.masks else {}
    regions = _regions(folders.rois, problems) if folders.rois else {}
    ambiguous = {(problem.case, problem.method) for problem in problems}
    for method, images in found.items():
        for name in sorted({*references, *images}):
            if name not in images and (name, method) not in ambiguous:
                problems.append(Problem(name, method, "", "There is no image of this name."))
            elif name not in references and (name, REFERENCE) not in ambiguous:
                problems.append(Problem(name, method, "", "There is no reference of this name."))
    cases = []
    for name, reference in sorted(references.items()):
        images = {method: found[method][name] for method in found if name in found[method]}
        if images:
            cases.append(CaseFiles(name, reference, images, masks.get(name), regions.get(name)))
    if not cases:
        raise InputError(
            f"No image has the name of a reference in {folders.reference}; give files of a pair "
            "the same name up to the suffix."
        )
    return cases, problems


def read_foreground(case: CaseFiles, reference: Volume, masked: bool) -> np.ndarray:
    """The voxels that metrics of the foreground look at, boolean [k, j, i].

    Args:
        case: whose mask is read.
        reference: of the case.
        masked: whether masks are given; else the foreground is where the reference is above 0.

    Raises:
        InputError: if the mask is missing, empty or of another grid.
    """
    if not masked:
        foreground = reference.array > 0
    elif case.mask is None:
        raise InputError("There is no mask of this name; metrics of the foreground are left out.")
    else:
        foreground = read_mask(case.mask, reference.grid, not is_picture(case.reference))
        foreground = filled(foreground) if is_outline(foreground) else foreground
    if not foreground.any():
        raise InputError("The mask is empty; metrics of the foreground are left out.")
    return foreground


def read_regions(case: CaseFiles, reference: Volume) -> tuple[np.ndarray, np.ndarray] | None:
    """The region of interest and the background of a case, boolean [k, j, i]; None without files.

    Raises:
        InputError: if a file cannot be read or lies on another grid.
    """
    if case.regions is None:
        return None

    placed = not is_picture(case.reference)
    roi, background = (read_region(path, reference.grid, placed) for path in case.regions)
    return roi, background


def _regions(folder: Path, problems: list[Problem]) -> dict[str, tuple[Path, Path]]:
    files = only_ones(files_by_name(folder, _REGION_SUFFIXES), "rois", problems)
    pairs = {}
    for name, path in files.items():
        case, _, kind = name.rpartition("_")
        if kind != REGION_NAMES[0]:
            continue
        background = files.get(f"{case}_{REGION_NAMES[1]}")
        if background is None:
            problems.append(
                Problem(case, "", "cnr", f"{path.name} has no background of the same name.")
            )
        else:
            pairs[case] = (path, background)
    return pairs
