"""Make the bundle ``cyclegan_fetal`` of a training run, measured on the subjects held out.

``python -m training.export.cyclegan --work runs/cyclegan``
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import binary_fill_holes
from scipy.stats import wasserstein_distance

from training.data import fetal_mri, hc18
from training.data.fetal_slices import DOMAINS, PAPER, contact_sheet, prepared_slices
from training.export.bundle import data_format, export_bundle, trace
from training.export.cards import bundle_metadata, model_card
from training.export.command import begin, export_parser, show
from training.export.eps import LICENCES
from training.train.cyclegan import SHOWN, CycleGanConfig, CycleGanTrainer, sheet, spread
from USToMRILib.fetal.cyclegan import BUNDLE
from USToMRILib.fetal.frame import BACKGROUND

CAUTION = (
    "The CycleGAN is a baseline from a short training, without pairs: where it puts anatomy is not "
    "checked by anything, and it has seen averaged healthy brains only."
)

LIMITS = """
- A baseline to compare with, not the method to use: nothing in its training ties the anatomy that
  it draws to the anatomy that the ultrasound shows. A small cycle error shows that the way back
  exists, which a generator can also reach by hiding the ultrasound in its picture.
- Averaged atlas volumes of healthy brains are all the MRI it has seen: never pathology.
- One hospital's standard planes, head circumference 170 to 350 mm.
"""

MEASURES = """
On slices of the test parts, values from -1 to 1. `cycle_l1`: mean absolute difference of a slice
and what comes back after both translations. `correlation_with_ultrasound`: Pearson's, inside the
head, mean over slices. `tone_distance`: Wasserstein distance between the values inside the head of
the pseudo-MRI and those of MRI; for comparison the same of the ultrasound itself, and of the MRI of
the validation part. None of these says that the anatomy is right: there are no pairs to say it.
"""


# Heads that the card shows as failures.
WORST = 8

FAILURES = f"""
![The {WORST} heads that it follows least](failures.png)

The {WORST} heads of the test part whose pseudo-MRI correlates least with the ultrasound, the least
first: ultrasound above, pseudo-MRI below, before it is cut to the head. Small heads grow, with
stripes at one end and bright spots where the ultrasound shows nothing of the kind; large dark ones
are left empty.
"""


def inside_head(image: np.ndarray) -> np.ndarray:
    """Bool [128, 128]: where a prepared slice is not background, holes filled."""
    return binary_fill_holes(image > BACKGROUND)


def measure(trainer: CycleGanTrainer, test: dict[str, np.ndarray], mri: np.ndarray) -> dict:
    """What the card says of slices held out.

    Args:
        trainer: with the weights to measure.
        test: prepared slices [N, 128, 128] of each domain.
        mri: other MRI slices, for comparison.
    """
    drawn = trainer.translate(test["us"], "mri")
    heads = [inside_head(image) for image in test["us"]]
    real = tones(test["mri"], [inside_head(image) for image in test["mri"]])
    figures = {
        **trainer.cycle_errors(test),
        "correlation_with_ultrasound": correlations(drawn, test["us"]).mean(),
        "tone_distance": wasserstein_distance(tones(drawn, heads), real),
        "tone_distance_of_ultrasound_itself": wasserstein_distance(tones(test["us"], heads), real),
        "tone_distance_of_other_mri": wasserstein_distance(
            tones(mri, [inside_head(image) for image in mri]), real
        ),
    }
    return {name: round(float(value), 4) for name, value in figures.items()}


def correlations(drawn: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Pearson's correlation inside the head of each pseudo-MRI with its ultrasound, [N]."""
    heads = [inside_head(image) for image in seen]
    return np.array([np.corrcoef(a[m], b[m])[0, 1] for a, b, m in zip(drawn, seen, heads)])


def picture_of_the_worst(drawn: np.ndarray, seen: np.ndarray, path: Path) -> None:
    """Draw the ultrasound slices that the pseudo-MRI follow least, above these."""
    worst = np.argsort(correlations(drawn, seen))[:WORST]
    contact_sheet([*seen[worst], *drawn[worst]], path, WORST)


