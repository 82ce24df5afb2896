"""Train the network that turns the ultrasound of a brain into its MRI and its tissues.

``python -m training.train.pix2pix2d --steps 40000``; the same command again goes on from the last
checkpoint. The pairs are simulated (:mod:`training.simulation.brain_pairs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.losses.ssim_loss import SSIMLoss
from torch.nn import functional as F

from training.data.brain_slices import hc18_brains, seen_brains
from training.data.fetal_slices import contact_sheet
from training.networks.slice_translator import CLASSES, SliceTranslator
from training.simulation.brain_pairs import PairPool, Pairs, draw_pairs, read_brains
from training.train.checkpoint import step_generator
from training.train.command import go_on, prepare, training_parser
from training.train.loop import rate, run
from training.train.moving_average import move_average
from training.train.muon import muon_and_adamw
from training.train.precision import convolution_layout, mixed_precision
from training.train.trainer import Trainer

SHOWN = 8
VALIDATION_PAIRS = 192


@dataclass(frozen=True)
class SliceConfig:
    """What decides the weights, next to data and seed.

    Attributes:
        background: weight of the error of MRI outside the brain.
        edges, structure, tissues: weights of the losses beside the absolute error.
    """

    batch: int = 8
    width: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    warmup: int = 200
    ema: float = 0.999
    background: float = 0.3
    edges: float = 0.5
    structure: float = 0.3
    tissues: float = 0.15
    seed: int = 0


class SliceTrainer(Trainer):
    """Network, optimiser and data of one run.

    Args:
        config: of the run.
        steps: its last one.
        cooldown: over how many steps before it the learning rate goes down.
        pool: pairs to train on.
        validation: pairs of other volumes.
        real: ultrasound of real heads to look at, [N, 128, 128], and their sizes in mm [N].
        device: where to train.
    """

    def __init__(
        self,
        config: SliceConfig,
        steps: int,
        cooldown: int,
        pool: PairPool,
        validation: Pairs,
        real: tuple[np.ndarray, np.ndarray],
        device: torch.device,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.steps, self.cooldown = config, steps, cooldown
        self.pool, self.device = pool, device
        self.validation, self.real = validation, real
        self.net = SliceTranslator(config.width).to(device)
        self.ema = SliceTranslator(config.width).to(device).requires_grad_(False)
        self.ema.load_state_dict(self.net.state_dict())
        for net in (self.net, self.ema):
            net.to(memory_format=convolution_layout(device))  # type: ignore[call-overload]
        self.optimisers = muon_and_adamw(
            self.net, config.learning_rate, config.weight_decay, ("unet.conv_in", "unet.out")
        )
        self.ssim = SSIMLoss(2, data_range=2.0, win_size=7)

    def train_step(self) -> dict[str, float]:
        """One optimiser step; its losses."""
        config = self.config
        generator = step_generator(config.seed, self.step)
        us, mri, tissues, size = self._batch(generator)
        for group in (group for each in self.optimisers for group in each.param_groups):
            group["lr"] = config.learning_rate * rate(
                self.step, self.steps, config.warmup, self.cooldown
            )
        with mixed_precision(self.device):
            made, logits = self.net(us, size)
        losses = self.losses(made.float(), logits.float(), mri, tissues)
        self.net.zero_grad(set_to_none=True)
        losses["loss"].backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        move_average(self.ema, self.net, self.step, config.ema)
        return {name: float(value.detach()) for name, value in losses.items()}

    def losses(
        self, made: torch.Tensor, logits: torch.Tensor, mri: torch.Tensor, tissues: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The loss and its parts; images [B, 1, H, W], logits [B, 9, H, W], tissues [B, H, W]."""
        config = self.config
        weight = torch.where(tissues[:, None] > 0, 1.0, config.background)
        parts = {
            "absolute": ((made - mri).abs() * weight).mean(),
            "edges": sum((made.diff(dim=d) - mri.diff(dim=d)).abs().mean() for d in (2, 3)),
            "structure": self.ssim(made, mri),
            "tissues": F.cross_entropy(logits, tissues),
        }
        total = (
            parts["absolute"]
            + config.edges * parts["edges"]
            + config.structure * parts["structure"]
            + config.tissues * parts["tissues"]
        )
        return {"loss": total, **parts}

    def _batch(self, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
        """Pairs, mirrored and moved alike, the ultrasound with another gamma and grain."""
        seed = int(torch.randint(2**31, (), generator=generator))
        rng = np.random.default_rng(seed)
        pairs = self.pool.draw(self.step, self.config.batch, rng)
        us, mri = (torch.from_numpy(a.astype(np.float32))[:, None] for a in (pairs.us, pairs.mri))
        tissues = torch.from_numpy(pairs.tissues.astype(np.int64))[:, None]
        flips = [d for d in (2, 3) if rng.random() < 0.5]
        shift = tuple(int(n) for n in rng.integers(-3, 4, 2))
        us, mri, tissues = (x.flip(flips).roll(shift, (2, 3)) for x in (us, mri, tissues))
        outside = us <= -1
        gamma = torch.from_numpy(np.exp(rng.normal(0, 0.25, (len(us), 1, 1, 1)))).float()
        grain = torch.from_numpy(rng.uniform(0, 0.05, (len(us), 1, 1, 1))).float()
        us = ((us + 1) / 2).pow(gamma) * 2 - 1 + grain * torch.randn(us.shape, generator=generator)
        us = us.clamp(-1, 1).masked_fill(outside, -1)
        size = torch.from_numpy(pairs.size_mm + rng.normal(0, 3, len(us)).astype(np.float32))
        batch = us, mri, tissues[:, 0], size.float()
        return tuple(x.to(self.device) for x in batch)

    def validate(self) -> dict[str, float]:
        """Correlation and absolute error inside the brain, and Dice of every tissue."""
        truth = self.validation
        made, tissues = answer(self.ema, truth.us, truth.size_mm)
        inside = truth.tissues > 0
        correlation = [
            np.corrcoef(a[m], b[m])[0, 1] for a, b, m in zip(made, truth.mri.astype(float), inside)
        ]
        figures = {
            "validation_correlation": float(np.mean(correlation)),
            "validation_absolute": float(np.abs(made - truth.mri)[inside].mean()),
        }
        for tissue in range(1, CLASSES):
            a, b = tissues == tissue, truth.tissues == tissue
            figures[f"validation_dice_{tissue}"] = float(
                2 * (a & b).sum() / max(1, a.sum() + b.sum())
            )
        return figures

    def pictures(self) -> np.ndarray:
        """Simulated ultrasound, answer and truth; then real ultrasound and its answer."""
        truth = self.validation
        made, _ = answer(self.ema, truth.us[:SHOWN], truth.size_mm[:SHOWN])
        rows = [truth.us[:SHOWN], made, truth.mri[:SHOWN]]
        us, sizes = self.real
        answers, _ = answer(self.ema, us, sizes)
        for i in range(0, len(us), SHOWN):
            rows += [us[i : i + SHOWN], answers[i : i + SHOWN]]
        return np.concatenate([np.asarray(row, np.float32) for row in rows])

    def parts(self) -> dict[str, Any]:
        """Network, moving average and optimisers."""
        return {"net": self.net, "ema": self.ema, "optimisers": list(self.optimisers)}


@torch.no_grad()
def answer(
    net: SliceTranslator, us: np.ndarray, size_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What a network makes of ultrasound [N, 128, 128] of brains of sizes in mm [N].

    Returns:
        MRI float32 [N, 128, 128], and tissues, the numbers of
        :class:`USToMRILib.fetal.tissues.Tissue`, uint8 of the same shape.
    """
    device, made, tissues = next(net.parameters()).device, [], []
    net.eval()
    for i in range(0, len(us), 16):
        x = torch.from_numpy(us[i : i + 16].astype(np.float32))[:, None].to(device)
        y, logits = net(x, torch.from_numpy(size_mm[i : i + 16].astype(np.float32)).to(device))
        made.append(y[:, 0].float().cpu().numpy())
        tissues.append(logits.argmax(1).cpu().numpy().astype(np.uint8))
    return np.concatenate(made), np.concatenate(tissues)


def main() -> None:
    """Train the network that turns the ultrasound of a brain into its MRI and its tissues."""
    parser = training_parser(main.__doc__, Path("runs/pix2pix2d"), steps=40_000)
    parser.add_argument("--pairs", type=Path, default=Path("runs/pairs"), help="folder of the pool")
    parser.add_argument("--cooldown", type=int, default=4000, help="the last steps, ever smaller")
    options = parser.parse_args()
    prepare(options)
    config = SliceConfig(seed=options.seed)
    brains = {p: read_brains(options.data, p, options.pairs) for p in ("train", "validation")}
    pool = PairPool(brains["train"], options.pairs, config.seed)
    rng = np.random.default_rng(1)
    validation = draw_pairs(brains["validation"], VALIDATION_PAIRS, rng)
    heads = hc18_brains(options.data / "hc18", "validation")
    real = seen_brains(islice(heads, 4 * SHOWN))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = SliceTrainer(config, options.steps, options.cooldown, pool, validation, real, device)

    def check() -> dict[str, float]:
        contact_sheet(trainer.pictures(), options.work / f"sheet_{trainer.step:06d}.png")
        return trainer.validate()

    go_on(trainer, options.work)
    run(
        trainer,
        options.steps,
        options.work,
        check,
        check_every=1000,
        save_every=250,
        level_until=options.steps - options.cooldown,
    )


if __name__ == "__main__":
    main()
