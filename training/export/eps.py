"""Make a fetal eps-network's bundle of a training run, measured on the subjects held out.

``python -m training.export.eps --domain us --work runs/eps_us``
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from training.data import fetal_mri, hc18
from training.data.fetal_slices import DOMAINS, PAPER, prepared_slices
from training.export.bundle import data_format, export_bundle, trace
from training.export.cards import bundle_metadata, model_card, with_earlier
from training.export.command import begin, export_parser, show
from training.export.eps_samples import NAMES, PARTS, describe_samples
from training.export.eps_samples import sections as sample_sections
from training.networks.eps import EpsNet
from training.networks.inference_form import inference_form
from training.train.eps import EpsConfig, EpsTrainer

WHAT = {"us": "fetal head ultrasound", "mri": "fetal brain T2 MRI"}
# In place of "mri" where FeTA was used beside the atlases.
WITH_FETA = "mri_feta"

LICENCES = {
    "us": "The weights are licensed under the Creative Commons Attribution 4.0 International\n"
    "licence (CC BY 4.0), as are the images of HC18 (doi:10.5281/zenodo.1327317) that they were\n"
    "trained on.\n",
    "mri": "The weights may be used for non-commercial research and education only. They were\n"
    "trained on the CRL spatiotemporal fetal brain atlas (Gholipour et al. 2017), whose licence\n"
    "allows only that, and on the atlas of Wu et al. 2021 (research, with citation).\n",
}
LICENCES[WITH_FETA] = (
    LICENCES["mri"] + "They were trained on FeTA too (Payette et al. 2021): its terms of use, "
    "agreed to\nfor the download, bind as well.\n"
)

CAUTIONS = {
    "us": None,
    "mri": "The MRI network has seen averaged healthy brains only, in a short training: it may "
    "draw healthy anatomy where there is pathology, and detail that is not there.",
    WITH_FETA: "The MRI network has seen healthy brains only: it may draw healthy anatomy where "
    "there is pathology, and detail that is not there.",
}

LIMITS = {
    "us": """
- One hospital's standard planes, head circumference 170 to 350 mm; nothing outside the skull.
- Fine speckle is smoother in its samples than in ultrasound.
""",
    "mri": """
- Averaged atlas volumes of healthy brains, one a gestational week: it has never seen pathology and
  draws healthy anatomy in its place. What it draws is plausible, not measured.
- Brain only: where the ultrasound shows skull, the pseudo-MRI shows fluid, brain or nothing.
- Volumes of neighbouring weeks are alike, so that the held-out weeks are an easy test.
""",
    WITH_FETA: """
- Atlas volumes and the volumes of FeTA that its table does not call pathological: it draws healthy
  anatomy in the place of pathology. What it draws is plausible, not measured.
- Brain only: where the ultrasound shows skull, the pseudo-MRI shows fluid, brain or nothing.
- FeTA's heads are turned upright by their tissues, some degrees off.
""",
}


def main() -> None:
    """Make a fetal eps-network's bundle of a training run."""
    parser = export_parser(main.__doc__, "runs/eps_{domain}")
    parser.add_argument("--domain", choices=DOMAINS, required=True)
    options, state = begin(parser)
    work = options.work
    config = EpsConfig(**state["config"])
    feta = feta_of(work)
    slices = {p: prepared_slices(options.data, options.domain, p, work, feta) for p in PARTS}
    trainer = EpsTrainer(config, slices["validation"], torch.device("cpu"))
    trainer.load(state)
    losses = {
        f"velocity_loss_{part}": round(trainer.validation_loss(images), 5)
        for part, images in slices.items()
    }
    command = f"python -m training.export.eps --domain {options.domain}"
    metadata = _metadata(trainer, work, {"command": command, **losses})
    traced = _traced(trainer.ema)
    folder = export_bundle(
        NAMES[options.domain],
        traced,
        metadata,
        _card(config, metadata, options.note, bool(feta)),
        LICENCES[WITH_FETA if feta else options.domain],
        options.models,
    )
    metrics = describe_samples(folder, options.domain, traced, slices)
    show(folder, metrics)


def feta_of(work: Path) -> Path | None:
    """The folder of FeTA that a run was given, or one whose weights it began with; else None."""
    runs = with_earlier(json.loads((work / "run.json").read_text()))
    return next((Path(run["feta"]) for run in runs if "feta" in run), None)


def _traced(net: EpsNet) -> torch.jit.ScriptModule:
    examples = torch.randn(2, 1, *PAPER.shape), torch.tensor([3, 900])
    exported = inference_form(net)
    with torch.no_grad():
        difference = (exported(*examples) - net.eval()(*examples)).abs().max().item()
    if not difference < 1e-4:
        raise RuntimeError(f"The form for inference differs from the network by {difference:g}.")
    return trace(exported, *examples)


def _metadata(trainer: EpsTrainer, work: Path, metrics: dict[str, Any]) -> dict[str, Any]:
    domain, shape = trainer.config.domain, list(PAPER.shape)
    channel = {"0": f"{WHAT[domain]}, noised to level t; -1 is background"}
    level = {"type": "int64", "format": "noise level t of each image, 0 .. T-1", "shape": ["B"]}
    sources, split = [hc18.source], "training/splits/hc18.json"
    if domain == "mri":
        sources, split = [fetal_mri.source], "training/splits/fetal_mri.json"
    feta = feta_of(work)
    if feta:
        sources, split = [*sources, fetal_mri.feta_source], f"{split}, training/splits/feta.json"
    part = "training on the training part, metrics on validation and test part of the split"
    return bundle_metadata(
        f"predict the noise in noised {WHAT[domain]} slices",
        f"Unconditional diffusion model of {WHAT[domain]} slices about the transthalamic plane: "
        "eps(x, t) for T = 1000 levels of the cosine schedule, differentiable in x.",
        {
            "inputs": {"image": data_format(channel, shape, [-1, 1], "image"), "t": level},
            "outputs": {"pred": data_format({"0": "eps"}, shape, [-6, 6], "noise")},
        },
        work / "run.json",
        [source(part) for source in sources],
        metrics,
        CAUTIONS[WITH_FETA if feta else domain],
        frame=PAPER.metadata,
        spacing_mm=[PAPER.pixel_mm, PAPER.pixel_mm],
        schedule={"name": "cosine", "num_steps": 1000, "s": 0.008, "max_beta": 0.999},
        steps=trainer.step,
        split=split,
    )


def _card(config: EpsConfig, metadata: dict[str, Any], note: str, feta: bool) -> str:
    training = (
        f"{metadata['steps']} steps of batch {config.batch}. Velocity prediction (exported as "
        f"eps), AdamW, moving average {config.ema}, small rotations, scales, shifts, mirror images "
        "and gamma; the loss also taken of coarser images; half of the noise levels drawn among "
        "the noisiest 40 %. "
    )
    if "started_from" in metadata["training"]["runs"][0]:
        training += "The run began with the weights of another, whose commands come first below. "
    domain, limits = config.domain, LIMITS[WITH_FETA if feta else config.domain]
    sections = {"Training": training + note, **sample_sections(domain), "Limits": limits}
    return model_card(f"Diffusion model of {WHAT[domain]}", metadata, sections)


if __name__ == "__main__":
    main()
