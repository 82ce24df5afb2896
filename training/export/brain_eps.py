"""Make the bundle of an eps-network in the head-scaled frame, measured on what was held out.

``python -m training.export.brain_eps --domain us --work runs/brain_us``
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.data import fetal_mri, fetal_planes, hc18
from training.data.brain_slices import FRAME, atlas_slices, hc18_brains, seen_brains
from training.data.fetal_slices import DOMAINS, contact_sheet
from training.data.splits import read_split
from training.export import head_seg
from training.export.bundle import data_format, export_bundle, in_half_precision, trace
from training.export.cards import bundle_metadata, model_card
from training.export.command import begin, export_parser, show
from training.export.eps import CAUTIONS, WHAT
from training.export.eps import LICENCES as EPS_LICENCES
from training.export.eps import LIMITS as EPS_LIMITS
from training.export.eps_samples import measure
from training.networks.eps import EpsNet
from training.networks.inference_form import inference_form
from training.train.brain_eps import BrainEpsConfig, draw_samples, held_out_loss
from USToMRILib.bridge.schedule import Schedule
from USToMRILib.fetal.diffusion import BRAIN_MRI_BUNDLE, BRAIN_US_BUNDLE

NAMES = {"us": BRAIN_US_BUNDLE, "mri": BRAIN_MRI_BUNDLE}
PARTS = ("validation", "test")
PLANES = 24

SPLITS = {
    "us": "training/splits/hc18.json, training/splits/fetal_planes.json",
    "mri": "training/splits/fetal_mri.json",
}
LICENCES = {"us": head_seg.LICENCE, "mri": EPS_LICENCES["mri"]}
LIMITS = {
    "us": """
- Standard planes, most of one hospital; brains of 55 to 115 mm, nothing outside of them.
- The pixel sizes of FETAL_PLANES_DB are not published: the sizes of its brains are assumed.
""",
    "mri": EPS_LIMITS["mri"],
}
OF_DATA = {
    "us": "ultrasound of real heads with even gain and another gamma each time, the sizes of "
    "those of FETAL_PLANES_DB assumed",
    "mri": "MRI of one tone, its anatomy warped",
}
BEGUN = "the weights of another run, whose commands come first below"


def main() -> None:
    """Make the bundle of an eps-network in the head-scaled frame."""
    parser = export_parser(main.__doc__, "runs/brain_{domain}")
    parser.add_argument("--domain", choices=DOMAINS, required=True)
    options, state = begin(parser)
    config = BrainEpsConfig(**state["config"])
    if config.domain != options.domain:
        parser.error(f"{options.work} is a run of --domain {config.domain}")
    net = EpsNet(config.width, Schedule.cosine(), sized=True).eval().requires_grad_(False)
    net.load_state_dict(state["ema"])
    images, sizes = {}, {}
    for part in PARTS:
        images[part], sizes[part] = held_out(options.data, config.domain, part)
    samples = draw_samples(net, config.seed)
    command = f"python -m training.export.brain_eps --domain {config.domain}"
    metrics: dict[str, Any] = {"command": command}
    for part in PARTS:
        loss = held_out_loss(net, images[part], sizes[part], config.seed)
        metrics[f"velocity_loss_{part}"] = round(loss, 5)
    metrics |= measure(samples, images)
    metadata = make_metadata(config.domain, state["step"], options.work / "run.json", metrics)
    folder = export_bundle(
        NAMES[config.domain],
        traced_net(net, images["test"], sizes["test"]),
        metadata,
        make_card(config, metadata, options.note),
        LICENCES[config.domain],
        options.models,
    )
    contact_sheet(samples, folder / "docs" / "samples.png")
    show(folder, metrics)


def held_out(data: Path, domain: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images float32 [N, 128, 128] and sizes in mm [N] of one part of HC18, or of the atlases."""
    if domain == "us":
        return seen_brains(hc18_brains(data / "hc18", part))
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


def make_metadata(
    domain: str, steps: int, runs_file: Path, metrics: dict[str, Any]
) -> dict[str, Any]:
    """The bundle's metadata, but for the checksum."""
    what, shape = WHAT[domain], list(FRAME.shape)
    channel = {"0": f"{what} in the head-scaled frame, noised to level t"}
    level = {"type": "int64", "format": "noise level t of each image, 0 .. T-1", "shape": ["B"]}
    size = {"type": "float32", "format": "length of each brain in mm", "shape": ["B"]}
    return bundle_metadata(
        f"predict the noise in noised {what} slices",
        f"Diffusion model of {what} slices about the transthalamic plane, told the size of "
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
        sources(domain),
        metrics,
        CAUTIONS[domain],
        frame=FRAME.metadata,
        schedule={"name": "cosine", "num_steps": 1000, "s": 0.008, "max_beta": 0.999},
        steps=steps,
        split=SPLITS[domain],
    )


def sources(domain: str) -> list[dict[str, str]]:
    """The data that a network of a domain has learned from and was measured on."""
    part = "training on the training part, metrics on validation and test part of the split"
    if domain == "mri":
        return [fetal_mri.source(part)]
    return [hc18.source(part), fetal_planes.source("training on heads that are agreed on")]


def make_card(config: BrainEpsConfig, metadata: dict[str, Any], note: str) -> str:
    """The model card, in plain words."""
    begun = "started_from" in metadata["training"]["runs"][0]
    training = (
        f"{metadata['steps']} steps of batch {config.batch}, begun with "
        f"{BEGUN if begun else 'random weights'}. Velocity prediction (exported as eps), Muon and "
        f"AdamW, moving average {config.ema}; the loss also taken of coarser images; half of the "
        "noise levels drawn among the noisiest 40 %; small rotations, scales, shifts and mirror "
        f"images; {OF_DATA[config.domain]}. {note}"
    )
    samples = "![Samples](samples.png)\n\nSamples, from brains of 60 mm to 110 mm, not chosen."
    limits = LIMITS[config.domain]
    sections = {"Training": training, "Samples": samples, "Limits": limits}
    return model_card(f"Diffusion model of {WHAT[config.domain]}, size known", metadata, sections)


if __name__ == "__main__":
    main()
