"""Train an eps-network on brains in the head-scaled frame, conditioned on their size.

``python -m training.train.brain_eps --domain mri --steps 40000``; the same command again goes on
from the last checkpoint. The MRI is that of :mod:`training.simulation.brain_pairs`: slices of the
atlases with their anatomy warped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose, RandAdjustContrast, RandAffine, RandFlip

from training.data.brain_slices import hc18_brains
from training.data.fetal_slices import contact_sheet
from training.networks.eps import USUAL_SIZE_MM, EpsNet
from training.simulation.brain_pairs import PairPool, read_brains
from training.train.checkpoint import step_generator
from training.train.command import go_on, prepare, training_parser
from training.train.eps import earlier_weights, noise_levels, with_more_inputs
from training.train.loop import CHECKPOINT, rate, run
from training.train.moving_average import move_average
from training.train.precision import convolution_layout, mixed_precision
from training.train.trainer import Trainer
from USToMRILib.bridge.diffusion_bridge import decode
from USToMRILib.bridge.schedule import Schedule

DOMAINS = ("us", "mri")
SHOWN = 16

# A batch of so many images [B, 1, 128, 128] and sizes in mm [B] for a step.
Draw = Callable[[int, int, np.random.Generator], "tuple[torch.Tensor, torch.Tensor]"]


@dataclass(frozen=True)
class BrainEpsConfig:
    """What decides the weights, next to data and seed."""

    domain: str
    batch: int = 8
    width: int = 32
    learning_rate: float = 4e-4
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
        validation: images [N, 128, 128] and their sizes in mm [N].
        start: weights to begin with, of a network without the plane of the size; may be empty.
        device: where to train.
    """

    def __init__(
        self,
        config: BrainEpsConfig,
        steps: int,
        cooldown: int,
        draw: Draw,
        validation: tuple[np.ndarray, np.ndarray],
        start: dict[str, torch.Tensor],
        device: torch.device,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.steps, self.cooldown = config, steps, cooldown
        self.draw, self.device = draw, device
        self.schedule, self.validation = Schedule.cosine(), validation
        self.net = EpsNet(config.width, self.schedule, sized=True).to(device)
        self.ema = EpsNet(config.width, self.schedule, sized=True).to(device).requires_grad_(False)
        if start:
            self.net.load_state_dict(with_more_inputs(start, self.net))
        self.ema.load_state_dict(self.net.state_dict())
        for net in (self.net, self.ema):
            net.to(memory_format=convolution_layout(device))  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(self.net.parameters(), config.learning_rate)

    def train_step(self) -> dict[str, float]:
        """One optimiser step; the multi-scale loss."""
        config = self.config
        generator = step_generator(config.seed, self.step)
        rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
        x0, size = (part.to(self.device) for part in self.draw(self.step, config.batch, rng))
        t = noise_levels(config.batch, self.schedule.num_steps, generator).to(self.device)
        eps = torch.randn(x0.shape, generator=generator).to(self.device)
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate * rate(
                self.step, self.steps, config.warmup, self.cooldown
            )
        with mixed_precision(self.device):
            loss = self.net.multiscale_loss(x0, t, eps, size)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        move_average(self.ema, self.net, self.step, config.ema)
        return {"loss": float(loss.detach())}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean loss of the averaged network over fixed levels and noise."""
        images, sizes = self.validation
        x0 = torch.from_numpy(images)[:, None].to(self.device)
        size = torch.from_numpy(sizes).to(self.device)
        eps = torch.randn(x0.shape, generator=step_generator(self.config.seed, -1)).to(self.device)
        t = torch.linspace(0, self.schedule.num_steps - 1, len(x0)).long().to(self.device)
        parts = range(0, len(x0), 16)
        losses = [
            self.ema.loss(x0[i : i + 16], t[i : i + 16], eps[i : i + 16], size[i : i + 16]).item()
            for i in parts
        ]
        weights = [len(x0[i : i + 16]) for i in parts]
        return {"validation_loss": float(np.average(losses, weights=weights))}

    @torch.no_grad()
    def pictures(self) -> np.ndarray:
        """Samples of the averaged network, from small brains to large ones."""
        shape = (SHOWN, 1, *self.validation[0].shape[1:])
        latent = torch.randn(shape, generator=step_generator(self.config.seed, -2)).to(self.device)
        size = torch.linspace(USUAL_SIZE_MM - 25, USUAL_SIZE_MM + 25, SHOWN).to(self.device)
        net = self.ema.eval()
        made = decode(latent, lambda x, t: net(x, t, size), self.schedule, 30, "dpm++2m")
        return made[:, 0].float().cpu().numpy()

    def parts(self) -> dict[str, Any]:
        """Network, moving average and optimiser."""
        return {"net": self.net, "ema": self.ema, "optimiser": self.optimiser}


def augmentation(domain: str) -> Callable[..., Any]:
    """Small moves that keep a brain a brain; the MRI's anatomy and tone are settled already."""
    moves = [
        RandFlip(prob=0.5, spatial_axis=0),
        RandFlip(prob=0.5, spatial_axis=1),
        RandAffine(
            prob=1.0,
            rotate_range=math.radians(3),
            scale_range=(0.03, 0.03) if domain == "mri" else (0.06, 0.04),
            translate_range=(2, 2),
            mode="bilinear",
            padding_mode="border",
        ),
    ]
    if domain == "us":
        moves.append(RandAdjustContrast(prob=0.5, gamma=(0.8, 1.25)))
    return Compose(moves)


def mri_batches(pool: PairPool) -> Draw:
    """MRI of the pool."""
    augment = augmentation("mri")

    def draw(step: int, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        pairs = pool.draw(step, count, rng)
        return _augmented(pairs.mri.astype(np.float32), pairs.size_mm, augment, rng)

    return draw


def us_batches(images: np.ndarray, sizes: np.ndarray) -> Draw:
    """Ultrasound of real heads, [N, 128, 128], of sizes in mm [N]."""
    augment = augmentation("us")

    def draw(step: int, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        picks = rng.integers(len(images), size=count)
        return _augmented(images[picks], sizes[picks], augment, rng)

    return draw


def _augmented(
    images: np.ndarray, sizes: np.ndarray, augment: Callable[..., Any], rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    augment.set_random_state(seed=int(rng.integers(2**31)))  # type: ignore[attr-defined]
    moved = torch.stack([torch.as_tensor(augment(image[None])) for image in images])
    jitter = rng.normal(0, 2, len(sizes)).astype(np.float32)
    return moved.float(), torch.from_numpy(sizes + jitter)


def main() -> None:
    """Train an eps-network on brains in the head-scaled frame."""
    parser = training_parser(main.__doc__, work=None, steps=40_000)
    parser.add_argument("--domain", choices=DOMAINS, required=True)
    parser.add_argument("--pairs", type=Path, default=Path("runs/pairs"), help="folder of the pool")
    parser.add_argument("--cooldown", type=int, default=4000, help="the last steps, ever smaller")
    parser.add_argument(
        "--start-from",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="begin with the weights of another run's folder, or of a bundle",
    )
    options = parser.parse_args()
    options.work = work = options.work or Path("runs") / f"brain_{options.domain}"
    prepare(options)
    if options.domain == "mri":
        brains = {p: read_brains(options.data, p, options.pairs) for p in ("train", "validation")}
        pool = PairPool(brains["train"], options.pairs, options.seed)
        draw = mri_batches(pool)
        held = brains["validation"]
        validation = np.stack([b.mri for b in held]), np.array([b.size_mm for b in held])
    else:
        draw = us_batches(*_heads(options.data, "train"))
        validation = _heads(options.data, "validation")
    start, earlier = earlier_weights(options.start_from)
    record = {} if (work / CHECKPOINT).exists() else {"started_from": earlier}
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config = BrainEpsConfig(options.domain, seed=options.seed)
    validation = validation[0], validation[1].astype(np.float32)
    trainer = BrainEpsTrainer(
        config, options.steps, options.cooldown, draw, validation, start, device
    )

    def check() -> dict[str, float]:
        contact_sheet(trainer.pictures(), work / f"sheet_{trainer.step:06d}.png")
        return trainer.validate()

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


def _heads(data: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    heads = list(hc18_brains(data / "hc18", part))
    return np.stack([h.pixels for h in heads]), np.array([h.size_mm for h in heads], np.float32)


if __name__ == "__main__":
    main()
