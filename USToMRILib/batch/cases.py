"""Which cases a folder, a CSV file or a single file holds."""

from __future__ import annotations

import csv
import hashlib
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional, TypeVar

from ..errors import InputError
from ..files import check_readable, expanded, is_special, printable
from ..image import dicom, formats

# In the name of every output, so that no pseudo-MRI passes for a scan or for an input.
SYNTHETIC_MARK = "_SYNTHETIC_MRI"

# An input that begins so is a UID of Slicer's DICOM database, which only Slicer can read.
DICOM_PREFIX = "dicom:"

# Bytes of an input's name that go into the output's; names of files may have 255.
_LONGEST_NAME = 190

COLUMNS = ("input", "name", "pixel_size", "frame", "region", "head_mask", "roi", "background")

Value = TypeVar("Value")


@dataclass(frozen=True)
class Case:
    """One image to translate.

    Attributes:
        name: unique in a run, with "/" between folders; the output's name is made of it.
        input: absolute path of a file, or of the folder of a DICOM series, for processes that run
            elsewhere; a Slicer source knows more.
        pixel_size: mm, for an image that does not state it; None: the run's.
        frame: of a cine or 4D image; None: the run's.
        region: of a DICOM picture of several B-mode images; None: the run's.
        head_mask: path of a mask, or "none"; None: the run's.
        roi, background: paths of the regions whose contrast is measured, both or neither.
    """

    name: str
    input: str
    pixel_size: Optional[float] = None
    frame: Optional[int] = None
    region: Optional[int] = None
    head_mask: Optional[str] = None
    roi: Optional[str] = None
    background: Optional[str] = None

    @property
    def key(self) -> str:
        """A short file name for what is kept about this case."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:24]

    def output_name(self, method: str) -> str:
        """Where the pseudo-MRI goes, relative to the output folder.

        The name holds the input's suffix: ``a.png`` and ``a.nii.gz`` do not meet. One that would
        become too long for a file is cut and told from others by a digest.
        """
        folder, slash, name = self.name.rpartition("/")
        whole = name.encode(errors="surrogateescape")
        if len(whole) > _LONGEST_NAME:
            name = f"{whole[:_LONGEST_NAME].decode(errors='ignore')}~{self.key[:8]}"
        return f"{folder}{slash}{name}{SYNTHETIC_MARK}_{method}.nrrd"


def find_cases(
    source: Path, output: Path, also: Callable[[Path], bool] = lambda path: False
) -> list[Case]:
    """The cases of a folder and its subfolders, of a CSV file, or of one image file.

    Args:
        source: in a folder, every image file is a case, and so is a folder of positioned DICOM
            slices, and one that may not be looked into, which fails with that reason. Hidden
            files, outputs of ours and what is no image are passed over.
        output: folder of the results, passed over too.
        also: whether a file of a format that the library does not know is a case too.

    Raises:
        InputError: there is no case, or the CSV cannot be used.
    """
    source = Path(os.path.abspath(source))
    if source.is_dir():
        cases = [Case(_name(path, source), str(path)) for path in _images(source, output, also)]
    elif source.suffix.lower() == ".csv":
        cases = list(_read_csv(source))
    else:
        check_readable(source)
        cases = [Case(_name(source, source.parent), str(source))]
    if not cases:
        raise InputError(f"{source} holds no image; give a folder or a CSV file that names some.")
    check_unique(cases)
    return cases


def check_unique(cases: Iterable[Case]) -> None:
    """Raise InputError if two cases would be written to the same place."""
    seen = set()
    for case in cases:
        if case.name in seen:
            raise InputError(f"The case {case.name} is listed twice; keep one of them.")
        seen.add(case.name)


def _name(path: Path, root: Path) -> str:
    """The path relative to the folder, or the folder's own name for the folder itself."""
    name = root.resolve().name if path == root else path.relative_to(root).as_posix()
    return printable(name)


def _images(root: Path, output: Path, also: Callable[[Path], bool]) -> Iterator[Path]:
    """Every image file and every DICOM stack's folder, folder by folder, sorted by name."""
    closed: list[OSError] = []
    entered = {root.resolve(), output.resolve()}
    for place, folders, names in os.walk(root, onerror=closed.append, followlinks=True):
        folder = Path(place)
        folders[:] = sorted(f for f in folders if _is_to_be_entered(folder / f, root, entered))
        files = [folder / n for n in sorted(names) if n[0] != "." and SYNTHETIC_MARK not in n]
        kinds: dict[str, list[Path]] = {"image": [], "dicom": [], "other": []}
        for file in files:
            kinds[kind_of(file)].append(file)
        single, stacked = dicom.split_stack(kinds["dicom"])
        yield from ([folder] if stacked else [])
        yield from sorted([*kinds["image"], *single, *filter(also, kinds["other"])])
    yield from (Path(error.filename) for error in closed)


