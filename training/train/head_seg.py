"""Train the network that finds the fetal head, on the annotated ellipses of HC18.

``python -m training.train.head_seg --steps 2000``; the same command again goes on from the last
checkpoint. ``training.export.head_seg`` makes the bundle of it.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from monai.transforms import (
    Compose,
    RandAdjustContrast,
    RandGaussianNoise,
)
from torch import nn
from torch.nn import functional as F

from training.data.hc18 import read_hc18
from training.data.location import add_data_option
from training.runinfo import append_record, run_record
from training.train.checkpoint import load_checkpoint, step_generator
from training.train.head_views import HeadExamples, View
from training.train.loop import run
from training.train.moving_average import move_average
from training.train.parallel import ALONE, Ranks, start_ranks
from training.train.precision import mixed_precision
from training.train.trainer import Trainer

# How often the network is shown a head cut out on black, and no head at all.
CUT_OUT, NO_HEAD = 0.1, 0.2


@dataclass(frozen=True)
class HeadConfig:
    """What decides the weights, next to data."""

    steps: int
    batch: int = 8
    learning_rate: float = 2e-3
    ema: float = 0.998
    seed: int = 0


def head_net() -> UNet:
    """U-Net for logits [B, 1, 192, 192] of images of the same shape in [-1, 1]."""
    return UNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=1,
        channels=(16, 32, 64, 96, 128),
        strides=(2, 2, 2, 2),
        num_res_units=1,
        norm="BATCH",
    )


class HeadProbability(nn.Module):
    """The exported network: probability of head, [B, 1, 192, 192]."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels float32 [B, 1, 192, 192] in [-1, 1]."""
        return self.net(pixels).sigmoid()


class HeadTrainer(Trainer):
    """Network, optimiser and data of one run.

    Args:
        config: of the run.
        examples: to draw views of.
        device: where to train.
        ranks: the processes that train together.
    """

    def __init__(
        self,
        config: HeadConfig,
        examples: HeadExamples,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device, self.step = config, device, 0
        self.ranks = ranks
        self.net = head_net().to(device)
        self.ema = head_net().to(device).requires_grad_(False).eval()
        self.ema.load_state_dict(self.net.state_dict())
        self.optimiser = torch.optim.AdamW(self.net.parameters(), config.learning_rate)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, config.learning_rate, total_steps=config.steps
        )
        self.loss = DiceCELoss(sigmoid=True)
        self.examples = examples
        # Heads of the third trimester are few in the data, dark on one side, and the hardest: an
        # image is shown the oftener the fewer there are of its size.
        sizes = examples.circumferences_mm
        near = np.abs(sizes[:, None] - sizes) < 20
        self.chances = torch.from_numpy(1 / np.sqrt(near.sum(1)))
        self.augment = Compose(
            [
                RandAdjustContrast(prob=0.7, gamma=(0.5, 2.0)),
                RandGaussianNoise(prob=0.3, std=0.1),
            ]
        )

    def train_step(self) -> dict[str, float]:
        """One optimiser step; the loss."""
        generator = step_generator(self.config.seed, self.step, self.ranks.rank)
        batch = self._batch(generator).to(self.device)
        with mixed_precision(self.device):
            logits = self.net(batch[:, :1])
        loss = self.loss(logits.float(), batch[:, 1:])
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.ranks.average_gradients(self.net)
        self.ranks.average_buffers(self.net)
        self.optimiser.step()
        self.schedule.step()
        self.step += 1
        move_average(self.ema, self.net, self.step, self.config.ema)
        return {"loss": float(loss.detach())}

    def _batch(self, generator: torch.Generator) -> torch.Tensor:
        picks = torch.multinomial(self.chances, self.config.batch, True, generator=generator)
        self.augment.set_random_state(seed=_draw(2**31, generator))
        return torch.stack([self._example(int(i), generator) for i in picks])

    def _example(self, index: int, generator: torch.Generator) -> torch.Tensor:
        ellipse = self.examples.ellipses[index]
        view = View.random(ellipse, np.random.default_rng(_draw(2**31, generator)))
        image, target = view.show(self.examples.pixels[index], ellipse)
        image = torch.as_tensor(self.augment(_darkened(image, generator)))
        chance = float(torch.rand((), generator=generator))
        if chance < CUT_OUT:
            image = torch.where(target > 0.5, image, torch.tensor(-1.0))
        elif chance < CUT_OUT + NO_HEAD:
            image, target = without_head(image, target, generator), torch.zeros_like(target)
        return torch.cat([image, target])

    def parts(self) -> dict[str, Any]:
        """Network, moving average, optimiser and the schedule of its rate."""
        optimiser, schedule = self.optimiser, self.schedule
        return {"net": self.net, "ema": self.ema, "optimiser": optimiser, "schedule": schedule}


def _draw(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (), generator=generator))


