"""Train the 3D pix2pix on simulated pairs of intra-operative ultrasound and T1 or T2 MRI.

``python -m training.train.pix2pix3d --work runs/pix2pix3d --steps 2000``; the same command with
``--resume`` goes on from the last checkpoint. The recipe is BrainVoxGen's (3D U-Net, 3D PatchGAN,
patches of 8 x 128 x 128, adversarial loss + 100 x L1), with a least-squares adversarial loss.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.losses import PatchAdversarialLoss
from torch.nn.functional import l1_loss

from training.data.location import VARIABLE
from training.data.pairs import Pair
from training.data.prepare_pairs import prepared_contrast, prepared_pairs
from training.data.splits import read_split
from training.networks.pix2pix3d import ENDS, Generator, make_discriminator
from training.networks.structural_loss import structural_loss
from training.simulation.adult_anatomy import CONTRASTS
from training.simulation.adult_lesions import LESION_PROBABILITY
from training.simulation.adult_pairs import cached_pairs
from training.train.checkpoint import step_generator
from training.train.command import go_on, prepare, training_parser
from training.train.image_metrics import similarity
from training.train.loop import CHECKPOINT, run
from training.train.moving_average import move_average
from training.train.muon import muon_and_adamw
from training.train.pair_patches import Batch, PatchSampler
from training.train.parallel import ALONE, Ranks, start_ranks
from training.train.precision import mixed_precision
from training.train.trainer import Trainer

# BrainVoxGen's, D, H, W; validation has it throughout, so that its figures can be compared.
PATCH = (8, 128, 128)
OPTIMISERS = ("adam", "muon")


@dataclass(frozen=True)
class Pix2PixConfig:
    """What decides the weights, next to data and seed."""

    steps: int
    batch: int = 2
    patch: tuple[int, int, int] = PATCH
    width: int = 32
    discriminator_width: int = 24
    l1_weight: float = 100.0
    structure_weight: float = 60.0
    learning_rate: float = 1e-3
    discriminator_rate: float = 2e-4
    warmup: int = 100
    ema: float = 0.995
    pairs_per_head: int = 10
    seed: int = 0
    optimiser: str = "adam"
    contrast: str = "T1"


class Pix2PixTrainer(Trainer):
    """Networks, optimisers and moving average of one run.

    Args:
        config: of the run.
        pairs: to train on.
        device: where to train.
        ranks: the processes that train together.
    """

    # Everything else decides the networks or what they learn.
    changeable = ("steps", "batch", "patch", "structure_weight")

    def __init__(
        self,
        config: Pix2PixConfig,
        pairs: Sequence[Pair],
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device, self.ranks = config, device, ranks
        self.sampler = PatchSampler(pairs, config.patch)
        self.generator = Generator(config.width).to(device)
        self.discriminator = make_discriminator(config.discriminator_width).to(device)
        self.ema = Generator(config.width).to(device).requires_grad_(False).eval()
        self.ema.load_state_dict(self.generator.state_dict())
        # channels-last: a fifth faster on CPUs with AVX-512, with AMX too.
        self.generator.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        betas = (0.5, 0.999)
        self.optimisers: list[torch.optim.Optimizer] = (
            muon_and_adamw(self.generator, config.learning_rate, 0.0, ENDS)
            if config.optimiser == "muon"
            else [torch.optim.Adam(self.generator.parameters(), config.learning_rate, betas=betas)]
        )
        self.discriminator_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), config.discriminator_rate, betas=betas
        )
        self.adversarial = PatchAdversarialLoss(
            criterion="least_squares", no_activation_leastsq=True
        )
        self.weights = {"gan": 1.0, "l1": config.l1_weight, "structure": config.structure_weight}

    def train_step(self) -> dict[str, float]:
        """Take one step of the discriminator and one of the generator; return the losses."""
        config = self.config
        generator = step_generator(config.seed, self.step, self.ranks.rank)
        seed = int(torch.randint(2**31, (), generator=generator))
        batch = self.sampler.draw(config.batch, seed)
        ultrasound, mri, cone = (
            part.to(self.device) for part in (batch.ultrasound, batch.mri, batch.cone)
        )
        self._set_rates()
        with mixed_precision(self.device):
            translated = self.generator(ultrasound)
        fake = torch.where(cone, translated.float(), -1.0)
        with self._judging():
            losses = {"discriminator": self._discriminator_step(ultrasound, mri, fake.detach())}
            losses.update(self._generator_step(ultrasound, mri, fake, cone))
        self.step += 1
        move_average(self.ema, self.generator, self.step, config.ema)
        return losses

    def _judging(self) -> torch.autocast:
        """The discriminator's precision: torch 2.13 returns NaN for its bfloat16 gradient on CPUs.

        It is that of the weights of the first convolution, with its two channels.
        """
        return torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda")

    def _discriminator_step(
        self, ultrasound: torch.Tensor, mri: torch.Tensor, fake: torch.Tensor
    ) -> float:
        """Teach the discriminator to tell MRI (1) from pseudo-MRI (0)."""
        self.discriminator.requires_grad_(True)
        real_score = self.discriminator(torch.cat([ultrasound, mri], 1))[-1]
        fake_score = self.discriminator(torch.cat([ultrasound, fake], 1))[-1]
        real_loss = self.adversarial(real_score, target_is_real=True, for_discriminator=True)
        fake_loss = self.adversarial(fake_score, target_is_real=False, for_discriminator=True)
        loss = 0.5 * (real_loss + fake_loss)
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.ranks.average_gradients(self.discriminator)
        self.discriminator_optimiser.step()
        return float(loss.detach())

    def _generator_step(
        self, ultrasound: torch.Tensor, mri: torch.Tensor, fake: torch.Tensor, cone: torch.Tensor
    ) -> dict[str, float]:
        """Teach the generator to be near the MRI, and to pass for one."""
        self.discriminator.requires_grad_(False)
        losses = self.generator_losses(ultrasound, mri, fake, cone)
        total = torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()
        self.generator.zero_grad(set_to_none=True)
        total.backward()
        self.ranks.average_gradients(self.generator)
        self.ranks.average_buffers(self.generator)
        for optimiser in self.optimisers:
            optimiser.step()
        return {name: float(loss.detach()) for name, loss in {**losses, "total": total}.items()}

    def generator_losses(
        self, ultrasound: torch.Tensor, mri: torch.Tensor, fake: torch.Tensor, cone: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The parts of the generator's loss, before their weights, of a batch [B, 1, D, H, W]."""
        score = self.discriminator(torch.cat([ultrasound, fake], 1))[-1]
        return {
            "gan": self.adversarial(score, target_is_real=True, for_discriminator=False),
            # Over the cone alone: outside both are -1.
            "l1": l1_loss(fake, mri, reduction="sum") / cone.sum().clamp(min=1),
            "structure": structural_loss(fake, mri, cone),
        }

    def _set_rates(self) -> None:
        """Set the learning rates: linear warm-up, then half a cosine down to 2 %."""
        config = self.config
        done = max(0, self.step - config.warmup) / max(1, config.steps - config.warmup)
        rate = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))
        rate *= min(1.0, (self.step + 1) / config.warmup)
        for optimiser in self.optimisers:
            optimiser.param_groups[0]["lr"] = config.learning_rate * rate
        self.discriminator_optimiser.param_groups[0]["lr"] = config.discriminator_rate * rate

    @torch.no_grad()
    def validate(self, batches: Sequence[Batch]) -> dict[str, float]:
        """Return the mean similarity of the averaged generator's patches to the MRI."""
        rows = []
        for batch in batches:
            fake = self.ema(batch.ultrasound.to(self.device)).cpu()
            images = [((part[0, 0] + 1) * 127.5).numpy() for part in (fake, batch.mri)]
            rows.append(similarity(images[0], images[1], batch.cone[0, 0].numpy()))
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def parts(self) -> dict[str, Any]:
        """Networks, moving average and optimisers."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "ema": self.ema,
            "optimisers": self.optimisers,
            "discriminator_optimiser": self.discriminator_optimiser,
        }


def train(
    trainer: Pix2PixTrainer,
    validation: Sequence[Batch],
    work: Path,
    log_every: int = 20,
    checkpoint_every: int = 100,
) -> None:
    """Run to the last step; log losses, and the similarity at every tenth of the run."""

    def check() -> dict[str, float]:
        scores = trainer.validate(validation)
        return {f"validation_{name}": value for name, value in scores.items()}

    steps, ranks = trainer.config.steps, trainer.ranks
    run(trainer, steps, work, check, ranks=ranks, log_every=log_every, save_every=checkpoint_every)


def _pairs_of(part: str, options: argparse.Namespace, config: Pix2PixConfig) -> list[Pair]:
    """Return the prepared pairs of one part, or simulate them."""
    if options.pairs:
        return prepared_pairs(options.pairs, part)
    heads, number = read_split("adult")[part], config.pairs_per_head
    if part != "train":
        number = min(number, 4)
    if options.smoke:
        heads = heads[:1]
    cache = options.work / "pairs"
    return cached_pairs(
        options.data, heads, number, options.seed, cache, LESION_PROBABILITY, config.contrast
    )


def _options() -> argparse.Namespace:
    parser = training_parser(main.__doc__, Path("runs/pix2pix3d"), 20_000, data_needed=False)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--depth", type=int, default=PATCH[0], help="slices of a patch")
    parser.add_argument("--width", type=int, default=Pix2PixConfig.width, help="of the generator")
    parser.add_argument("--structure-weight", type=float, default=Pix2PixConfig.structure_weight)
    parser.add_argument("--pairs-per-head", type=int, default=10)
    parser.add_argument(
        "--pairs", type=Path, metavar="FOLDER", help="train on pairs of training.data.prepare_pairs"
    )
    parser.add_argument("--optimiser", choices=OPTIMISERS, default=Pix2PixConfig.optimiser)
    parser.add_argument(
        "--contrast", choices=CONTRASTS, default=Pix2PixConfig.contrast, help="of simulated MRI"
    )
    parser.add_argument("--checkpoint-every", type=int, default=100, metavar="STEPS")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--smoke", action="store_true", help="one head, a tiny network")
    options = parser.parse_args()
    if not (options.data or options.pairs):
        parser.error(f"give --pairs, --data, or the environment variable {VARIABLE}")
    there = (options.work / CHECKPOINT).exists()
    if there != options.resume:
        found = "has a" if there else "has no"
        parser.error(f"{options.work} {found} checkpoint; add or drop --resume, or change --work")
    return options


def main() -> None:
    """Train the 3D pix2pix on simulated pairs, or on prepared ones."""
    options = _options()
    prepare(options)
    config = Pix2PixConfig(
        options.steps,
        options.batch,
        (options.depth, *PATCH[1:]),
        width=options.width,
        structure_weight=options.structure_weight,
        pairs_per_head=options.pairs_per_head,
        seed=options.seed,
        optimiser=options.optimiser,
        contrast=prepared_contrast(options.pairs) if options.pairs else options.contrast,
    )
    if options.smoke:
        config = replace(config, batch=1, width=4, discriminator_width=4, pairs_per_head=1)
    ranks, device = start_ranks()
    with ranks.first_alone():
        pairs, held_out = (_pairs_of(part, options, config) for part in ("train", "validation"))
    validation = PatchSampler(held_out, PATCH).fixed(3)
    trainer = Pix2PixTrainer(config, pairs, device, ranks)
    go_on(trainer, options.work, ranks)
    train(trainer, validation, options.work, checkpoint_every=options.checkpoint_every)


if __name__ == "__main__":
    main()
