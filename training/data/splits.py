"""Which subject belongs to which part of the data; written down once, never drawn again."""

from __future__ import annotations

import json
from pathlib import Path

PARTS = ("train", "validation", "test")


def read_split(name: str) -> dict[str, list[str]]:
    """The subjects of each part, from ``training/splits/<name>.json``.

    Raises:
        ValueError: if a subject stands in two parts.
    """
    path = Path(__file__).parents[1] / "splits" / f"{name}.json"
    return check_split(json.loads(path.read_text()), path.name)


def check_split(split: dict[str, list[str]], name: str) -> dict[str, list[str]]:
    """The parts of ``split`` as it stands in the file ``name``.

    Raises:
        ValueError: if a subject stands in two parts.
    """
    parts = {part: split[part] for part in PARTS}
    subjects = [subject for part in PARTS for subject in parts[part]]
    if len(subjects) != len(set(subjects)):
        raise ValueError(f"{name} names a subject in two parts; correct the file.")
    return parts


def part_of(subject: str, split: dict[str, list[str]]) -> str | None:
    """The part that ``subject`` belongs to, or None where the split does not name it."""
    return next((part for part in PARTS if subject in split[part]), None)
