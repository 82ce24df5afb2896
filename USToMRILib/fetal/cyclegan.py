"""The CycleGAN on fetal head frames: the unpaired baseline of the DDIC paper, one pass."""

from __future__ import annotations

from dataclasses import dataclass

from ..compute.bundle import load_bundle
from .frame_spec import FrameSpec
from .pipeline import Answer, FrameMethod, Frames
from .stack import axis_option

BUNDLE = "cyclegan_fetal"


@dataclass(frozen=True)
class CycleGanOptions:
    """How "cyclegan" translates."""

    axis: str = axis_option()


def load(options: CycleGanOptions, device: str) -> FrameMethod:
    """The generator from ultrasound to MRI, on ``device``.

    Raises:
        InputError: if the bundle cannot be used.
    """
    bundle = load_bundle(BUNDLE, device)

    def translate(frames: Frames) -> Answer:
        import torch

        with frames.progress.phase("generate"), torch.no_grad():
            return Answer(bundle.net(frames.images.to(device)).clamp(-1, 1).cpu())

    return FrameMethod(
        FrameSpec.from_metadata(bundle.metadata),
        translate,
        {bundle.name: bundle.sha256},
        bundle.cautions,
        axis=options.axis,
    )
