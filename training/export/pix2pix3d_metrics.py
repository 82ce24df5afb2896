"""What a 3D pix2pix reaches on heads that it never saw, as the bundle's card tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from training.data.pairs import Pair
from training.train.image_metrics import perceptual_distances, similarity
from USToMRILib.compute.bundle import Bundle
from USToMRILib.image.grid import Grid
from USToMRILib.image.volume import Volume
from USToMRILib.pix2pix.generator import BUNDLE
from USToMRILib.pix2pix.translation import DEFAULT_MEMORY_GIB, translate_volume
from USToMRILib.progress import Progress, ProgressEvent

# Hardly more than the program itself takes: a pair is then cut into many windows.
LITTLE_MEMORY_GIB = 0.7


def translate_pairs(
    net: torch.nn.Module, metadata: dict[str, Any], pairs: Sequence[Pair]
) -> list[np.ndarray]:
    """Translate the ultrasound of every pair as the product does, float32 [k, j, i] in 0..255.

    Args:
        net: the generator.
        metadata: of its bundle, what :func:`training.export.pix2pix3d.use_of` returns.
        pairs: simulated.
    """
    return [_translated(net, metadata, pair, DEFAULT_MEMORY_GIB)[0] for pair in pairs]


def window_seams(net: torch.nn.Module, metadata: dict[str, Any], pair: Pair) -> dict[str, Any]:
    """Measure whether one sees the windows: translate a pair in many, and in one pass.

    Returns:
        `windows`, how many they were, and `windows_largest_difference` from the one pass, of 255.
        A seam would be a difference; what is left of rounding is far below a grey level.
    """
    whole, _ = _translated(net, metadata, pair, DEFAULT_MEMORY_GIB)
    joined, windows = _translated(net, metadata, pair, LITTLE_MEMORY_GIB)
    return {
        "windows": windows,
        "windows_largest_difference": round(float(np.abs(joined - whole).max()), 5),
    }


def _translated(
    net: torch.nn.Module, metadata: dict[str, Any], pair: Pair, memory_gib: float
) -> tuple[np.ndarray, int]:
    """Return a pair's translation within the memory, and the number of its windows."""
    events: list[ProgressEvent] = []
    volume = Volume(pair.ultrasound, Grid(pair.mri.shape[::-1]))
    bundle = Bundle(BUNDLE, metadata, "", net)
    array = translate_volume(volume, bundle, Progress(events.append), memory_gib).array
    return array, max((event.of for event in events if event.phase == "windows"), default=0)


def held_out_metrics(translated: Sequence[np.ndarray], pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return mean and standard deviation over volumes of each measure, and of two baselines."""
    mean_mri = float(np.mean([pair.mri[pair.cone].mean() for pair in pairs]))
    answers = {
        "": translated,
        "ultrasound_itself_": [pair.ultrasound for pair in pairs],
        "constant_": [np.full(pair.mri.shape, mean_mri) for pair in pairs],
    }
    metrics = {}
    for prefix, images in answers.items():
        rows = [
            {**similarity(image, p.mri, p.cone), **perceptual_distances(image, p.mri, p.cone)}
            for image, p in zip(images, pairs)
        ]
        for name in rows[0]:
            values = [row[name] for row in rows]
            metrics[f"{prefix}{name}_mean"] = round(float(np.mean(values)), 3)
            metrics[f"{prefix}{name}_sd"] = round(float(np.std(values)), 3)
    return metrics


def worst(
    translated: Sequence[np.ndarray], pairs: Sequence[Pair], count: int
) -> tuple[list[np.ndarray], list[Pair]]:
    """Return the translations with the least `ssim`, the worst first, and their pairs."""
    ssims = [similarity(image, p.mri, p.cone)["ssim"] for image, p in zip(translated, pairs)]
    chosen = np.argsort(ssims)[:count]
    return [translated[i] for i in chosen], [pairs[i] for i in chosen]