def _darkened(image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Half of the images [1, 192, 192] fade to black towards a side, as behind dense bone."""
    if float(torch.rand((), generator=generator)) < 0.5:
        return image
    angle, place, least = torch.rand(3, generator=generator)
    axis = torch.linspace(-0.5, 0.5, image.shape[-1])
    direction = 2 * math.pi * angle
    along = direction.cos() * axis + direction.sin() * axis[:, None]
    gain = least + (1 - least) * torch.sigmoid((along + 0.5 * place) * 12)
    return (image + 1) * gain - 1


def without_head(
    image: torch.Tensor, target: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """An image [1, 192, 192] in [-1, 1] that shows no head, of one of five kinds.

    The first two keep the texture of ultrasound: its tiles in another order, or the head taken
    out. A network that has seen only those finds heads in plain noise and ramps.
    """
    kind = int(torch.randint(5, (), generator=generator))
    if kind == 0:
        return _scrambled(image, generator)
    if kind == 1:
        around = F.max_pool2d(target[None], 15, 1, 7)[0]
        return torch.where(around > 0, torch.tensor(-1.0), image)
    if kind == 2:
        # Rayleigh: the amplitude of fully developed speckle.
        field = torch.randn(2, *image.shape, generator=generator).norm(dim=0)
    elif kind == 3:
        size = int(torch.randint(3, 48, (), generator=generator))
        coarse = torch.randn(1, 1, size, size, generator=generator)
        field = F.interpolate(coarse, image.shape[1:], mode="bicubic")[0]
    else:
        slopes = torch.randn(2, generator=generator)
        line = torch.linspace(-1, 1, image.shape[-1])
        field = (slopes[0] * line[:, None] + slopes[1] * line)[None]
    low, high = field.min(), field.max()
    return (field - low) / (high - low) * 2 - 1


def _scrambled(image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The tiles of an image [1, 192, 192] in another order."""
    tile = (8, 16, 24, 48)[int(torch.randint(4, (), generator=generator))]
    tiles = image[0].unfold(0, tile, tile).unfold(1, tile, tile)
    rows, columns = tiles.shape[:2]
    order = torch.randperm(rows * columns, generator=generator)
    shuffled = tiles.reshape(-1, tile, tile)[order].reshape(rows, columns, tile, tile)
    return shuffled.permute(0, 2, 1, 3).reshape(image.shape)


def prepared_examples(data: Path, part: str, cache: Path) -> HeadExamples:
    """The examples of one part, kept in ``cache``."""
    path = cache / f"head_{part}.npz"
    if not path.exists():
        HeadExamples.of(read_hc18(data / "hc18", part)).save(path)
    return HeadExamples.load(path)


def validation_views(examples: HeadExamples) -> np.ndarray:
    """The library's two looks at every image, float32 [2 N, 2, 192, 192] of image and target."""
    views = [
        torch.cat(view.show(pixels, ellipse))
        for pixels, ellipse in zip(examples.pixels, examples.ellipses)
        for view in (View.whole(), View.close(ellipse))
    ]
    return torch.stack(views).numpy()


def mean_dice(net: nn.Module, views: np.ndarray, device: torch.device) -> float:
    """Mean Dice of the thresholded network over images and targets [N, 2, 192, 192]."""
    scores = []
    with torch.no_grad():
        for start in range(0, len(views), 16):
            batch = torch.from_numpy(views[start : start + 16]).to(device)
            found, target = net(batch[:, :1]) > 0, batch[:, 1:] > 0.5
            overlap = (found & target).sum((1, 2, 3))
            scores.append(2 * overlap / (found.sum((1, 2, 3)) + target.sum((1, 2, 3))))
    return float(torch.cat(scores).mean())


def train(trainer: HeadTrainer, validation: np.ndarray, work: Path) -> None:
    """Run to the last step; ten times on the way validate and save."""

    def check() -> dict[str, float]:
        return {"dice": mean_dice(trainer.ema, validation, trainer.device)}

    steps = trainer.config.steps
    run(trainer, steps, work, check, ranks=trainer.ranks, log_every=max(1, steps // 10))


def main() -> None:
    """Train the network that finds the fetal head."""
    parser = argparse.ArgumentParser(description=main.__doc__, fromfile_prefix_chars="@")
    add_data_option(parser)
    parser.add_argument("--work", type=Path, default=Path("runs/head_seg"), help="run's folder")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="CPU threads; all where not given")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    ranks, device = start_ranks()
    with ranks.first_alone():
        examples, held_out = (
            prepared_examples(options.data, part, options.work) for part in ("train", "validation")
        )
    config = HeadConfig(options.steps, options.batch, seed=options.seed)
    trainer = HeadTrainer(config, examples, device, ranks)
    checkpoint = options.work / "checkpoint.pt"
    if checkpoint.exists():
        trainer.load(load_checkpoint(checkpoint))
    if ranks.first:
        record = run_record(options.seed, ranks.count)
        append_record(options.work / "run.json", record, trainer.step)
    train(trainer, validation_views(held_out), options.work)


if __name__ == "__main__":
    main()
