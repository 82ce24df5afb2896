"""DDIC with the right contrast: the one-pass picture, drawn anew by the diffusion model of MRI.

The network for slices sees an image from four sides (:class:`.pix2pix2d.Views`). The first sample
begins with the mean of these views, which is the steadiest; further ones with one view each, the
most typical first, so that their spread holds what the network is in doubt of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..bridge.refinement import refine
from ..bridge.schedule import Schedule
from ..compute.bundle import Bundle, load_bundle
from ..options import option
from ..progress import Progress
from . import pix2pix2d
from .frame_spec import common_frame
from .pipeline import Answer, FrameMethod, Frames
from .stack import axis_option
from .tissues import size_errors

if TYPE_CHECKING:
    import torch

MRI_BUNDLE = "fetal_brain_mri_eps"

UNCERTAINTY = (
    "standard deviation of the pseudo-MRI over the samples: where the ultrasound leaves open what "
    "the MRI would show, as far as the networks know; not their error"
)
# Steps down from there, and the pull at each of them towards the picture of one pass.
STEPS, PULL = 12, 0.1
# Fewer say nothing about their spread.
_LEAST_FOR_SPREAD = 4
_AT_ONCE = 8


@dataclass(frozen=True)
class GuidedOptions:
    """How "ddic-guided" draws; its defaults are those of `python -m benchmarks.fetal.guided`."""

    samples: int = option(
        1,
        "to draw; of several the picture is their mean, and each is written beside it",
        least=1,
        most=64,
    )
    seed: int = option(0, "of what is drawn; another seed, another sample", least=0)
    start: int = option(
        150,
        "noise level from which the picture is drawn anew; the higher, the more is the model's",
        least=20,
        most=900,
    )
    axis: str = axis_option()


def load(options: GuidedOptions, device: str) -> FrameMethod:
    """Both networks on ``device``, ready to translate.

    Raises:
        InputError: if a bundle cannot be used, or the two do not fit each other.
    """
    first, model = load_bundle(pix2pix2d.BUNDLE, device), load_bundle(MRI_BUNDLE, device)
    frame = common_frame(first, model)

    def translate(frames: Frames) -> Answer:
        import torch

        with frames.progress.phase("generate"):
            views = pix2pix2d.all_views(first.net, frames.images, frames.sizes, device)
        wanted = "uncertainty" in frames.wanted
        count = max(options.samples, _LEAST_FOR_SPREAD if wanted else 1)
        samples, tissues = [], []
        with frames.progress.within("samples", count * STEPS) as inner:
            for number in range(count):
                # One noise for all slices, so that neighbours are drawn alike.
                generator = torch.Generator().manual_seed(options.seed * 1_000_003 + number)
                noise = torch.randn((1, *frames.images.shape[1:]), generator=generator)
                guess = views.typical(number - 1) if number else views.mean
                assert guess.tissues is not None
                drawn = drawn_anew(model, guess.images, frames.sizes, noise, options, device, inner)
                samples.append(drawn.masked_fill(guess.tissues[:, :1] > 0.5, -1))
                tissues.append(guess.tissues)
        several = torch.stack(samples)
        maps = {"uncertainty": several.std(dim=0)} if wanted else {}
        kept = samples[: options.samples]
        return Answer(
            torch.stack(kept).mean(dim=0),
            maps,
            torch.stack(tissues[: options.samples]).mean(dim=0),
            tuple(kept) if len(kept) > 1 else (),
        )

    return FrameMethod(
        frame,
        translate,
        {bundle.name: bundle.sha256 for bundle in (first, model)},
        (*first.cautions, *model.cautions),
        axis=options.axis,
        size_errors=size_errors(first.metadata),
    )


def drawn_anew(
    model: Bundle,
    images: torch.Tensor,
    sizes: torch.Tensor,
    noise: torch.Tensor,
    options: GuidedOptions,
    device: str,
    progress: Progress,
    pull: float = PULL,
) -> torch.Tensor:
    """Frames refined by a diffusion model, on the CPU.

    Args:
        model: eps-network that is conditioned on sizes.
        images: float32 [n, 1, 128, 128] in [-1, 1].
        sizes: of the brains in mm, float32 [n].
        noise: [1, 1, 128, 128].
        options: how.
        device: of the model.
        progress: looked at in every step.
        pull: towards the images, see :func:`.refine`.
    """
    import torch

    schedule = Schedule.from_metadata(model.metadata)
    how = schedule, options.start, STEPS, pull, noise.to(device), progress
    drawn = []
    for part, size in zip(images.split(_AT_ONCE), sizes.to(device).split(_AT_ONCE)):

        def net(x: torch.Tensor, t: torch.Tensor, size: torch.Tensor = size) -> torch.Tensor:
            answer: torch.Tensor = model.net(x, t, size)
            return answer

        drawn.append(refine(part.to(device), net, *how).clamp(-1, 1).cpu())
    return torch.cat(drawn)
