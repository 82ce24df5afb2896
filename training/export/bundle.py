"""Write a bundle: weights, metadata, model card and licence, in MONAI's layout."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import torch

from USToMRILib.compute.bundle import METADATA_FILE, WEIGHTS_FILE, models_dir

CARD_FILE = Path("docs/README.md")
LICENCE_FILE = Path("LICENSE")


def export_bundle(
    name: str,
    traced: torch.jit.ScriptModule,
    metadata: dict[str, Any],
    card: str,
    licence: str,
    folder: Path | None = None,
) -> Path:
    """Write the bundle ``name`` and return its folder.

    Args:
        traced: the network, traced or scripted in evaluation mode.
        metadata: everything but ``version`` and ``changelog``, which go on from those of the
            bundle that is replaced, and ``sha256``; it also travels inside the weights file as the
            extra file ``metadata.json``.
        card: text of the model card (Markdown).
        licence: text of the bundle's licence.
        folder: that holds the bundles; the library's own where not given.
    """
    root = (folder or models_dir()) / name
    for file in (METADATA_FILE, WEIGHTS_FILE, CARD_FILE):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
    weights = root / WEIGHTS_FILE
    metadata = {**versions(metadata, root / METADATA_FILE), **metadata}
    extra = {"metadata.json": json.dumps(metadata)}
    torch.jit.save(traced, str(weights), _extra_files=extra)
    drop_debug_records(weights)
    complete = {**metadata, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
    (root / METADATA_FILE).write_text(json.dumps(complete, indent=2) + "\n", encoding="utf-8")
    (root / CARD_FILE).write_text(card, encoding="utf-8")
    (root / LICENCE_FILE).write_text(licence, encoding="utf-8")
    return root


def versions(metadata: dict[str, Any], replaced: Path) -> dict[str, Any]:
    """The version and changelog of a bundle that takes the place of another.

    Args:
        metadata: of the new bundle.
        replaced: metadata file of the old one, if there is one. Weights of other training runs
            raise its minor version, the same exported anew its patch version.
    """
    if not replaced.exists():
        return {"version": "0.1.0", "changelog": {"0.1.0": "first weights"}}
    earlier = json.loads(replaced.read_text(encoding="utf-8"))
    major, minor, patch = map(int, earlier["version"].split("."))
    if earlier["training"]["runs"] == metadata["training"]["runs"]:
        version, change = f"{major}.{minor}.{patch + 1}", "the same weights, exported anew"
    else:
        run = metadata["training"]["runs"][-1]
        version = f"{major}.{minor + 1}.0"
        change = f"weights of {run['date']}: {run['command']}"
    return {"version": version, "changelog": {**earlier["changelog"], version: change}}


def drop_debug_records(weights: Path) -> None:
    """Rewrite a TorchScript file without its debugging records.

    They name every source file by its path on the machine that trained, and nothing reads them but
    stack traces.
    """
    slim = weights.with_suffix(".slim")
    with zipfile.ZipFile(weights) as old, zipfile.ZipFile(slim, "w") as new:
        for entry in old.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                new.writestr(entry, old.read(entry))
    slim.replace(weights)


def trace(net: torch.nn.Module, *examples: torch.Tensor) -> torch.jit.ScriptModule:
    """Trace a network in evaluation mode and check the trace on inputs of another batch size.

    Raises:
        RuntimeError: if the trace computes anything else than the network.
    """
    net = net.eval()
    traced = torch.jit.trace(net, examples)
    others = [torch.cat([example, example[:1].flip(-1)]) for example in examples]
    with torch.no_grad():
        answers = zip(_parts(traced(*others)), _parts(net(*others)))
        difference = max((a - b).abs().max().item() for a, b in answers)
    if not difference < 1e-4:
        raise RuntimeError(f"The trace differs from the network by {difference:g}.")
    return traced


# What rounding the weights may change: half a grey level of 0..255, on the scale of -1..1.
HALF_TOLERANCE = 0.5 / 127.5


def in_half_precision(
    traced: torch.jit.ScriptModule, examples: tuple[torch.Tensor, ...]
) -> torch.jit.ScriptModule:
    """Round a trace's parameters to half precision, in place; its buffers stay as they are.

    The file is half as large. The loader computes in single precision.

    Raises:
        RuntimeError: if that changes what the network computes of ``examples`` by more than half
            a grey level.
    """
    with torch.no_grad():
        before = _first(traced(*examples))
        for parameter in traced.parameters():
            parameter.data = parameter.data.half().float()
        difference = (_first(traced(*examples)) - before).abs().max().item()
        if not difference < HALF_TOLERANCE:
            raise RuntimeError(f"Half precision changes the output by {difference:g}.")
        for parameter in traced.parameters():
            parameter.data = parameter.data.half()
    return traced


def _parts(answer: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (answer,) if isinstance(answer, torch.Tensor) else answer


def _first(answer: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
    """The image of an answer that may hold more."""
    return _parts(answer)[0]


def data_format(
    channels: dict[str, str], spatial_shape: list[Any], value_range: list[float], kind: str
) -> dict[str, Any]:
    """One entry of MONAI's ``network_data_format``.

    Args:
        channels: channel number, as text, to its meaning.
        spatial_shape: numbers, or expressions such as "16*n".
        value_range: (least, greatest).
        kind: "image", "noise" or "probability".
    """
    return {
        "type": "image",
        "format": kind,
        "num_channels": len(channels),
        "spatial_shape": spatial_shape,
        "dtype": "float32",
        "value_range": value_range,
        "is_patch_data": False,
        "channel_def": channels,
    }
