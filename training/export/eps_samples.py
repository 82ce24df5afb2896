"""What a bundled fetal eps-network dreams: samples, their distance from images, the worst of them.

``python -m training.export.eps_samples --domain mri`` draws and measures them anew and puts
them into the bundle's card and metadata. Its weights stay as they are; samples depend on the
library's solver too.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree

from training.data.fetal_slices import DOMAINS, contact_sheet, fetal_slices
from training.data.location import add_data_option
from training.export.bundle import CARD_FILE
from training.export.cards import measured_table, replace_sections
from training.train.dream import STEPS, dream
from USToMRILib.bridge.schedule import Schedule
from USToMRILib.compute.bundle import METADATA_FILE, load_bundle, models_dir
from USToMRILib.evaluation.distribution import kernel_from, offline_extractor
from USToMRILib.fetal.diffusion import MRI_BUNDLE, US_BUNDLE
from USToMRILib.image.intensity import to_mri_values

NAMES = {"us": US_BUNDLE, "mri": MRI_BUNDLE}
PARTS = ("validation", "test")

# Drawn for the kernel distance; shown in the card, of all and of the worst.
SAMPLES, SHOWN, WORST = 64, 16, 8

FAILURES = {
    "us": "The skull is flattened, or open at a side, and what lies inside is texture that shows "
    "no structure.",
    "mri": "The fissure gapes at one end, more fluid lies on one side than on the other, the "
    "ventricles branch or are interrupted.",
}


def measure(samples: np.ndarray, slices: dict[str, np.ndarray]) -> dict[str, Any]:
    """How far samples are from the validation images.

    The distance of the test images from the validation images, of other subjects, says what real
    images would reach.

    Args:
        samples: [N, 128, 128] in about [-1, 1].
        slices: prepared images, the same, of the parts "validation" and "test".
    """
    distance = kernel_from(_features(slices["validation"]))
    return {
        "features": offline_extractor().name,
        "kernel_distance_of_samples": round(distance(_features(samples)), 4),
        "kernel_distance_of_test_images": round(distance(_features(slices["test"])), 4),
        "samples": len(samples),
    }


def least_real(samples: np.ndarray, images: np.ndarray, count: int) -> np.ndarray:
    """The samples whose features are farthest from those of every image, the farthest first."""
    distances, _ = cKDTree(_features(images)).query(_features(samples))
    return samples[np.argsort(distances)[::-1][:count]]


def _features(images: np.ndarray) -> np.ndarray:
    return offline_extractor().features(to_mri_values(images.clip(-1, 1)))


def sections(domain: str) -> dict[str, str]:
    """The card's parts about the samples."""
    return {
        "Samples": f"![{SHOWN} samples](samples.png)\n\n{SHOWN} images that the network dreamed, "
        f"by the deterministic sampler in {STEPS} steps from noise of the run's seed; not chosen.",
        "Known failures": f"![The {WORST} samples least like images](failures.png)\n\nOf "
        f"{SAMPLES} samples the {WORST} whose tones and texture are farthest from those of every "
        f"validation image, the farthest first. {FAILURES[domain]}",
    }


def describe_samples(
    folder: Path, domain: str, net: torch.nn.Module, slices: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Draw and measure a bundle's samples; write pictures, card and metadata; return its metrics.

    Args:
        folder: of the bundle, with card and metadata.
        domain: "us" or "mri".
        net: its network.
        slices: prepared images [N, 128, 128] of :data:`PARTS`.
    """
    metadata = json.loads((folder / METADATA_FILE).read_text(encoding="utf-8"))
    seed = metadata["training"]["runs"][-1]["seed"]
    samples = dream(net, Schedule.from_metadata(metadata), SAMPLES, seed)
    docs = (folder / CARD_FILE).parent
    contact_sheet(samples[:SHOWN], docs / "samples.png")
    contact_sheet(least_real(samples, slices["validation"], WORST), docs / "failures.png")
    command = f"python -m training.export.eps_samples --domain {domain}"
    metrics = {**metadata["metrics"], "samples_command": command, **measure(samples, slices)}
    text = json.dumps({**metadata, "metrics": metrics}, indent=2)
    (folder / METADATA_FILE).write_text(text + "\n", encoding="utf-8")
    card = (folder / CARD_FILE).read_text(encoding="utf-8")
    changed = {**sections(domain), "Measured": measured_table(metrics)}
    (folder / CARD_FILE).write_text(replace_sections(card, changed), encoding="utf-8")
    return metrics


def main() -> None:
    """Draw and measure the samples of a bundled fetal eps-network anew."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--domain", choices=DOMAINS, required=True)
    options = parser.parse_args()
    name = NAMES[options.domain]
    slices = {part: fetal_slices(options.data, options.domain, part) for part in PARTS}
    net = load_bundle(name).net
    metrics = describe_samples(models_dir() / name, options.domain, net, slices)
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
