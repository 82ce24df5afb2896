"""The record of how a pseudo-MRI was made."""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from .image.sequence import ImageSequence
from .image.volume import Volume
from .version import __version__

SYNTHETIC = (
    "SYNTHETIC IMAGE: computed from ultrasound by USToMRI, not an MRI scan; it may show anatomy "
    "that is not there. Not for diagnosis."
)

HEADER_KEY = "USToMRI_provenance"


def make_provenance(
    volume: Volume, method: str, parameters: dict[str, Any], bundles: dict[str, str], device: str
) -> dict[str, Any]:
    """The record of one translation, ready for JSON.

    Args:
        volume: the input.
        method, parameters: everything that changes a voxel.
        bundles: names and SHA-256 of the weights.
        device: that computed it.
    """
    return {
        "notice": SYNTHETIC,
        "tool": "USToMRI",
        "version": __version__,
        "method": method,
        "parameters": parameters,
        "bundles": bundles,
        "device": device,
        "libraries": library_versions("torch", "SimpleITK", "numpy"),
        "input": describe_input(volume),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def describe_input(volume: Volume | ImageSequence) -> dict[str, Any]:
    """By which an input is known again: its voxels' digest and type, and where they lie."""
    return {
        "voxels_sha256": voxels_sha256(volume.array),
        "dtype": str(volume.array.dtype),
        "grid": asdict(volume.grid),
    }


def library_versions(*packages: str) -> dict[str, str]:
    """The versions of Python and of packages by their names on PyPI; "unknown" if not there."""
    return {"python": platform.python_version(), **{name: _version(name) for name in packages}}


def voxels_sha256(array: np.ndarray) -> str:
    """SHA-256 of the voxels' bytes in k, j, i order, little-endian."""
    ordered = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return hashlib.sha256(ordered.data).hexdigest()


def header_fields(provenance: dict[str, Any], part: str = "") -> dict[str, str]:
    """The record as image header fields.

    The first is short, for formats that have room for one line only.

    Args:
        provenance: the record of a pseudo-MRI.
        part: what of it the image is, such as "UNCERTAINTY", where it is not the pseudo-MRI.
    """
    of = f"{part} of a " if part else ""
    contrast = provenance["parameters"].get("contrast")
    made_by = " ".join(filter(None, (provenance["version"], provenance["method"], contrast)))
    return {
        "description": f"{of}SYNTHETIC pseudo-MRI, USToMRI {made_by}, not for diagnosis",
        HEADER_KEY: json.dumps(provenance),
    }


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
