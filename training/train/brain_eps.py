"""Train an eps-network on brains in the head-scaled frame, conditioned on their size.

``python -m training.train.brain_eps --domain us``; the same command again goes on from the last
checkpoint. The ultrasound is that of real heads. The MRI is that of
:mod:`training.simulation.brain_pairs`: slices of the atlases with their anatomy warped.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose

from training.data.brain_slices import (
    FRAME,
    BrainUltrasound,
    agreed_brains,
    hc18_brains,
    seen_brains,
)
from training.data.fetal_slices import DOMAINS, contact_sheet, small_moves
from training.networks.eps import USUAL_SIZE_MM, EpsNet
from training.simulation.brain_pairs import PairPool, read_brains
from training.train.checkpoint import step_generator
from training.train.command import go_on, prepare, training_parser
from training.train.dream import AT_ONCE, SOLVER, STEPS
from training.train.earlier import add_start_option, earlier_weights
from training.train.eps import FIRST_WEIGHT, noise_levels, with_more_inputs
from training.train.loop import CHECKPOINT, rate, run
from training.train.moving_average import move_average
from training.train.muon import muon_and_adamw
from training.train.precision import convolution_layout, mixed_precision
from training.train.trainer import Trainer
from USToMRILib.bridge.diffusion_bridge import decode
from USToMRILib.bridge.schedule import Schedule
from USToMRILib.fetal.brain import normalise_brain

SHOWN = 16
# Of how long a brain samples are drawn, in mm about the usual length.
SHOWN_SPREAD_MM = 25.0

# A batch of so many images [B, 1, 128, 128] and sizes in mm [B] for a step.
Draw = Callable[[int, int, np.random.Generator], "tuple[torch.Tensor, torch.Tensor]"]


@dataclass(frozen=True)
class BrainEpsConfig:
    """What decides the weights, next to data and seed.

    Attributes:
        width: channels of the first level; with 20 a bundle has 2.3 MB.
    """

    domain: str
    width: int = 20
    batch: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    warmup: int = 200
    ema: float = 0.999
    seed: int = 0


class BrainEpsTrainer(Trainer):
    """Network, optimiser, moving average and data of one run.

    Args:
        config: of the run.
        steps: its last one.
        cooldown: over how many steps before it the learning rate goes down.
        draw: batches to train on.
        start: weights to begin with, of a network with the plane of the size or without; random
            ones where empty.
        device: where to train.
    """

    def __init__(
        self,
        config: BrainEpsConfig,
        steps: int,
        cooldown: int,
        draw: Draw,
        start: dict[str, torch.Tensor],
        device: torch.device,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.steps, self.cooldown = config, steps, cooldown
        self.draw, self.device = draw, device
        self.schedule = Schedule.cosine()
        self.net = EpsNet(config.width, self.schedule, sized=True).to(device)
        self.ema = EpsNet(config.width, self.schedule, sized=True).to(device).requires_grad_(False)
        if start:
            self.net.load_state_dict(with_more_inputs(start, self.net))
        self.ema.load_state_dict(self.net.state_dict())
        for net in (self.net, self.ema):
            net.to(memory_format=convolution_layout(device))  # type: ignore[call-overload]
        self.optimisers = muon_and_adamw(
            self.net, config.learning_rate, config.weight_decay, ("unet.conv_in", "unet.out.")
        )

    def train_step(self) -> dict[str, float]:
        """One optimiser step; the multi-scale loss."""
        config = self.config
        generator = step_generator(config.seed, self.step)
        rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
        x0, size = (part.to(self.device) for part in self.draw(self.step, config.batch, rng))
        t = noise_levels(config.batch, self.schedule.num_steps, generator).to(self.device)
        eps = torch.randn(x0.shape, generator=generator).to(self.device)
        for group in (group for each in self.optimisers for group in each.param_groups):
            group["lr"] = config.learning_rate * rate(
                self.step, self.steps, config.warmup, self.cooldown
            )
        with mixed_precision(self.device):
            loss = self.net.multiscale_loss(x0, t, eps, size)
        self.net.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        move_average(self.ema, self.net, self.step, config.ema)
        return {"loss": float(loss.detach())}

    def parts(self) -> dict[str, Any]:
        """Network, moving average and optimisers."""
        return {"net": self.net, "ema": self.ema, "optimisers": list(self.optimisers)}


@torch.no_grad()
def held_out_loss(net: EpsNet, images: np.ndarray, sizes: np.ndarray, seed: int) -> float:
    """Mean loss over fixed levels and noise of images [N, 128, 128] of sizes in mm [N]."""
    device = net.places.device
    x0 = torch.from_numpy(images)[:, None].to(device)
    size = torch.from_numpy(sizes).to(device)
    eps = torch.randn(x0.shape, generator=step_generator(seed, -1)).to(device)
    t = torch.linspace(0, len(net.sqrt_ab) - 1, len(x0)).long().to(device)
    parts = [part.split(AT_ONCE) for part in (x0, t, eps, size)]
    losses = [net.loss(*part).item() * len(part[0]) for part in zip(*parts)]
    return sum(losses) / len(x0)


@torch.no_grad()
def draw_samples(net: EpsNet, seed: int) -> np.ndarray:
    """What a network dreams of brains from small to large, float32 [:data:`SHOWN`, 128, 128]."""
    device = net.places.device
    noise = torch.randn((SHOWN, 1, *FRAME.shape), generator=step_generator(seed, -2)).to(device)
    shortest, longest = USUAL_SIZE_MM - SHOWN_SPREAD_MM, USUAL_SIZE_MM + SHOWN_SPREAD_MM
    size = torch.linspace(shortest, longest, SHOWN).to(device)
    made = decode(noise, lambda x, t: net(x, t, size), Schedule.cosine(), STEPS, SOLVER)
    return made[:, 0].float().cpu().numpy()


def us_batches(heads: Sequence[BrainUltrasound]) -> Draw:
    """Ultrasound of real heads, with other gammas, and sizes not quite right.

    Heads move beneath the masks, as they lie where an outline was found with its error.
    """
    moves = Compose(small_moves(3, 0.04))

    def draw(step: int, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        drawn = [heads[i] for i in rng.integers(len(heads), size=count)]
        moves.set_random_state(seed=int(rng.integers(2**31)))
        moved = [np.asarray(moves(head.grey[None]))[0] for head in drawn]
        seen = np.stack([normalise_brain(*of) for of in zip(moved, (h.mask for h in drawn))])
        gammas = np.exp(rng.normal(0, 0.15, (count, 1, 1)))
        images = ((seen + 1) / 2) ** gammas * 2 - 1
        sizes = np.array([head.size_mm for head in drawn]) + rng.normal(0, 2, count)
        return torch.from_numpy(images)[:, None].float(), torch.from_numpy(sizes).float()

    return draw


def mri_batches(pool: PairPool) -> Draw:
    """MRI of the pool, moved a little, and sizes not quite right."""
    # Anatomy and tone are settled already.
    augment = Compose(small_moves(3, 0.03))

    def draw(step: int, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        pairs = pool.draw(step, count, rng)
        augment.set_random_state(seed=int(rng.integers(2**31)))
        images = pairs.mri.astype(np.float32)
        moved = torch.stack([torch.as_tensor(augment(image[None])) for image in images])
        jitter = rng.normal(0, 2, count).astype(np.float32)
        return moved.float(), torch.from_numpy(pairs.size_mm + jitter)

    return draw


def read_domain(options: argparse.Namespace) -> tuple[Draw, np.ndarray, np.ndarray]:
    """Batches to train on, and images [N, 128, 128] of sizes in mm [N] to validate with."""
    if options.domain == "us":
        hc18, planes = options.data / "hc18", options.data / "fetal_planes"
        draw = us_batches([*hc18_brains(hc18, "train"), *agreed_brains(planes, "train")])
        return draw, *seen_brains(hc18_brains(hc18, "validation"))
    train, held = (
        read_brains(options.data, part, options.pairs) for part in ("train", "validation")
    )
    draw = mri_batches(PairPool(train, options.pairs, options.seed))
    sizes = np.array([brain.size_mm for brain in held], np.float32)
    return draw, np.stack([brain.mri for brain in held]), sizes


def main() -> None:
    """Train an eps-network on brains in the head-scaled frame."""
    parser = training_parser(main.__doc__, work=None, steps=40_000)
    parser.add_argument("--domain", choices=DOMAINS, required=True)
    parser.add_argument(
        "--pairs", type=Path, default=Path("runs/pairs"), help="folder of the pool that holds MRI"
    )
    parser.add_argument("--cooldown", type=int, default=4000, help="the last steps, ever smaller")
    add_start_option(parser)
    options = parser.parse_args()
    options.work = work = options.work or Path("runs") / f"brain_{options.domain}"
    prepare(options)
    draw, images, sizes = read_domain(options)
    config = BrainEpsConfig(options.domain, seed=options.seed)
    start: dict[str, torch.Tensor] = {}
    record: dict[str, Any] = {}
    if options.start_from:
        start, earlier = earlier_weights(options.start_from)
        config = replace(config, width=len(start[FIRST_WEIGHT]))
        record = {} if (work / CHECKPOINT).exists() else {"started_from": earlier}
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = BrainEpsTrainer(config, options.steps, options.cooldown, draw, start, device)

    def check() -> dict[str, float]:
        samples = draw_samples(trainer.ema.eval(), config.seed)
        contact_sheet(samples, work / f"sheet_{trainer.step:06d}.png")
        return {"validation_loss": held_out_loss(trainer.ema, images, sizes, config.seed)}

    go_on(trainer, work, record=record)
    run(
        trainer,
        options.steps,
        work,
        check,
        check_every=1000,
        save_every=250,
        level_until=options.steps - options.cooldown,
    )


if __name__ == "__main__":
    main()
