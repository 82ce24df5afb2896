"""Make the bundle of an eps-network in the head-scaled frame, measured on what was held out.

``python -m training.export.brain_eps --domain mri --work runs/brain_mri``
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.data import fetal_mri, hc18
from training.data.brain_slices import FRAME, atlas_slices, hc18_brains
from training.data.fetal_slices import contact_sheet
from training.data.splits import read_split
from training.export.bundle import data_format, export_bundle, in_half_precision, trace
from training.export.cards import bundle_metadata, model_card
from training.export.command import begin, export_parser, show
from training.export.eps import CAUTIONS, LICENCES, LIMITS, WHAT
from training.networks.inference_form import inference_form
from training.train.brain_eps import DOMAINS, BrainEpsConfig, BrainEpsTrainer, us_batches
from USToMRILib.evaluation.distribution import kernel_from, offline_extractor

NAMES = {"us": "fetal_brain_us_eps", "mri": "fetal_brain_mri_eps"}
PARTS = ("validation", "test")
PLANES = 24


def main() -> None:
    """Make the bundle of an eps-network in the head-scaled frame."""
    parser = export_parser(main.__doc__, "runs/brain_{domain}")
    parser.add_argument("--domain", choices=DOMAINS, required=True)
    options, state = begin(parser)
    domain = options.domain
    config = BrainEpsConfig(**state["config"])
    held = {part: held_out(options.data, domain, part) for part in PARTS}
    draw = us_batches(*held["validation"])  # nothing is trained here
    cpu = torch.device("cpu")
    trainer = BrainEpsTrainer(config, state["step"], 0, draw, held["validation"], {}, cpu)
    trainer.load(state)
    samples = trainer.pictures()
    metrics = {
        "command": f"python -m training.export.brain_eps --domain {domain}",
        **measure(trainer, held, samples),
    }
    metadata = make_metadata(domain, trainer.step, options.work / "run.json", metrics)
    folder = export_bundle(
        NAMES[domain],
        traced_net(trainer, held["test"]),
        metadata,
        make_card(config, metadata, options.note),
        LICENCES[domain],
        options.models,
    )
    contact_sheet(samples, folder / "docs" / "samples.png")
    show(folder, metrics)


def held_out(data: Path, domain: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 128, 128] and sizes in mm [N] of one part."""
    if domain == "us":
        heads = list(hc18_brains(data / "hc18", part))
        images, sizes = [h.pixels for h in heads], [h.size_mm for h in heads]
    else:
        subjects, rng = read_split("fetal_mri")[part], np.random.default_rng(18)
        brains = list(atlas_slices(data / "fetal_mri", subjects, PLANES, rng))
        images, sizes = [b.mri for b in brains], [b.size_mm for b in brains]
    return np.stack(images), np.array(sizes, np.float32)


def measure(
    trainer: BrainEpsTrainer,
    held: dict[str, tuple[np.ndarray, np.ndarray]],
    samples: np.ndarray,
) -> dict[str, Any]:
    """Velocity loss on held-out images, and how far samples are from them."""
    losses = {}
    for part, images in held.items():
        trainer.validation = images
        losses[f"velocity_loss_{part}"] = round(trainer.validate()["validation_loss"], 5)
    features = offline_extractor().features
    distance = kernel_from(features((held["validation"][0] + 1) * 127.5))
    return {
        **losses,
        "features": offline_extractor().name,
        "kernel_distance_of_samples": round(distance(features((samples + 1) * 127.5)), 4),
        "kernel_distance_of_test_images": round(
            distance(features((held["test"][0] + 1) * 127.5)), 4
        ),
        "samples": len(samples),
    }


def traced_net(
    trainer: BrainEpsTrainer, images: tuple[np.ndarray, np.ndarray]
) -> torch.jit.ScriptModule:
    """The averaged network's form for inference, traced, its weights in half precision."""
    x = torch.from_numpy(images[0][:3])[:, None]
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    t, ab = torch.tensor([30, 300, 700]), trainer.schedule.alpha_bar
    signal = torch.tensor([ab[level + 1] for level in t]).float().view(-1, 1, 1, 1)
    noised = signal.sqrt() * x + (1 - signal).sqrt() * noise
    examples = noised, t, torch.from_numpy(images[1][:3])
    return in_half_precision(trace(inference_form(trainer.ema), *examples), examples)


def make_metadata(
    domain: str, steps: int, runs_file: Path, metrics: dict[str, Any]
) -> dict[str, Any]:
    """The bundle's metadata, but for the checksum."""
    shape, source = list(FRAME.shape), {"us": hc18.source, "mri": fetal_mri.source}[domain]
    split = {"us": "training/splits/hc18.json", "mri": "training/splits/fetal_mri.json"}[domain]
    channel = {"0": f"{WHAT[domain]} in the head-scaled frame, noised to level t"}
    level = {"type": "int64", "format": "noise level t of each image, 0 .. T-1", "shape": ["B"]}
    size = {"type": "float32", "format": "length of each brain in mm", "shape": ["B"]}
    part = "training on the training part, metrics on validation and test part of the split"
    return bundle_metadata(
        f"predict the noise in noised {WHAT[domain]} slices",
        f"Diffusion model of {WHAT[domain]} slices about the transthalamic plane, told the size of "
        "the brain: eps(x, t, size) for T = 1000 levels of the cosine schedule.",
        {
            "inputs": {
                "image": data_format(channel, shape, [-1, 1], "image"),
                "t": level,
                "size": size,
            },
            "outputs": {"pred": data_format({"0": "eps"}, shape, [-6, 6], "noise")},
        },
        runs_file,
        [source(part)],
        metrics,
        CAUTIONS[domain],
        frame=FRAME.metadata,
        schedule={"name": "cosine", "num_steps": 1000, "s": 0.008, "max_beta": 0.999},
        steps=steps,
        split=split,
    )


def make_card(config: BrainEpsConfig, metadata: dict[str, Any], note: str) -> str:
    """The model card, in plain words."""
    training = (
        f"{metadata['steps']} steps of batch {config.batch}, begun with the weights of "
        "another run, whose commands come first below. Velocity prediction (exported as "
        f"eps), AdamW, moving average {config.ema}; the loss also taken of coarser images; half of "
        "the noise levels drawn among the noisiest 40 %; small rotations, scales, shifts and "
        f"mirror images; MRI of one tone, its anatomy warped. {note}"
    )
    samples = "![Samples](samples.png)\n\nSamples, from brains of 60 mm to 110 mm, not chosen."
    sections = {"Training": training, "Samples": samples, "Limits": LIMITS[config.domain]}
    return model_card(f"Diffusion model of {WHAT[config.domain]}, size known", metadata, sections)


if __name__ == "__main__":
    main()
