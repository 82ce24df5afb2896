"""The methods on simulated heads whose MRI is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from skimage.morphology import convex_hull_image

from benchmarks.fetal.pictures import Head, Pictures, made_by
from training.data.brain_slices import FRAME
from training.export.brain_measures import image_measures, tissue_measures
from training.simulation.brain_pairs import Pairs
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.skull import skull_around

ULTRASOUND = "ultrasound itself"


def simulated_heads(pairs: Pairs) -> list[Head]:
    """Simulated ultrasound as images whose outline is that of a skull around the brain."""
    heads = []
    for number, (us, size) in enumerate(zip(pairs.us.astype(np.float32), pairs.size_mm)):
        assert FRAME.long_axis_pixels is not None
        pixel = float(size) / FRAME.long_axis_pixels
        # What gives no echo is as black as what lies outside.
        brain = Ellipse.from_mask(convex_hull_image(us > -1), (pixel, pixel))
        outline = skull_around(brain)
        heads.append(Head(f"simulated {number}", (us + 1) * 127.5, (pixel, pixel), outline))
    return heads


def measure(methods: Sequence[str], pairs: Pairs) -> dict[str, dict[str, Any]]:
    """What each method, and the ultrasound itself, reach on pairs."""
    heads = simulated_heads(pairs)
    # On the pairs' own grid, where their MRI lies: the outline that was found errs, as in a user's
    # hands, and its frame with it.
    seen = Pictures(np.stack([head.pixels for head in heads]), None)
    made = {ULTRASOUND: seen, **{m: made_by(m, heads, framed=False) for m in methods}}
    return {name: _measures(pictures, pairs) for name, pictures in made.items()}


def _measures(pictures: Pictures, pairs: Pairs) -> dict[str, Any]:
    found = image_measures(pictures.images / 127.5 - 1, pairs)
    if pictures.tissues is None:
        return found
    return {**found, **tissue_measures(pictures.tissues, pairs)}
