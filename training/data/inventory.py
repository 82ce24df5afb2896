"""What a reader found in a folder of data, what it left out, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar


class Item(Protocol):
    """Something that a reader found: it belongs to a subject and can say what it is."""

    @property
    def subject(self) -> str:
        """The person, fetus or atlas week that it belongs to; splits go by it."""

    def describe(self) -> str:
        """What it is, in one line, without the subject."""


Found = TypeVar("Found", bound=Item)


@dataclass(frozen=True)
class LeftOut:
    """A file, folder or subject that is not used, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Inventory(Generic[Found]):
    """The content of one folder.

    Attributes:
        source: name of the data set or layout.
        root: the folder.
        found: what can be used, sorted.
        left_out: what cannot, sorted.
    """

    source: str
    root: Path
    found: Sequence[Found]
    left_out: Sequence[LeftOut]

    @property
    def subjects(self) -> list[str]:
        """The subjects of what was found, each once, sorted."""
        return sorted({item.subject for item in self.found})

    def report(self) -> str:
        """Lines for a reader: every item found, everything left out, and how many of each."""
        lines = [f"{self.source} in {self.root}"]
        lines += [f"  found     {item.subject}: {item.describe()}" for item in self.found]
        lines += [f"  left out  {left.what}: {left.why}" for left in self.left_out]
        counts = f"{len(self.found)} found of {len(self.subjects)} subjects"
        return "\n".join([*lines, f"{counts}, {len(self.left_out)} left out"])


def without_suffixes(name: str) -> str:
    """A file's name without its image suffix, ``.nii.gz`` included."""
    for suffix in IMAGE_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


IMAGE_SUFFIXES = (".nii.gz", ".nii", ".mnc", ".nrrd", ".mha", ".mhd")


def find_image(folder: Path, stem: str) -> Path | None:
    """The image file ``stem`` in ``folder``, whatever its format, or None."""
    files = (folder / f"{stem}{suffix}" for suffix in IMAGE_SUFFIXES)
    return next((file for file in files if file.exists()), None)