def _is_to_be_entered(folder: Path, root: Path, entered: set[Path]) -> bool:
    """Whether a folder is looked into: once, and not through a link that leads back into the tree.

    Args:
        entered: where the walk was, or must not go, without links; grows.
    """
    real = folder.resolve()
    leads_back = folder.is_symlink() and real.is_relative_to(root.resolve())
    if folder.name.startswith(".") or leads_back or real in entered:
        return False
    entered.add(real)
    return True


def kind_of(file: Path) -> str:
    """Whether a file is an "image" or "dicom" for the library, or something "other"."""
    if is_special(file):
        return "other"
    if formats.has_suffix(file, formats.SUFFIXES):
        return "image"
    return "dicom" if file.name != "DICOMDIR" and _is_dicom(file) else "other"


def _is_dicom(path: Path) -> bool:
    try:
        return dicom.is_dicom(path)
    except OSError:  # such a file is a case only if its name says that it is an image
        return False


def _read_csv(path: Path) -> Iterator[Case]:
    check_readable(path)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            _check_columns(path, table.fieldnames or ())
            for row in table:
                if any(row.values()):
                    yield _case_of_row(path, row, f"{path}, line {table.line_num}")
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no CSV file in UTF-8; save it as one.") from error


def _check_columns(path: Path, found: Iterable[str]) -> None:
    unknown = [name for name in found if name not in COLUMNS]
    if unknown or "input" not in found:
        wrong = f"has the unknown column {unknown[0]!r}" if unknown else "has no column 'input'"
        raise InputError(
            f"{path} {wrong}; its first line names columns of: {', '.join(COLUMNS)}, with commas "
            "between them."
        )


def _case_of_row(table: Path, row: dict[str, str], line: str) -> Case:
    """The case of one line; relative paths start at the CSV's folder."""
    cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if None in row or not cells["input"]:
        raise InputError(f"{line}: too many values or no input; give one value a column.")
    if bool(cells["roi"]) != bool(cells["background"]):
        raise InputError(f"{line}: roi and background go together; give both or neither.")
    image, name = _image(cells["input"], table)
    if cells["name"]:
        name = _checked_name(cells["name"], line)
    parts = {part: _parsed(cells[part], int, part, line) for part in ("frame", "region")}
    for part, number in parts.items():
        name = name if number is None else f"{name}_{part}{number}"
    mask = cells["head_mask"]
    return Case(
        name,
        image,
        _parsed(cells["pixel_size"], _length, "pixel_size", line),
        parts["frame"],
        parts["region"],
        mask if mask == "none" else _path(mask, table) or None,
        _path(cells["roi"], table) or None,
        _path(cells["background"], table) or None,
    )


def _image(cell: str, table: Path) -> tuple[str, str]:
    """The input of a line, and the name that it gives to its case."""
    if cell.startswith(DICOM_PREFIX):
        return cell, cell.replace(":", "/")
    image = _path(cell, table)
    whole = Path(os.path.abspath(image))
    try:
        name = whole.relative_to(table.resolve().parent)
    except ValueError:  # it lies elsewhere: all of its path, without the drive
        name = Path(*whole.parts[1:])
    return image, printable(name.as_posix())


def _checked_name(cell: str, line: str) -> str:
    """A name that the user gave; its output lies in the output folder whatever it is."""
    parts = cell.replace("\\", "/").split("/")
    if any(part in ("", ".", "..") or ":" in part for part in parts):
        raise InputError(f"{line}: name cannot be {cell!r}; give a relative path without '..'.")
    return printable("/".join(parts))


def _path(cell: str, table: Path) -> str:
    return str(table.resolve().parent / expanded(cell)) if cell else ""


def _length(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise ValueError("not a length")
    return value


def _parsed(cell: str, convert: Callable[[str], Value], column: str, line: str) -> Value | None:
    if not cell:
        return None
    try:
        return convert(cell)
    except ValueError:
        raise InputError(
            f"{line}: {column} cannot be {cell!r}; give a number or nothing."
        ) from None
