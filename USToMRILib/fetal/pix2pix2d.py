"""Pix2Pix for slices: from ultrasound to MRI and tissues at once, learned from pairs.

An image is seen as it is and mirrored, four views in all, whose mean is the answer; the frames of
cines and live images, where time counts, as they are. The picture goes up to the brain's envelope.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable

from ..compute.bundle import load_bundle
from .envelope import up_to_envelope
from .frame_spec import FrameSpec
from .pipeline import Answer, FrameMethod, Frames
from .stack import axis_option
from .tissues import size_errors
from .volume_head.method import VolumeHeadMethod

if TYPE_CHECKING:
    import torch

    SliceNet = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]

BUNDLE = "pix2pix2d"

UNCERTAINTY = (
    "standard deviation of the pseudo-MRI over the image as it is, mirrored across the midline, "
    "mirrored back to front, and both: the spread of the network, not its error"
)
TISSUES = (
    "label map of the tissues that the network sees in the ultrasound, numbered as in the "
    "parcellation of Fidon et al. 2021; a network's opinion, not a measurement"
)

# In one pass; bounds the memory.
_AT_ONCE = 8


@dataclass(frozen=True)
class Pix2Pix2dOptions:
    """How "pix2pix2d" translates."""

    axis: str = axis_option()


def load(options: Pix2Pix2dOptions, device: str) -> VolumeHeadMethod:
    """The network on ``device``, ready to translate.

    Raises:
        InputError: if the bundle cannot be used.
    """
    bundle = load_bundle(BUNDLE, device)

    def look(frames: Frames, phase: str = "anatomy") -> Answer:
        with frames.progress.phase(phase):
            return one_pass(bundle.net, frames.images, frames.sizes, device)

    def look_from_all_sides(frames: Frames) -> Answer:
        with frames.progress.phase("generate"):
            views = all_views(bundle.net, frames.images, frames.sizes, device)
        wanted = "uncertainty" in frames.wanted
        return replace(views.mean, maps={"uncertainty": views.spread} if wanted else {})

    def translate(frames: Frames) -> Answer:
        if frames.in_time and "uncertainty" not in frames.wanted:
            return up_to_envelope(look(frames, "generate"))
        return look_from_all_sides(frames)

    slices = FrameMethod(
        FrameSpec.from_metadata(bundle.metadata),
        translate,
        {bundle.name: bundle.sha256},
        bundle.cautions,
        axis=options.axis,
        size_errors=size_errors(bundle.metadata),
    )
    return VolumeHeadMethod(slices, look_from_all_sides, look)


def one_pass(net: SliceNet, images: torch.Tensor, sizes: torch.Tensor, device: str) -> Answer:
    """Pseudo-MRI and tissues of frames.

    Args:
        net: maps images and sizes to pseudo-MRI and logits of the tissues.
        images: float32 [n, 1, 128, 128] in [-1, 1].
        sizes: of the brains in mm, float32 [n].
        device: of the network.
    """
    import torch

    made, tissues = [], []
    for part in range(0, len(images), _AT_ONCE):
        of = slice(part, part + _AT_ONCE)
        with torch.no_grad():
            mri, logits = net(images[of].to(device), sizes[of].to(device))
        made.append(mri.clamp(-1, 1).cpu())
        tissues.append(logits.softmax(dim=1).cpu())
    return Answer(torch.cat(made), tissues=torch.cat(tissues))


@dataclass(frozen=True)
class Views:
    """What the network makes of frames as they are, mirrored either way, and both; turned back.

    A mirrored brain is as good a brain: what changes with it is the network's own doubt.

    Attributes:
        images: float32 [4, n, 1, 128, 128].
        tissues: probability of each label [4, n, labels, 128, 128].
    """

    images: torch.Tensor
    tissues: torch.Tensor

    @property
    def mean(self) -> Answer:
        """The mean, up to the brains' envelopes: nearer to the truth than any of them."""
        return up_to_envelope(self._mean)

    @property
    def spread(self) -> torch.Tensor:
        """Standard deviation of the images, float32 [n, 1, 128, 128]."""
        return self.images.std(dim=0)

    def typical(self, rank: int) -> Answer:
        """The view that is so near to the mean, the nearest first: crisp where the mean is soft.

        One view for all frames, so that neighbours stay alike; up to the envelopes of the mean.

        Args:
            rank: from 0; after the last view comes the first again.
        """
        away = (self.images - self.images.mean(dim=0)).square().flatten(1).mean(dim=1)
        view = int(away.argsort()[rank % len(away)])
        return up_to_envelope(Answer(self.images[view], tissues=self.tissues[view]), self._mean)

    @property
    def _mean(self) -> Answer:
        return Answer(self.images.mean(dim=0), tissues=self.tissues.mean(dim=0))


def all_views(net: SliceNet, images: torch.Tensor, sizes: torch.Tensor, device: str) -> Views:
    """What the network makes of frames from four sides; arguments as of :func:`one_pass`."""
    import torch

    flips = [[], [2], [3], [2, 3]]
    views = torch.cat([images.flip(axes) for axes in flips])
    answer = one_pass(net, views, sizes.repeat(len(flips)), device)
    assert answer.tissues is not None

    def back(of_views: torch.Tensor) -> torch.Tensor:
        return torch.stack([x.flip(axes) for x, axes in zip(of_views.chunk(len(flips)), flips)])

    return Views(back(answer.images), back(answer.tissues))
