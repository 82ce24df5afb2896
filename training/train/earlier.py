"""Trainings that begin with weights which are there already."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from training.networks.inference_form import as_trained
from training.train.checkpoint import load_checkpoint
from training.train.loop import CHECKPOINT
from USToMRILib.compute.bundle import METADATA_FILE, WEIGHTS_FILE


def add_start_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--start-from``, what :func:`earlier_weights` takes."""
    parser.add_argument(
        "--start-from",
        type=_run_or_bundle,
        metavar="FOLDER",
        help="begin with the weights of another run's folder, or of a bundle",
    )


def _run_or_bundle(text: str) -> Path:
    place = Path(text)
    if not any((place / file).exists() for file in (METADATA_FILE, CHECKPOINT)):
        raise argparse.ArgumentTypeError(
            f"{place} holds neither a bundle nor the {CHECKPOINT} of a run; name a folder that does"
        )
    return place


def earlier_weights(place: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    """The averaged weights of a run's folder, or of a bundle, and the records of what made them."""
    if (place / METADATA_FILE).exists():
        metadata = json.loads((place / METADATA_FILE).read_text(encoding="utf-8"))
        exported = torch.jit.load(str(place / WEIGHTS_FILE), map_location="cpu")
        weights = as_trained(exported.state_dict())
        return weights, metadata["training"]["runs"]
    records = json.loads((place / "run.json").read_text())
    return load_checkpoint(place / CHECKPOINT)["ema"], records