def tones(images: np.ndarray, heads: list[np.ndarray]) -> np.ndarray:
    """The values inside the heads, one sequence."""
    return np.concatenate([image[head] for image, head in zip(images, heads)])


def make_metadata(
    config: CycleGanConfig, steps: int, runs_file: Path, metrics: dict[str, Any]
) -> dict[str, Any]:
    """The bundle's metadata, but for the checksum."""
    shape = list(PAPER.shape)
    us = {"0": "fetal head ultrasound in the head's frame, -1 outside the head"}
    mri = {"0": "pseudo-MRI (T2)"}
    part = "training on the training part, metrics on the test part of the split"
    return bundle_metadata(
        "fetal head ultrasound to T2-like pseudo-MRI, one pass",
        "CycleGAN generator from fetal head ultrasound slices to fetal brain T2 MRI slices, "
        "trained without pairs: the baseline that the DDIC paper compares with.",
        {
            "inputs": {"image": data_format(us, shape, [-1, 1], "image")},
            "outputs": {"pred": data_format(mri, shape, [-1, 1], "image")},
        },
        runs_file,
        [hc18.source(part), fetal_mri.source(part)],
        metrics,
        CAUTION,
        frame=PAPER.metadata,
        spacing_mm=[PAPER.pixel_mm, PAPER.pixel_mm],
        steps=steps,
        config={name: getattr(config, name) for name in config.__dataclass_fields__},
        split={"us": "training/splits/hc18.json", "mri": "training/splits/fetal_mri.json"},
        normalisation="instance normalisation, no dropout",
    )


def make_card(metadata: dict[str, Any], note: str) -> str:
    """The model card, in plain words."""
    config = metadata["config"]
    training = (
        f"{metadata['steps']} steps of batch {config['batch']}: short. ResNet generators with "
        f"{config['blocks']} residual blocks of {2 * config['width']} channels, PatchGAN "
        "discriminators of 70x70 pixels, least-squares adversarial loss, "
        f"{config['cycle_weight']:g} x cycle, {config['identity_weight']:g} x identity, a pool of "
        f"{config['pool']} images, Adam; the augmentation of the diffusion models. {note}"
    )
    samples = (
        f"![Held-out heads](samples.png)\n\n{SHOWN} heads of the test part, evenly spread, not "
        "chosen. From above: ultrasound, pseudo-MRI, the ultrasound that comes back; MRI, "
        "pseudo-ultrasound, the MRI that comes back."
    )
    sections = {
        "Training": training,
        "Samples": samples,
        "Limits": LIMITS,
        "Known failures": FAILURES,
        "How it was measured": MEASURES,
    }
    return model_card("CycleGAN from fetal head ultrasound to MRI", metadata, sections)


def main() -> None:
    """Make the bundle cyclegan_fetal of a training run."""
    options, state = begin(export_parser(main.__doc__, "runs/cyclegan"))
    config = CycleGanConfig(**state["config"])
    test, validation = (
        {domain: prepared_slices(options.data, domain, part, options.work) for domain in DOMAINS}
        for part in ("test", "validation")
    )
    trainer = CycleGanTrainer(config, validation, torch.device("cpu"))
    trainer.load(state)
    command = "python -m training.export.cyclegan"
    metrics = {"command": command, **measure(trainer, test, validation["mri"])}
    metadata = make_metadata(config, state["step"], options.work / "run.json", metrics)
    net = trainer.generators["mri"].requires_grad_(False)
    traced = trace(net, torch.from_numpy(test["us"][:2, None]))
    card = make_card(metadata, options.note)
    folder = export_bundle(BUNDLE, traced, metadata, card, LICENCES["mri"], options.models)
    sheet(trainer, spread(test), folder / "docs" / "samples.png")
    drawn = trainer.translate(test["us"], "mri")
    picture_of_the_worst(drawn, test["us"], folder / "docs" / "failures.png")
    show(folder, metrics)


if __name__ == "__main__":
    main()
