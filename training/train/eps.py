"""Train an eps-network on fetal head slices.

``python -m training.train.eps --domain us --steps 20000``; the same command again goes on from the
last checkpoint. ``training.export.eps`` makes the bundle of it.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from training.data.fetal_slices import DOMAINS, augmentation, contact_sheet, prepared_slices
from training.data.location import add_feta_option
from training.networks.eps import EpsNet
from training.train.checkpoint import step_generator
from training.train.command import go_on, prepare, training_parser
from training.train.dream import dream
from training.train.earlier import add_start_option, earlier_weights
from training.train.loop import CHECKPOINT, run
from training.train.moving_average import move_average
from training.train.parallel import ALONE, Ranks, start_ranks
from training.train.precision import convolution_layout, mixed_precision
from training.train.trainer import Trainer
from USToMRILib.bridge.schedule import Schedule

FIRST_WEIGHT = "unet.conv_in.conv.weight"


@dataclass(frozen=True)
class EpsConfig:
    """What decides the weights, next to data and seed."""

    domain: str
    steps: int
    batch: int = 8
    width: int = 32
    learning_rate: float = 5e-4
    warmup: int = 200
    ema: float = 0.999
    seed: int = 0


class EpsTrainer(Trainer):
    """Network, optimiser, moving average and data of one run.

    Args:
        config: of the run.
        slices: float32 [N, 128, 128] in [-1, 1].
        device: where to train.
        ranks: the processes that train together.
    """

    changeable = ("steps",)

    def __init__(
        self,
        config: EpsConfig,
        slices: np.ndarray,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device, self.ranks = config, device, ranks
        self.schedule = Schedule.cosine()
        self.net = EpsNet(config.width, self.schedule).to(device)
        self.ema = EpsNet(config.width, self.schedule).to(device).requires_grad_(False)
        self.ema.load_state_dict(self.net.state_dict())
        # It draws and is measured in float32, where channels last is faster on every machine.
        self.ema.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.net.to(memory_format=convolution_layout(device))  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(self.net.parameters(), config.learning_rate)
        self.slices = torch.from_numpy(slices)[:, None]
        self.augment = augmentation()

    def train_step(self) -> dict[str, float]:
        """One optimiser step; the multi-scale loss."""
        config = self.config
        generator = step_generator(config.seed, self.step, self.ranks.rank)
        x0 = self._batch(generator).to(self.device)
        t = noise_levels(len(x0), self.schedule.num_steps, generator)
        eps = torch.randn(x0.shape, generator=generator)
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate * self._rate()
        with mixed_precision(self.device):
            loss = self.net.multiscale_loss(x0, t.to(self.device), eps.to(self.device))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.ranks.average_gradients(self.net)
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        move_average(self.ema, self.net, self.step, config.ema)
        return {"loss": float(loss.detach())}

    def _batch(self, generator: torch.Generator) -> torch.Tensor:
        picks = torch.randint(len(self.slices), (self.config.batch,), generator=generator)
        seed = int(torch.randint(2**31, (), generator=generator))
        self.augment.set_random_state(seed=seed)  # type: ignore[attr-defined]
        return torch.stack([torch.as_tensor(self.augment(self.slices[i])) for i in picks])

    def _rate(self) -> float:
        """Learning rate over its maximum: linear warm-up, then half a cosine down to 1 %."""
        config = self.config
        if self.step < config.warmup:
            return (self.step + 1) / config.warmup
        done = (self.step - config.warmup) / max(1, config.steps - config.warmup)
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))

    def validation_loss(self, slices: np.ndarray) -> float:
        """Mean loss of the averaged network over fixed levels and noise."""
        x0 = torch.from_numpy(slices)[:, None].to(self.device)
        generator = step_generator(self.config.seed, -1)
        eps = torch.randn(x0.shape, generator=generator).to(self.device)
        t = torch.linspace(0, self.schedule.num_steps - 1, len(x0)).long().to(self.device)
        with torch.no_grad():
            losses = [
                self.ema.loss(x0[i : i + 16], t[i : i + 16], eps[i : i + 16]) * len(x0[i : i + 16])
                for i in range(0, len(x0), 16)
            ]
        return float(torch.stack(losses).sum() / len(x0))

    @torch.no_grad()
    def samples(self, count: int) -> np.ndarray:
        """What the averaged network dreams, [count, 128, 128]."""
        return dream(self.ema.eval(), self.schedule, count, self.config.seed)

    def start_from(self, averaged: dict[str, torch.Tensor]) -> None:
        """Begin with the averaged weights of another run."""
        self.net.load_state_dict(with_more_inputs(averaged, self.net))
        self.ema.load_state_dict(self.net.state_dict())

    def parts(self) -> dict[str, Any]:
        """Network, moving average and optimiser."""
        return {"net": self.net, "ema": self.ema, "optimiser": self.optimiser}


def noise_levels(count: int, steps: int, generator: torch.Generator) -> torch.Tensor:
    """Draw levels of noise, int64 [count] below ``steps``: half uniform, half of the noisiest 40 %.

    A head is a few large shapes, which are decided where hardly any signal is left; drawn
    uniformly, those levels come too rarely for its outline to be learned in a short run.
    """
    few = count // 2
    noisy = torch.randint(int(0.6 * steps), steps, (count - few,), generator=generator)
    return torch.cat([noisy, torch.randint(steps, (few,), generator=generator)])


def with_more_inputs(weights: dict[str, torch.Tensor], net: EpsNet) -> dict[str, torch.Tensor]:
    """The weights of another network, as ``net`` can begin with them.

    Input channels that the other did not have begin at zero, so that at first ``net`` computes what
    the other did.
    """
    own = net.state_dict()
    missing = own[FIRST_WEIGHT].shape[1] - weights[FIRST_WEIGHT].shape[1]
    first = F.pad(weights[FIRST_WEIGHT], (0, 0, 0, 0, 0, missing))
    return {**own, **weights, FIRST_WEIGHT: first}


def train(trainer: EpsTrainer, validation: np.ndarray, work: Path, log_every: int = 50) -> None:
    """Run to the last step; ten times on the way validate and draw samples into ``work``."""

    def check() -> dict[str, float]:
        contact_sheet(trainer.samples(8), work / f"samples_{trainer.step:06d}.png")
        return {"validation_loss": trainer.validation_loss(validation)}

    steps = trainer.config.steps
    run(trainer, steps, work, check, ranks=trainer.ranks, log_every=log_every)


def _options() -> argparse.Namespace:
    parser = training_parser(main.__doc__, work=None, steps=20_000)
    parser.add_argument("--domain", choices=DOMAINS, required=True)
    add_feta_option(parser)
    parser.add_argument("--batch", type=int, default=8)
    add_start_option(parser)
    options = parser.parse_args()
    if options.feta and options.domain != "mri":
        parser.error("--feta holds MRI; leave it out, or give --domain mri")
    options.work = options.work or Path("runs") / f"eps_{options.domain}"
    return options


def main() -> None:
    """Train an eps-network on fetal head slices."""
    options = _options()
    prepare(options)
    config = EpsConfig(options.domain, options.steps, options.batch, seed=options.seed)
    ranks, device = start_ranks()
    with ranks.first_alone():
        slices, validation = (
            prepared_slices(options.data, options.domain, part, options.work, options.feta)
            for part in ("train", "validation")
        )
    trainer = EpsTrainer(config, slices, device, ranks)
    record: dict[str, Any] = {"feta": str(options.feta)} if options.feta else {}
    if options.start_from and not (options.work / CHECKPOINT).exists():
        weights, record["started_from"] = earlier_weights(options.start_from)
        trainer.start_from(weights)
    go_on(trainer, options.work, ranks, record)
    train(trainer, validation, options.work)


if __name__ == "__main__":
    main()
