"""Which files belong together, and reading them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..image.formats import SUFFIXES, is_picture
from ..image.masks import filled, is_outline, read_mask
from ..image.reading import NeedlessPixelSizeError
from ..image.regions import MARKUPS_SUFFIX, read_region
from ..image.volume import Volume

_IMAGE_SUFFIXES = (*SUFFIXES, ".dcm")
_REGION_SUFFIXES = (MARKUPS_SUFFIX, *_IMAGE_SUFFIXES)
REGION_NAMES = ("roi", "background")

# The name under which the references themselves are spoken of, and measured where that says
# something.
REFERENCE = "reference"

# `ustomri batch` adds this and more to the name of the ultrasound.
_SYNTHETIC_ENDING = "_SYNTHETIC"

# Rounding of files and interpolation; more than that is another scale.
_RANGE_TOLERANCE = 0.5


@dataclass(frozen=True)
class Problem:
    """Why something of one case could not be measured; the rest was.

    Attributes:
        case: its name.
        method: that is concerned; empty: all.
        metric: that is concerned; empty: all.
        text: one sentence.
    """

    case: str
    method: str
    metric: str
    text: str


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
class Case:
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


@dataclass(frozen=True)
class Reader:
    """How image files are read.

    Attributes:
        pixel_size: in mm, of images that do not state theirs; 1 mm for pictures (PNG ...) where
            it is not given, since it matters only for Slicer's ROIs.
        rescale: map every image's least and greatest value to 0 and 255.
    """

    pixel_size: float | None = None
    rescale: bool = False

    def read(self, path: Path) -> Volume:
        """Read an image as it is.

        Raises:
            InputError: as :meth:`Volume.read`.
        """
        if is_picture(path):
            return Volume.read(path, self.pixel_size or 1.0)
        try:
            return Volume.read(path, self.pixel_size)
        except NeedlessPixelSizeError:
            return Volume.read(path)

    def read_grey(self, path: Path) -> Volume:
        """Read an image whose values are float64 in 0 .. 255, rescaled to it where asked.

        Raises:
            InputError: as :meth:`Volume.read`; values outside 0 .. 255.
        """
        volume = self.read(path)
        array = volume.array.astype(np.float64)
        low, high = float(array.min()), float(array.max())
        if self.rescale and low < high:
            array = (array - low) * (255 / (high - low))
        elif low < -_RANGE_TOLERANCE or high > 255 + _RANGE_TOLERANCE:
            raise InputError(
                f"{path.name} has values from {low:g} to {high:g}, not 0 to 255; scale it, or give "
                "--rescale to scale every image."
            )
        return volume.with_array(array)

    def middle_slice(self, path: Path) -> np.ndarray | None:
        """The middle slice [j, i] of an image in 0 .. 255, for a picture; None if unreadable.

        Pixels that are not square are repeated along their longer side, to the nearest whole
        number of times.
        """
        try:
            volume = self.read_grey(path)
        except InputError:
            return None
        width, height, _ = volume.grid.spacing
        pixels = volume.array[len(volume.array) // 2]
        for axis, ratio in enumerate((height / width, width / height)):
            pixels = pixels.repeat(max(1, round(ratio)), axis=axis)
        return pixels


def find_cases(folders: Folders) -> tuple[list[Case], list[Problem]]:
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
            cases.append(Case(name, reference, images, masks.get(name), regions.get(name)))
    if not cases:
        raise InputError(
            f"No image has the name of a reference in {folders.reference}; give files of a pair "
            "the same name up to the suffix."
        )
    return cases, problems


def images_by_name(folder: Path, what: str, problems: list[Problem]) -> dict[str, Path]:
    """The image files of a folder, by their names up to the suffix or ``_SYNTHETIC...``.

    Several files of one name are left out and become a problem of ``what``.

    Raises:
        InputError: if there is no such folder.
    """
    found: dict[str, list[Path]] = {}
    for name, paths in _by_stem(_files(folder), _IMAGE_SUFFIXES).items():
        source, ending, _ = name.partition(_SYNTHETIC_ENDING)
        # `ustomri batch` keeps the suffix of what it translated: b.png_SYNTHETIC_MRI_ddic.nrrd.
        case = _without_suffix(source, _IMAGE_SUFFIXES) if ending else source
        found.setdefault(case, []).extend(paths)
    return _only_ones(found, what, problems)


def read_foreground(case: Case, reference: Volume, masked: bool) -> np.ndarray:
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


def read_regions(case: Case, reference: Volume) -> tuple[np.ndarray, np.ndarray] | None:
    """The region of interest and the background of a case, boolean [k, j, i]; None without files.

    Raises:
        InputError: if a file cannot be read or lies on another grid.
    """
    if case.regions is None:
        return None

    placed = not is_picture(case.reference)
    roi, background = (read_region(path, reference.grid, placed) for path in case.regions)
    return roi, background


def check_same_grid(volume: Volume, path: Path, reference: Volume, reference_path: Path) -> None:
    """Raise InputError unless both have one size and, where files say so, lie in one place."""
    if volume.grid.size != reference.grid.size:
        raise InputError(
            f"{path.name} has {_extent(volume)} voxels and the reference {_extent(reference)}; "
            "resample it onto the reference."
        )
    placed = not (is_picture(path) or is_picture(reference_path))
    if placed and not volume.grid.lies_on(reference.grid):
        raise InputError(
            f"{path.name} does not lie where the reference lies; resample it onto the reference."
        )


def _extent(volume: Volume) -> str:
    return " x ".join(str(n) for n in volume.grid.size)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"The folder {folder} does not exist; check the name.")
    visible = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in visible if path.is_file())


def _by_stem(paths: Iterable[Path], suffixes: tuple[str, ...]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in paths:
        stem = _without_suffix(path.name, suffixes)
        if stem != path.name:
            found.setdefault(stem, []).append(path)
    return found


def _without_suffix(name: str, suffixes: tuple[str, ...]) -> str:
    """Return the name without the longest suffix that it ends with."""
    fitting = [suffix for suffix in suffixes if name.lower().endswith(suffix)]
    return name[: -len(max(fitting, key=len))] if fitting else name


def _only_ones(found: dict[str, list[Path]], what: str, problems: list[Problem]) -> dict[str, Path]:
    for name, several in found.items():
        if len(several) > 1:
            names = " and ".join(path.name for path in several)
            problems.append(Problem(name, what, "", f"{names} have one name; keep one of them."))
    return {name: several[0] for name, several in found.items() if len(several) == 1}


def _regions(folder: Path, problems: list[Problem]) -> dict[str, tuple[Path, Path]]:
    files = _only_ones(_by_stem(_files(folder), _REGION_SUFFIXES), "rois", problems)
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
