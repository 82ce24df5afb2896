"""How often the midline is found, in heads as they are and stretched to rounder ones.

``python -m training.export.midline_measures`` measures on annotated heads of HC18 that nothing was
chosen on. Their midline is taken to be the long axis as annotated, which it nearly is in long
heads; stretched across it, a head has the same midline in a round outline.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import Any

import numpy as np

from training.data.hc18 import HeadImage, read_hc18
from training.data.location import add_data_option
from USToMRILib.fetal.ellipse import Ellipse, axis_angle
from USToMRILib.fetal.frame import HeadFrame
from USToMRILib.fetal.frame_spec import HEAD, FrameSpec
from USToMRILib.fetal.midline import with_midline
from USToMRILib.fetal.outline import ellipse_of, moments_of

# A midline within so many degrees is found.
NEAR_DEG = 12.0
# Cephalic indices to which heads are stretched; None leaves them as they are.
INDICES = (None, 0.87, 0.95)
# Relative deviation of the moments of an outline that was found, as the finder errs.
_ERROR = 0.035
_UPRIGHT = FrameSpec(HEAD, (400, 400), long_axis_pixels=300)


def stretched(
    head: HeadImage, index: float | None, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[float, float], Ellipse]:
    """An annotated head with the midline level, stretched across it to a cephalic index.

    Returns:
        Pixels [rows, columns]; their size (x, y) in mm; an outline that errs a little.
    """
    spacing = (head.pixel_size_mm,) * 2
    frame = HeadFrame.around(head.ellipse, head.pixels.shape, spacing, _UPRIGHT)
    long, short = head.ellipse.semi_axes
    factor = 1.0 if index is None else index * long / short
    size = (frame.pixel_mm, frame.pixel_mm * factor)
    rows, columns = _UPRIGHT.shape
    centre = ((columns - 1) / 2 * size[0], (rows - 1) / 2 * size[1])
    moments = np.array(moments_of(Ellipse(centre, (long, min(long, short * factor)), 0.0)))
    scale = np.array([0, 0, 2 * long**2, long * short * factor, 2 * (short * factor) ** 2])
    outline = ellipse_of(moments + scale * np.append([0, 0], rng.normal(0, _ERROR, 3)), 0.0)
    return frame.to_frame(head.pixels), size, outline


def measure(heads: list[HeadImage], index: float | None) -> dict[str, Any]:
    """Share of heads whose midline is found by the falx, and by the long axis alone."""
    rng = np.random.default_rng(0)
    found, axis = [], []
    for head in heads:
        pixels, size, outline = stretched(head, index, rng)
        found.append(abs(axis_angle(with_midline(outline, pixels, size).midline_angle)))
        axis.append(abs(axis_angle(replace(outline, midline=0.0).midline_angle)))
    near = np.radians(NEAR_DEG)
    return {
        "heads": len(heads),
        "found": round(float(np.mean(np.array(found) < near)), 3),
        "long_axis_alone": round(float(np.mean(np.array(axis) < near)), 3),
    }


def main() -> None:
    """Measure how often the midline of a head is found."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    options = parser.parse_args()
    root = options.data / "hc18"
    heads = [head for part in ("validation", "test") for head in read_hc18(root, part)]
    kinds = {"as they are" if i is None else f"index {i}": measure(heads, i) for i in INDICES}
    print(json.dumps({f"within {NEAR_DEG:g} degrees": kinds}, indent=2))


if __name__ == "__main__":
    main()
