"""Folders of images: which files have one name, and reading them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import is_sample
from .formats import SUFFIXES, is_picture
from .reading import NeedlessPixelSizeError
from .volume import Volume

IMAGE_SUFFIXES = (*SUFFIXES, ".dcm")

# `ustomri batch` adds this and more to the name of the ultrasound.
_SYNTHETIC_ENDING = "_SYNTHETIC"

# Rounding of files and interpolation; more than that is another scale.
_RANGE_TOLERANCE = 0.5
# In a set of grey levels in 0 .. 255, something is as bright as this.
_SMALL_RANGE = 64


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

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.case, self.method, self.metric) if part)
        return f"{where}: {self.text}"


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
    _units: dict[Path, float] = field(default_factory=dict, compare=False, repr=False)

    def read(self, path: Path) -> Volume:
        """Read an image as it is.

        Raises:
            InputError: as :meth:`Volume.read`.
        """
        usual = 1.0 if is_picture(path) else None
        try:
            return Volume.read(path, self.pixel_size or usual)
        except NeedlessPixelSizeError:
            return Volume.read(path)

    def read_grey(self, path: Path) -> Volume:
        """Read an image whose values are float64 in 0 .. 255, rescaled to it where asked.

        Where all images of its folder have fractions in 0 .. 1, these are taken for 0 .. 255.

        Raises:
            InputError: as :meth:`Volume.read`; values outside 0 .. 255, or in a small part of it
                in all images of the folder.
        """
        volume = self.read(path)
        array = volume.array.astype(np.float64)
        low, high = float(array.min()), float(array.max())
        if self.rescale and low < high:
            array = (array - low) * (255 / (high - low))
        elif 0 <= low < high < _SMALL_RANGE:
            folder = path.parent
            if folder not in self._units:
                self._units[folder] = _unit(self, folder)
            array = array * self._units[folder]
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


def _unit(reader: Reader, folder: Path) -> float:
    """Return what the values of a folder's images are to be multiplied with to be grey levels.

    Raises:
        InputError: no image is as bright as grey levels in 0 .. 255 are.
    """
    brightest, whole = 0.0, True
    for paths in files_by_name(folder, IMAGE_SUFFIXES).values():
        for path in paths:
            try:
                array = reader.read(path).array
            except InputError:  # which is said where the image is measured
                continue
            brightest = max(brightest, float(array.max()))
            whole = whole and array.dtype.kind in "biu"
            if brightest >= _SMALL_RANGE:
                return 1.0
    if brightest <= 1 and not whole:
        return 255.0
    raise InputError(
        f"The images in {folder} have values up to {brightest:g} only, not 0 to 255; scale them, "
        "or give --rescale to scale every image."
    )


def images_by_name(folder: Path, what: str, problems: list[Problem]) -> dict[str, Path]:
    """The image files of a folder, by their names up to the suffix or ``_SYNTHETIC...``.

    Several files of one name are left out and become a problem of ``what``.

    Raises:
        InputError: if there is no such folder.
    """
    found: dict[str, list[Path]] = {}
    for name, paths in files_by_name(folder, IMAGE_SUFFIXES).items():
        source, ending, rest = name.partition(_SYNTHETIC_ENDING)
        if ending and is_sample(rest):
            continue  # the image is the mean of the samples
        # `ustomri batch` keeps the suffix of what it translated: b.png_SYNTHETIC_MRI_ddic.nrrd.
        case = _without_suffix(source, IMAGE_SUFFIXES) if ending else source
        found.setdefault(case, []).extend(paths)
    return only_ones(found, what, problems)


def files_by_name(folder: Path, suffixes: tuple[str, ...]) -> dict[str, list[Path]]:
    """The files of a folder with one of the suffixes, hidden ones aside, by their names without it.

    Raises:
        InputError: if there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"The folder {folder} does not exist; check the name.")
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        stem = _without_suffix(path.name, suffixes)
        if path.is_file() and not path.name.startswith(".") and stem != path.name:
            found.setdefault(same_name(stem), []).append(path)
    return found


def same_name(name: str) -> str:
    """Return a name as all systems that write the same letters have it: macOS takes them apart."""
    return unicodedata.normalize("NFC", name)


def only_ones(found: dict[str, list[Path]], what: str, problems: list[Problem]) -> dict[str, Path]:
    """The names that one file has; several files of one name become a problem of ``what``."""
    for name, several in found.items():
        if len(several) > 1:
            names = " and ".join(path.name for path in several)
            problems.append(Problem(name, what, "", f"{names} have one name; keep one of them."))
    return {name: several[0] for name, several in found.items() if len(several) == 1}


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


def _without_suffix(name: str, suffixes: tuple[str, ...]) -> str:
    """Return the name without the longest suffix that it ends with."""
    fitting = [suffix for suffix in suffixes if name.lower().endswith(suffix)]
    return name[: -len(max(fitting, key=len))] if fitting else name


def _extent(volume: Volume) -> str:
    return " x ".join(str(n) for n in volume.grid.size)
