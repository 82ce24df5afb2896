"""Train the network that finds the fetal head.

It learns heads from the annotated ellipses of HC18 and from brain images of FETAL_PLANES_DB whose
head is agreed upon (:mod:`training.data.agreed_heads`), and what is none from the latter's other
planes. ``python -m training.train.head_seg --steps 4000``; the same command again goes on from the
last checkpoint. ``training.export.head_seg`` makes the bundle of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from torch import nn

from training.data.agreed_heads import read_agreed_heads
from training.data.fetal_planes import read_planes
from training.data.hc18 import read_hc18
from training.train.checkpoint import step_generator
from training.train.command import go_on, prepare, training_parser
from training.train.earlier import add_start_option, earlier_weights
from training.train.head_appearance import Appearance, without_head
from training.train.head_views import Crop, HeadExamples, View
from training.train.loop import CHECKPOINT, rate, run
from training.train.moving_average import move_average
from training.train.parallel import ALONE, Ranks, start_ranks
from training.train.precision import mixed_precision
from training.train.trainer import Trainer
from USToMRILib import Volume
from USToMRILib.fetal.ellipse import Ellipse

# How often the network is shown another plane of a fetus, an image without head made of one with,
# and a head cut out on black.
OTHER_PLANE, NO_HEAD, CUT_OUT = 0.2, 0.1, 0.08

# Most heads that are looked at on the way.
VALIDATED = 30


@dataclass(frozen=True)
class HeadConfig:
    """What decides the weights, next to data, number of steps and what they begin with."""

    batch: int = 8
    learning_rate: float = 1e-3
    warmup: int = 50
    ema: float = 0.995
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
        steps: its last one.
        cooldown: over how many steps before it the learning rate goes down.
        examples: to draw views of.
        device: where to train.
        ranks: the processes that train together.
    """

    def __init__(
        self,
        config: HeadConfig,
        steps: int,
        cooldown: int,
        examples: HeadExamples,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device = config, device
        self.steps, self.cooldown, self.ranks = steps, cooldown, ranks
        self.net = head_net().to(device)
        self.ema = head_net().to(device).requires_grad_(False).eval()
        self.ema.load_state_dict(self.net.state_dict())
        self.optimiser = torch.optim.AdamW(self.net.parameters(), config.learning_rate)
        self.loss = DiceCELoss(sigmoid=True)
        self.examples = examples
        self.chances = chances_of(examples.circumferences_mm)
        self.appearance = Appearance()

    def start_from(self, weights: dict[str, torch.Tensor]) -> None:
        """Begin with earlier weights, of a run or of a bundle."""
        weights = {name.removeprefix("net."): values for name, values in weights.items()}
        for net in (self.net, self.ema):
            net.load_state_dict(weights)

    def train_step(self) -> dict[str, float]:
        """One optimiser step; the loss."""
        generator = step_generator(self.config.seed, self.step, self.ranks.rank)
        batch = self._batch(generator).to(self.device)
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * rate(
                self.step, self.steps, self.config.warmup, self.cooldown
            )
        with mixed_precision(self.device):
            logits = self.net(batch[:, :1])
        loss = self.loss(logits.float(), batch[:, 1:])
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.ranks.average_gradients(self.net)
        self.ranks.average_buffers(self.net)
        self.optimiser.step()
        self.step += 1
        move_average(self.ema, self.net, self.step, self.config.ema)
        return {"loss": float(loss.detach())}

    def _batch(self, generator: torch.Generator) -> torch.Tensor:
        picks = torch.multinomial(self.chances, self.config.batch, True, generator=generator)
        self.appearance.seed(_draw(2**31, generator))
        return torch.stack([self._example(int(i), generator) for i in picks])

    def _example(self, index: int, generator: torch.Generator) -> torch.Tensor:
        rng = np.random.default_rng(_draw(2**31, generator))
        chance = float(torch.rand((), generator=generator))
        if chance < OTHER_PLANE:
            other = self.examples.others[rng.integers(len(self.examples.others))]
            image, target = View.anywhere(rng).show(other, None)
            return torch.cat([self.appearance(image, generator), target])
        ellipse, pixels = self.examples.ellipses[index], self.examples.pixels[index]
        crop = Crop.random(ellipse, rng)
        image, target = View.random(ellipse, crop, rng).show(crop.applied(pixels), ellipse)
        image = self.appearance(image, generator)
        if chance < OTHER_PLANE + NO_HEAD:
            image, target = without_head(image, target, generator), torch.zeros_like(target)
        elif chance < OTHER_PLANE + NO_HEAD + CUT_OUT:
            image = torch.where(target > 0.5, image, torch.tensor(-1.0))
        return torch.cat([image, target])

    def parts(self) -> dict[str, Any]:
        """Network, moving average and optimiser."""
        return {"net": self.net, "ema": self.ema, "optimiser": self.optimiser}


def _draw(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (), generator=generator))


