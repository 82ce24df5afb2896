"""The 3D generator: loaded, run on a window, and what windows it takes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..compute.bundle import Bundle, load_bundle
from ..compute.precision import has_matrix_unit

if TYPE_CHECKING:
    import torch

BUNDLE = "pix2pix3d"


def load_generator(device: str) -> Bundle:
    """The bundle, with its network as ``device`` runs it fastest.

    That is bfloat16 where there is hardware for it and the metadata say that the network can
    (`bfloat16`): several times as fast as float32, and on average a fraction of a grey level from
    it (`python -m benchmarks.volumes`).

    Raises:
        InputError: if the bundle cannot be used.
    """
    bundle = load_bundle(BUNDLE, device)
    if bundle.metadata.get("bfloat16") and has_matrix_unit(device_of(bundle.net)):
        return replace(bundle, net=_in_bfloat16(bundle.net))
    return bundle


@lru_cache(maxsize=2)
def _in_bfloat16(net: torch.nn.Module) -> torch.nn.Module:
    import torch

    reduced = copy.deepcopy(net).to(torch.bfloat16)
    return reduced.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]


def precision_of(bundle: Bundle) -> str:
    """What a bundle's network computes in, as torch names it: "float32" or "bfloat16"."""
    return str(dtype_of(bundle.net)).removeprefix("torch.")


def generate(ultrasound: np.ndarray, net: torch.nn.Module) -> np.ndarray:
    """Run the generator on one window, float32 [D, H, W] in [-1, 1]."""
    import torch

    with torch.no_grad():
        image = torch.from_numpy(np.ascontiguousarray(ultrasound))[None, None]
        return net(image.to(device_of(net), dtype_of(net)))[0, 0].float().cpu().numpy()


def device_of(net: torch.nn.Module) -> torch.device:
    """Where a network's weights are; the CPU if it has none."""
    import torch

    return next((p.device for p in net.parameters()), torch.device("cpu"))


def dtype_of(net: torch.nn.Module) -> torch.dtype:
    """What a network computes in: float32 or bfloat16."""
    import torch

    return next((p.dtype for p in net.parameters()), torch.float32)


def accepted_shape(shape: Sequence[int], bundle: Bundle) -> list[int]:
    """The shape that the generator is given for a volume (k, j, i).

    Slices are repeated up to the number in training, which the generator knows; in plane a size
    is only rounded up.
    """
    least = (bundle.metadata["window"][0], 1, 1)
    sizes = zip(shape, least, bundle.metadata["divisors"])
    return [-(-max(size, few) // by) * by for size, few, by in sizes]


def reach_and_divisors(bundle: Bundle) -> tuple[Sequence[int], Sequence[int]]:
    """What :func:`~.windows.plan_windows` needs to know of a generator, each (k, j, i)."""
    return bundle.metadata["receptive_field"]["reach"], bundle.metadata["divisors"]
