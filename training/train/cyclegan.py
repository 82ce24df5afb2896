"""Train the CycleGAN between fetal head ultrasound and fetal MRI, the paper's unpaired baseline.

``python -m training.train.cyclegan --steps 20000``; the same command again goes on from the last
checkpoint. ``training.export.cyclegan`` makes the bundle of it. The recipe is that of Zhu et al.,
ICCV 2017 (doi:10.1109/ICCV.2017.244): least-squares adversarial losses, 10 x cycle, 5 x identity,
discriminators that see a pool of earlier images, a rate that falls linearly over the second half.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.losses import PatchAdversarialLoss
from monai.utils import convert_to_tensor
from torch.nn.functional import l1_loss

from training.data.fetal_slices import DOMAINS, augmentation, contact_sheet, prepared_slices
from training.networks.cyclegan import ResNetGenerator, make_discriminator
from training.train.checkpoint import step_generator
from training.train.command import go_on, prepare, training_parser
from training.train.loop import run
from training.train.parallel import ALONE, Ranks, start_ranks
from training.train.trainer import Trainer

OTHER = {"us": "mri", "mri": "us"}
SHOWN = 8


@dataclass(frozen=True)
class CycleGanConfig:
    """What decides the weights, next to data and seed."""

    steps: int
    batch: int = 1
    width: int = 24
    blocks: int = 6
    discriminator_width: int = 32
    learning_rate: float = 4e-4
    cycle_weight: float = 10.0
    identity_weight: float = 5.0
    pool: int = 50
    seed: int = 0


class ImagePool:
    """Earlier generated images, of which half of the discriminator's fakes are drawn."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: list[torch.Tensor] = []

    def exchange(self, fresh: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Put images [B, 1, H, W] in; return as many, each with even odds an earlier one."""
        chosen = []
        for image in fresh.detach():
            if len(self.images) < self.size:
                self.images.append(image.clone())
                chosen.append(image)
            elif torch.rand((), generator=generator) < 0.5:
                at = int(torch.randint(self.size, (), generator=generator))
                chosen.append(self.images[at])
                self.images[at] = image.clone()
            else:
                chosen.append(image)
        return torch.stack(chosen)


class CycleGanTrainer(Trainer):
    """Networks, optimisers, pools and data of one run; dictionaries have the keys "us", "mri".

    Args:
        config: of the run.
        slices: of each domain, float32 [N, 128, 128] in [-1, 1].
        device: where to train.
        ranks: the processes that train together.
    """

    changeable = ("steps",)

    def __init__(
        self,
        config: CycleGanConfig,
        slices: dict[str, np.ndarray],
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device, self.ranks = config, device, ranks
        # Under the name of the domain that a generator draws and a discriminator judges.
        self.generators = torch.nn.ModuleDict(
            {domain: ResNetGenerator(config.width, config.blocks) for domain in DOMAINS}
        ).to(device)
        self.discriminators = torch.nn.ModuleDict(
            {domain: make_discriminator(config.discriminator_width) for domain in DOMAINS}
        ).to(device)
        self.generators.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimisers = {
            name: torch.optim.Adam(nets.parameters(), config.learning_rate, betas=(0.5, 0.999))
            for name, nets in self._nets().items()
        }
        self.adversarial = PatchAdversarialLoss(
            criterion="least_squares", no_activation_leastsq=True
        )
        self.pools = {domain: ImagePool(config.pool) for domain in DOMAINS}
        self.slices = {name: torch.from_numpy(array)[:, None] for name, array in slices.items()}
        self.augment = augmentation()

    def _nets(self) -> dict[str, torch.nn.Module]:
        return {"generators": self.generators, "discriminators": self.discriminators}

    def train_step(self) -> dict[str, float]:
        """Take one step of the generators and one of the discriminators; return the losses."""
        generator = step_generator(self.config.seed, self.step, self.ranks.rank)
        real = {domain: self._batch(domain, generator) for domain in DOMAINS}
        for optimiser in self.optimisers.values():
            optimiser.param_groups[0]["lr"] = self.config.learning_rate * self._rate()
        fake, losses = self._generator_step(real)
        seen = {domain: self.pools[domain].exchange(fake[domain], generator) for domain in DOMAINS}
        losses["discriminator"] = self._discriminator_step(real, seen)
        self.step += 1
        return losses

    def _batch(self, domain: str, generator: torch.Generator) -> torch.Tensor:
        slices = self.slices[domain]
        picks = torch.randint(len(slices), (self.config.batch,), generator=generator)
        seed = int(torch.randint(2**31, (), generator=generator))
        self.augment.set_random_state(seed=seed)  # type: ignore[attr-defined]
        # Plain tensors: MONAI's carry metadata, which would follow into the pools and checkpoints.
        moved = [convert_to_tensor(self.augment(slices[pick])) for pick in picks]
        return torch.stack(moved).to(self.device)

    def _rate(self) -> float:
        """Learning rate over its maximum: 1 for half of the run, then linearly down to 0."""
        return min(1.0, 2 * (1 - self.step / self.config.steps))

    def _autocast(self) -> torch.autocast:
        return torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda")

    def _generator_step(
        self, real: dict[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
        """Teach the generators; return what they drew, and their losses."""
        config, count = self.config, len(real["us"])
        self.discriminators.requires_grad_(False)
        fake = {}
        parts = {name: torch.zeros((), device=self.device) for name in ("gan", "cycle", "identity")}
        with self._autocast():
            for domain, draw in self.generators.items():
                # What is of the domain already should stay as it is.
                both = draw(torch.cat([real[OTHER[domain]], real[domain]]))
                fake[domain], same = both[:count], both[count:]
                score = self.discriminators[domain](fake[domain])[-1].float()
                gan = self.adversarial(score, target_is_real=True, for_discriminator=False)
                parts["gan"] = parts["gan"] + gan
                parts["identity"] = parts["identity"] + l1_loss(same.float(), real[domain])
            for domain, draw in self.generators.items():
                back = draw(fake[OTHER[domain]]).float()
                parts["cycle"] = parts["cycle"] + l1_loss(back, real[domain])
        total = (
            parts["gan"]
            + config.cycle_weight * parts["cycle"]
            + config.identity_weight * parts["identity"]
        )
        self._descend("generators", total)
        return fake, {name: float(value.detach()) for name, value in parts.items()}

    def _discriminator_step(
        self, real: dict[str, torch.Tensor], fake: dict[str, torch.Tensor]
    ) -> float:
        """Teach each discriminator to tell its domain (1) from what was drawn (0)."""
        self.discriminators.requires_grad_(True)
        total = torch.zeros((), device=self.device)
        with self._autocast():
            for domain, judge in self.discriminators.items():
                for images, truth in ((real[domain], True), (fake[domain], False)):
                    score = judge(images)[-1].float()
                    total = total + 0.5 * self.adversarial(
                        score, target_is_real=truth, for_discriminator=True
                    )
        self._descend("discriminators", total)
        return float(total.detach())

    def _descend(self, name: str, loss: torch.Tensor) -> None:
        self.optimisers[name].zero_grad(set_to_none=True)
        loss.backward()
        self.ranks.average_gradients(self._nets()[name])
        self.optimisers[name].step()

    @torch.no_grad()
    def translate(self, slices: np.ndarray, to: str) -> np.ndarray:
        """Slices [N, 128, 128] in [-1, 1] of the one domain as images of the domain ``to``."""
        draw, images = self.generators[to].eval(), torch.from_numpy(slices)[:, None]
        drawn = [draw(part.to(self.device)).cpu() for part in images.split(16)]
        return torch.cat(drawn)[:, 0].numpy()

    def cycle_errors(self, slices: dict[str, np.ndarray]) -> dict[str, float]:
        """Mean absolute difference of slices and what comes back after both translations."""
        return {
            f"cycle_l1_{domain}": float(
                np.abs(self.translate(self.translate(array, OTHER[domain]), domain) - array).mean()
            )
            for domain, array in slices.items()
        }

    def parts(self) -> dict[str, Any]:
        """Networks and optimisers."""
        return {**self._nets(), "optimisers": self.optimisers}

    def state(self) -> dict[str, Any]:
        """The pools too."""
        pools = {domain: pool.images for domain, pool in self.pools.items()}
        return {**super().state(), "pools": pools}

    def load(self, state: dict[str, Any]) -> None:
        """The pools too."""
        super().load(state)
        for domain, pool in self.pools.items():
            pool.images = [image.to(self.device) for image in state["pools"][domain]]


def spread(slices: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """:data:`SHOWN` slices of each domain, evenly spread."""
    return {
        domain: array[np.linspace(0, len(array) - 1, SHOWN).astype(int)]
        for domain, array in slices.items()
    }


def sheet(trainer: CycleGanTrainer, slices: dict[str, np.ndarray], path: Path) -> None:
    """Draw slices of each domain, one row, their translations, and what comes back of these."""
    rows = []
    for domain, array in slices.items():
        drawn = trainer.translate(array, OTHER[domain])
        rows += [array, drawn, trainer.translate(drawn, domain)]
    contact_sheet(np.concatenate(rows), path, columns=SHOWN)


def train(
    trainer: CycleGanTrainer, validation: dict[str, np.ndarray], work: Path, log_every: int = 50
) -> None:
    """Run to the last step; ten times on the way validate and draw samples into ``work``.

    Both are done with :data:`SHOWN` slices of each domain, spread over the validation part.
    """
    shown = spread(validation)

    def check() -> dict[str, float]:
        sheet(trainer, shown, work / f"samples_{trainer.step:06d}.png")
        return trainer.cycle_errors(shown)

    steps = trainer.config.steps
    run(trainer, steps, work, check, ranks=trainer.ranks, log_every=log_every, save_every=log_every)


def main() -> None:
    """Train the CycleGAN between fetal head ultrasound and fetal MRI."""
    parser = training_parser(main.__doc__, Path("runs/cyclegan"), steps=20_000)
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    prepare(options)
    ranks, device = start_ranks()
    with ranks.first_alone():
        parts = {
            part: {d: prepared_slices(options.data, d, part, options.work) for d in DOMAINS}
            for part in ("train", "validation")
        }
    config = CycleGanConfig(options.steps, options.batch, seed=options.seed)
    trainer = CycleGanTrainer(config, parts["train"], device, ranks)
    go_on(trainer, options.work, ranks)
    train(trainer, parts["validation"], options.work)


if __name__ == "__main__":
    main()