def chances_of(circumferences_mm: np.ndarray) -> torch.Tensor:
    """How often each image is shown: the oftener the fewer there are of its size.

    Heads of the third trimester are few in the data, dark on one side, and the hardest. Those of
    unknown size are shown as often as the others on average.
    """
    known = np.isfinite(circumferences_mm)
    near = np.abs(circumferences_mm[:, None] - circumferences_mm) < 20
    chances = 1 / np.sqrt(np.maximum(near.sum(1), 1))
    return torch.from_numpy(np.where(known, chances, chances[known].mean()))


def prepared_examples(data: Path, part: str, cache: Path) -> HeadExamples:
    """The examples of one part, kept in ``cache``."""
    path = cache / f"head_{part}.npz"
    if not path.exists():
        others = (image.volume for image in read_planes(data / "fetal_planes", part, brain=False))
        HeadExamples.of(_heads(data, part), others).save(path)
    return HeadExamples.load(path)


def _heads(data: Path, part: str) -> Iterator[tuple[Volume, Ellipse, float]]:
    for head in read_hc18(data / "hc18", part):
        yield head.volume, head.ellipse, head.circumference_mm
    for image, ellipse in read_agreed_heads(data / "fetal_planes", part):
        yield image.volume, ellipse, float("nan")


def validation_views(examples: HeadExamples) -> np.ndarray:
    """The library's two looks at some heads, float32 [2 N, 2, 192, 192] of image and target."""
    step = -(-len(examples.ellipses) // VALIDATED)
    views = [
        torch.cat(view.show(pixels, ellipse))
        for pixels, ellipse in zip(examples.pixels[::step], examples.ellipses[::step])
        for view in (View.whole(), View.close(ellipse))
    ]
    return torch.stack(views).numpy()


def wrong_area(net: nn.Module, others: np.ndarray, device: torch.device) -> float:
    """The part of images without head, [M, 384, 384], that the network calls head."""
    views = torch.stack([View.whole().show(pixels, None)[0] for pixels in others])
    with torch.no_grad():
        return float((net(views.to(device)) > 0).float().mean())


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


def train(trainer: HeadTrainer, held_out: HeadExamples, work: Path) -> None:
    """Run to the last step; ten times on the way validate and save."""
    views = validation_views(held_out)

    def check() -> dict[str, float]:
        net, device = trainer.ema, trainer.device
        wrong = wrong_area(net, held_out.others, device)
        return {"dice": mean_dice(net, views, device), "wrong_area": wrong}

    every = max(1, trainer.steps // 10)
    level = trainer.steps - trainer.cooldown
    run(
        trainer,
        trainer.steps,
        work,
        check,
        ranks=trainer.ranks,
        log_every=every,
        check_every=every,
        level_until=level,
    )


def main() -> None:
    """Train the network that finds the fetal head."""
    parser = training_parser(main.__doc__, Path("runs/head_seg"), steps=4000)
    parser.add_argument("--cooldown", type=int, default=1000, help="the last steps, ever smaller")
    parser.add_argument("--batch", type=int, default=8)
    add_start_option(parser)
    options = parser.parse_args()
    prepare(options)
    if options.threads:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(options.threads)
    work = options.work
    ranks, device = start_ranks()
    with ranks.first_alone():
        examples, held_out = (
            prepared_examples(options.data, part, work) for part in ("train", "validation")
        )
    config = HeadConfig(options.batch, seed=options.seed)
    trainer = HeadTrainer(config, options.steps, options.cooldown, examples, device, ranks)
    record = {}
    if options.start_from and not (work / CHECKPOINT).exists():
        weights, record["started_from"] = earlier_weights(options.start_from)
        trainer.start_from(weights)
    go_on(trainer, work, ranks, record)
    train(trainer, held_out, work)


if __name__ == "__main__":
    main()
