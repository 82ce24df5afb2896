"""Lengths that headers state in other units than millimetres."""

from __future__ import annotations

import math

_MILLIMETRES = {
    "": 1.0,
    "???": 1.0,
    "mm": 1.0,
    "millimeter": 1.0,
    "millimetre": 1.0,
    "nm": 1e-6,
    "nanometer": 1e-6,
    "nanometre": 1e-6,
    "um": 1e-3,
    "µm": 1e-3,  # micro sign
    "μm": 1e-3,  # Greek letter
    "\\u00b5m": 1e-3,  # as ImageJ writes it
    "micron": 1e-3,
    "micrometer": 1e-3,
    "micrometre": 1e-3,
    "cm": 10.0,
    "centimeter": 10.0,
    "centimetre": 10.0,
    "dm": 100.0,
    "m": 1000.0,
    "meter": 1000.0,
    "metre": 1000.0,
    "in": 25.4,
    "inch": 25.4,
    "inches": 25.4,
}

# Symbols have no plural: "ms" is a time.
_LONGEST_SYMBOL = 2


def millimetres(unit: str) -> float:
    """Return how many mm a unit is; NaN for what is no length, such as pixels."""
    name = unit.strip().lower()
    singular = name[:-1] if name.endswith("s") and len(name) > _LONGEST_SYMBOL else name
    return _MILLIMETRES.get(name, _MILLIMETRES.get(singular, math.nan))
