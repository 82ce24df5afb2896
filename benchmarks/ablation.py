"""What each part of the 3D pix2pix's recipe is good for, in short trainings.

``python -m benchmarks.ablation --pairs FOLDER`` trains every variant for a few hundred steps and
writes ``benchmarks/ablation.md`` and ``.json``. A run that was stopped goes on with the first
variant that it had not finished.
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from monai.losses import PatchAdversarialLoss
from monai.networks.nets import DynUNet
from torch import nn
from torch.nn.functional import l1_loss
from torch.nn.utils.parametrizations import spectral_norm
from tqdm import tqdm

from benchmarks.machine import processor
from benchmarks.markdown import table
from training.data.location import add_data_option
from training.data.pairs import Pair
from training.data.splits import read_split
from training.networks import pix2pix3d as pix2pix3d_net
from training.networks.pix2pix3d import Generator
from training.runinfo import run_record
from training.simulation.adult_pairs import cached_pairs
from training.train import pix2pix3d as train_pix2pix3d
from training.train.image_metrics import similarity
from training.train.pair_patches import Batch, PatchSampler
from training.train.pix2pix3d import PATCH, Pix2PixConfig, Pix2PixTrainer

# Slices of a validation patch: about what the library shows the network at once.
DEPTH = 32
_MATCHING_WEIGHT = 10.0


class PlainPatches(PatchSampler):
    """Patches as they are: not mirrored, not shifted, with the gain that they have."""

    def _augmented(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        index = int(rng.integers(len(self.pairs)))
        return self._cut(index, int(rng.choice(self.starts[index])))


class MatchingTrainer(Pix2PixTrainer):
    """The features of the discriminator should be alike for both images (Wang et al. 2018)."""

    def generator_losses(
        self, ultrasound: torch.Tensor, mri: torch.Tensor, fake: torch.Tensor, cone: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """With "matching" among them."""
        self.weights["matching"] = _MATCHING_WEIGHT
        *made, _score = self.discriminator(torch.cat([ultrasound, fake], 1))
        with torch.no_grad():
            *wanted, _score = self.discriminator(torch.cat([ultrasound, mri], 1))
        matching = torch.stack([l1_loss(a, b) for a, b in zip(made, wanted)]).mean()
        return {**super().generator_losses(ultrasound, mri, fake, cone), "matching": matching}


class NormalisedTrainer(Pix2PixTrainer):
    """Spectral normalisation of the discriminator (Miyato et al. 2018)."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        for module in list(self.discriminator.modules()):
            if isinstance(module, nn.Conv3d):
                spectral_norm(module)
        rate, betas = self.config.discriminator_rate, (0.5, 0.999)
        self.discriminator_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), rate, betas=betas
        )


class CrossEntropyTrainer(Pix2PixTrainer):
    """The adversarial loss of pix2pix and BrainVoxGen: cross-entropy instead of squares."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.adversarial = PatchAdversarialLoss(criterion="bce")


class LonelyTrainer(Pix2PixTrainer):
    """No adversarial loss: the discriminator learns, and nobody listens."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.weights["gan"] = 0.0


