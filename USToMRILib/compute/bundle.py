"""Model bundles: weights with their metadata, in MONAI's bundle layout.

A bundle is a folder ``<name>/`` with ``configs/metadata.json``, ``models/model.ts`` (TorchScript),
``docs/README.md`` (model card) and ``LICENSE``. Bundles lie inside this package where pip installed
it, in ``Resources/Models`` beside it in a checkout and in Slicer, or in the folder that the
environment variable ``USTOMRI_MODELS`` names.

Everything that opens weights goes through :func:`load_bundle`: TorchScript is deprecated in
PyTorch, and the day the format changes, it changes here.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    import torch

METADATA_FILE = Path("configs/metadata.json")
WEIGHTS_FILE = Path("models/model.ts")

_LIBRARY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Bundle:
    """A model ready to run.

    Attributes:
        name: of the bundle's folder.
        metadata: as in ``configs/metadata.json``.
        sha256: of the weights file, as checked.
        net: the network in evaluation mode, its parameters without gradient.
    """

    name: str
    metadata: dict[str, Any]
    sha256: str
    net: torch.nn.Module

    @property
    def cautions(self) -> tuple[str, ...]:
        """What the user of a result of this bundle should be told, in at most one sentence."""
        caution = self.metadata.get("caution")
        return (caution,) if caution else ()


def models_dir() -> Path:
    """The folder that holds the bundles."""
    chosen = os.environ.get("USTOMRI_MODELS")
    if chosen:
        return Path(chosen)
    installed = _LIBRARY / "Models"
    return installed if installed.is_dir() else _LIBRARY.parent / "Resources" / "Models"


def list_bundles() -> list[str]:
    """Names of the bundles in :func:`models_dir`, sorted."""
    return sorted(path.parents[1].name for path in models_dir().glob(f"*/{METADATA_FILE}"))


def first_installed(*sets: tuple[str, ...]) -> tuple[str, ...]:
    """The first set of bundles of which all are in :func:`models_dir`; the last where none is."""
    here = set(list_bundles())
    return next((names for names in sets if here.issuperset(names)), sets[-1])


def read_metadata(name: str) -> dict[str, Any]:
    """The metadata of a bundle.

    Raises:
        InputError: if the bundle is missing or its metadata cannot be read.
    """
    path = models_dir() / name / METADATA_FILE
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(
            f"The bundle {name!r} is not in {models_dir()}; install the complete extension or "
            "point USTOMRI_MODELS to a folder that holds it."
        ) from None
    except ValueError as error:
        raise InputError(f"{path} is no JSON ({error}); install the bundle again.") from None
    if not isinstance(metadata, dict):
        raise InputError(f"{path} is not a bundle's metadata; install the bundle again.")
    return metadata


def verify_bundle(name: str) -> str:
    """Compare the weights of a bundle with the checksum in its metadata.

    Returns:
        The SHA-256 of the weights file, in hexadecimal.

    Raises:
        InputError: if the bundle is missing or incomplete, or its checksum differs.
    """
    expected = read_metadata(name).get("sha256")
    path = models_dir() / name / WEIGHTS_FILE
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        raise InputError(
            f"The bundle {name!r} lacks {WEIGHTS_FILE}; install the bundle again."
        ) from None
    if found != expected:
        raise InputError(
            f"The weights of bundle {name!r} are damaged or were changed (SHA-256 {found[:12]}..., "
            f"expected {str(expected)[:12]}...); install the bundle again."
        )
    return found


def load_bundle(name: str, device: str = "cpu") -> Bundle:
    """Check a bundle and load its network; the same weights are opened once per device.

    Raises:
        InputError: if the bundle is missing, incomplete, damaged or changed.
    """
    sha256 = verify_bundle(name)
    path = models_dir() / name / WEIGHTS_FILE
    return Bundle(name, read_metadata(name), sha256, _open(path, sha256, device))


@lru_cache(maxsize=8)
def _open(path: Path, sha256: str, device: str) -> torch.nn.Module:
    import torch

    class Steady(torch.nn.Module):
        """The network as it was saved.

        TorchScript rewrites a network while it runs, so that the second run of a process differs
        from the first in the last digits; and the rewritten one is not faster here.
        """

        def __init__(self, script: torch.jit.ScriptModule) -> None:
            super().__init__()
            self.script = script

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            with torch.jit.optimized_execution(False):
                return self.script(*inputs)

    with warnings.catch_warnings():
        # TorchScript's deprecation is known; see above.
        warnings.simplefilter("ignore", DeprecationWarning)
        net = torch.jit.load(str(path), map_location=device)
    for parameter in net.parameters():
        # Some are stored in half precision, for the size of the file.
        parameter.data = parameter.data.float()
        parameter.requires_grad_(False)
    return Steady(net).eval()
