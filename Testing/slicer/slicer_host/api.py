"""The names that Slicer offers to Python."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# PythonQt's own additions to every QObject, which a listing of the class does not show.
_PYTHONQT = frozenset({"name"})


@dataclass(frozen=True)
class ClassApi:
    """What PythonQt offers on objects of one class."""

    properties: dict[str, str]
    signals: frozenset[str]
    slots: frozenset[str]
    names: frozenset[str]


@functools.lru_cache(maxsize=1)
def load() -> dict[str, Any]:
    """Return what was read off a running Slicer."""
    text = Path(__file__).with_name("slicer_api.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


@functools.cache
def of_class(qualified_name: str) -> ClassApi:
    """Return the names of a class such as ``qt.QLabel``, with those that all classes share."""
    own, common = load()["classes"][qualified_name], load()["common"]
    properties = {**common["properties"], **own.get("properties", {})}
    signals = frozenset(common["signals"]) | frozenset(own.get("signals", []))
    slots = frozenset(common["slots"]) | frozenset(own.get("slots", []))
    functions = {signature.partition("(")[0] for signature in signals | slots}
    names = _PYTHONQT | functions | set(properties)
    names |= set(common["attrs"]) | set(own.get("attrs", []))
    return ClassApi(properties, signals, slots, frozenset(names))


def names_of(module: str) -> frozenset[str]:
    """Return the names in ``app``, ``qt``, ``ctk`` or ``slicer`` (its widget classes)."""
    return frozenset(load()["names"][module])
