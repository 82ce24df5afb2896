"""Make the bundle ``fetal_brain_mri_eps`` of a training run, measured on atlas volumes held out.

``python -m training.export.brain_eps --work runs/brain_mri``
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.data import fetal_mri
from training.data.brain_slices import FRAME, atlas_slices
from training.data.fetal_slices import contact_sheet
from training.data.splits import read_split
from training.export.bundle import data_format, export_bundle, in_half_precision, trace
from training.export.cards import bundle_metadata, model_card
from training.export.command import begin, export_parser, show
from training.export.eps import CAUTIONS, LICENCES, LIMITS, WHAT
from training.export.eps_samples import measure
from training.networks.eps import EpsNet
from training.networks.inference_form import inference_form
from training.train.brain_eps import BrainEpsConfig, draw_samples, held_out_loss
from USToMRILib.bridge.schedule import Schedule
from USToMRILib.fetal.guided import MRI_BUNDLE

PARTS = ("validation", "test")
PLANES = 24


def main() -> None:
    """Make the bundle fetal_brain_mri_eps of a training run."""
    options, state = begin(export_parser(main.__doc__, "runs/brain_mri"))
    config = BrainEpsConfig(**state["config"])
    net = EpsNet(config.width, Schedule.cosine(), sized=True).eval().requires_grad_(False)
    net.load_state_dict(state["ema"])
    images, sizes = {}, {}
    for part in PARTS:
        images[part], sizes[part] = held_out(options.data, part)
    samples = draw_samples(net, config.seed)
    metrics: dict[str, Any] = {"command": "python -m training.export.brain_eps"}
    for part in PARTS:
        loss = held_out_loss(net, images[part], sizes[part], config.seed)
        metrics[f"velocity_loss_{part}"] = round(loss, 5)
    metrics |= measure(samples, images)
    metadata = make_metadata(state["step"], options.work / "run.json", metrics)
    folder = export_bundle(
        MRI_BUNDLE,
        traced_net(net, images["test"], sizes["test"]),
        metadata,
        make_card(config, metadata, options.note),
        LICENCES["mri"],
        options.models,
    )
    contact_sheet(samples, folder / "docs" / "samples.png")
    show(folder, metrics)


def held_out(data: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """MRI float32 [N, 128, 128] and sizes in mm [N] of one part of the atlases."""
    subjects, rng = read_split("fetal_mri")[part], np.random.default_rng(18)
    brains = list(atlas_slices(data / "fetal_mri", subjects, PLANES, rng))
    return np.stack([b.mri for b in brains]), np.array([b.size_mm for b in brains], np.float32)


def traced_net(net: EpsNet, images: np.ndarray, sizes: np.ndarray) -> torch.jit.ScriptModule:
    """The network's form for inference, traced, its weights in half precision."""
    x, t = torch.from_numpy(images[:3])[:, None], torch.tensor([30, 300, 700])
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    signal, rest = (root[t].view(-1, 1, 1, 1) for root in (net.sqrt_ab, net.sqrt_one_minus_ab))
    examples = signal * x + rest * noise, t, torch.from_numpy(sizes[:3])
    return in_half_precision(trace(inference_form(net), *examples), examples)


def make_metadata(steps: int, runs_file: Path, metrics: dict[str, Any]) -> dict[str, Any]:
    """The bundle's metadata, but for the checksum."""
    shape = list(FRAME.shape)
    channel = {"0": f"{WHAT['mri']} in the head-scaled frame, noised to level t"}
    level = {"type": "int64", "format": "noise level t of each image, 0 .. T-1", "shape": ["B"]}
    size = {"type": "float32", "format": "length of each brain in mm", "shape": ["B"]}
    part = "training on the training part, metrics on validation and test part of the split"
    return bundle_metadata(
        f"predict the noise in noised {WHAT['mri']} slices",
        f"Diffusion model of {WHAT['mri']} slices about the transthalamic plane, told the size of "
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
        [fetal_mri.source(part)],
        metrics,
        CAUTIONS["mri"],
        frame=FRAME.metadata,
        schedule={"name": "cosine", "num_steps": 1000, "s": 0.008, "max_beta": 0.999},
        steps=steps,
        split="training/splits/fetal_mri.json",
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
    sections = {"Training": training, "Samples": samples, "Limits": LIMITS["mri"]}
    return model_card(f"Diffusion model of {WHAT['mri']}, size known", metadata, sections)


if __name__ == "__main__":
    main()