@dataclass(frozen=True)
class Variant:
    """A recipe that differs from the default in at most one thing.

    Attributes:
        name: in words.
        settings: of the configuration that differ.
        trainer: class of the trainer.
        patched: what else is replaced while it is made, as arguments of ``mock.patch.object``.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    trainer: Callable[..., Pix2PixTrainer] = Pix2PixTrainer
    patched: tuple[Any, str, Any] | None = None


def _isotropic(**options: Any) -> DynUNet:
    return DynUNet(**{**options, "kernel_size": [3] * len(options["kernel_size"])})


VARIANTS = (
    Variant("default"),
    Variant("default, other seed", {"seed": 1}),
    Variant("half the channels", {"width": 16}),
    Variant("Muon instead of Adam", {"optimiser": "muon"}),
    Variant("no structural loss", {"structure_weight": 0.0}),
    Variant("structural loss x 20", {"structure_weight": 20.0}),
    Variant("one patch of 16 slices", {"batch": 1, "patch": (16, *PATCH[1:])}),
    Variant("no augmentation", patched=(train_pix2pix3d, "PatchSampler", PlainPatches)),
    Variant("kernels of 3 x 3 x 3 at every level", patched=(pix2pix3d_net, "DynUNet", _isotropic)),
    Variant("cross-entropy, as published", trainer=CrossEntropyTrainer),
    Variant("no adversarial loss", trainer=LonelyTrainer),
    Variant("feature matching", trainer=MatchingTrainer),
    Variant("spectral normalisation", trainer=NormalisedTrainer),
)

NO_AVERAGE = "no moving average of the weights"


def train(variant: Variant, pairs: Sequence[Pair], steps: int) -> Pix2PixTrainer:
    """Train a variant from the start."""
    config = replace(Pix2PixConfig(steps=steps), **variant.settings)
    patches = mock.patch.object(*variant.patched) if variant.patched else contextlib.nullcontext()
    with patches:
        trainer = variant.trainer(config, pairs, torch.device("cpu"))
    for _ in tqdm(range(steps), desc=variant.name, unit="step"):
        trainer.train_step()
    return trainer


@torch.no_grad()
def measure(net: Generator, validation: Sequence[Batch]) -> dict[str, float]:
    """Mean SSIM, PSNR and L1 inside the cone over patches of `DEPTH` slices."""
    rows = []
    for batch in validation:
        made, mri = (
            ((image[0, 0] + 1) * 127.5).numpy() for image in (net(batch.ultrasound), batch.mri)
        )
        rows.append(similarity(made, mri, batch.cone[0, 0].numpy()))
    return {name: float(np.mean([row[name] for row in rows])) for name in ("ssim", "psnr", "l1")}


def results_of(
    variant: Variant, pairs: Sequence[Pair], validation: Sequence[Batch], steps: int
) -> Iterator[tuple[str, dict[str, float]]]:
    """What a variant reaches; the default also without the average, which is the same run."""
    trainer = train(variant, pairs, steps)
    yield variant.name, measure(trainer.ema, validation)
    if variant is VARIANTS[0]:
        yield NO_AVERAGE, measure(trainer.generator.eval(), validation)


def write_page(results: dict[str, Any], path: Path) -> None:
    """Write the table."""
    found = results["variants"]
    base = found[VARIANTS[0].name]
    rows = [
        [
            name,
            *(f"{row[key]:.{digits}f}" for key, digits in (("ssim", 3), ("psnr", 2), ("l1", 2))),
            f"{row['ssim'] - base['ssim']:+.3f}",
        ]
        for name, row in found.items()
    ]
    page = TEXT.format(
        **results,
        **results["run"],
        processor=processor(),
        depth=DEPTH,
        table=table(["recipe", "SSIM", "PSNR, dB", "L1, of 255", "SSIM beside the default"], rows),
    )
    path.write_text(page, encoding="utf-8")


TEXT = """# What the parts of the 3D Pix2Pix's recipe are good for

`{command}` at commit `{commit}`, {date}; {processor}, one thread.

Each recipe differs from the default (`training/train/pix2pix3d.py`) in one thing and is trained
once, from the start, for {steps} steps on {pairs_per_head} simulated pairs of each training head of
`training/splits/adult.json`. The figures are means over the validation heads, inside the cone, in
patches of {depth} x 128 x 128 voxels. The row of the other seed says how much is chance. So short a
training shows what learns faster, not what helps in the end.

{table}
"""


def main() -> None:
    """Train every variant of the 3D pix2pix's recipe for a short while, and compare."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--pairs", type=Path, required=True, help="folder for the simulated pairs")
    parser.add_argument("--pairs-per-head", type=int, default=6)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(""))
    options = parser.parse_args()
    torch.set_num_threads(1)
    read = partial(cached_pairs, options.data, seed=0, cache=options.pairs)
    split = read_split("adult")
    pairs = read(split["train"], options.pairs_per_head)
    held_out = read(split["validation"], min(options.pairs_per_head, 4))
    validation = PatchSampler(held_out, (DEPTH, *PATCH[1:])).fixed(2)
    kept = options.output.with_suffix(".json")
    about = {"steps": options.steps, "pairs_per_head": options.pairs_per_head}
    results = {"run": run_record(0), **about, "variants": {}}
    if kept.exists():
        earlier = json.loads(kept.read_text(encoding="utf-8"))
        if earlier["run"] == results["run"]:
            results = earlier
    for variant in VARIANTS:
        if variant.name in results["variants"]:
            continue
        results["variants"].update(results_of(variant, pairs, validation, options.steps))
        kept.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    write_page(results, options.output.with_suffix(".md"))


if __name__ == "__main__":
    main()
