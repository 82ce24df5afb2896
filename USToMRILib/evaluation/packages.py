"""The packages of the extra ``evaluation``."""

from __future__ import annotations

import importlib.util

from ..errors import InputError

PACKAGES = ("sklearn", "statsmodels", "torchmetrics")


def check_packages() -> None:
    """Raise InputError unless the packages of the extra ``evaluation`` are installed."""
    if any(importlib.util.find_spec(package) is None for package in PACKAGES):
        raise InputError(
            "Evaluation needs some more packages; in the folder of USToMRI's source run python3 "
            "dev.py setup or, for an environment of your own, pip install '.[evaluation]'."
        )
