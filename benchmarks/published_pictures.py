"""The published algorithm's pictures of the heads, kept: some 150 seconds of a core each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.crossing import Candidate, cross
from USToMRILib.fetal.diffusion import DdibOptions, EpsPair


def published_pictures(
    images: torch.Tensor,
    pair: EpsPair,
    settings: DdibOptions,
    kept: Path,
    mine: Callable[[int], bool] = lambda number: True,
) -> Candidate | None:
    """Cross the bridge with every image, but for those whose pictures lie in ``kept``.

    Args:
        images: float32 [B, 1, 128, 128] in [-1, 1].
        pair, settings: of the bridge.
        kept: folder for one file an image, named after weights, settings and image.
        mine: whether the image of this number is to be made by this process, where several
            share the work.

    Returns:
        All pictures, or None where some are another process's and not there yet.
    """
    kept.mkdir(parents=True, exist_ok=True)
    paths = [kept / f"{_key(image, pair, settings)}.npz" for image in images]
    for number, (image, path) in enumerate(zip(images, paths)):
        if mine(number) and not path.exists():
            made = cross(image[None], pair, settings)
            partial = path.with_suffix(".partial.npz")
            picture = made.pictures.numpy()
            np.savez(partial, picture=picture, seconds=made.seconds, passes=made.passes)
            partial.replace(path)
    if not all(path.exists() for path in paths):
        return None
    files = [np.load(path) for path in paths]
    seconds, passes = (float(np.mean([f[name] for f in files])) for name in ("seconds", "passes"))
    pictures = torch.from_numpy(np.concatenate([file["picture"] for file in files]))
    return Candidate(settings, pictures, seconds, passes)


def _key(image: torch.Tensor, pair: EpsPair, settings: DdibOptions) -> str:
    about = f"{sorted(pair.bundles.items())} {settings} {pair.device} {torch.get_num_threads()}"
    return hashlib.sha256(about.encode() + image.numpy().tobytes()).hexdigest()[:24]
