"""How much "ddic-guided" should draw anew: noise level and pull, on volumes of the validation part.

``python -m benchmarks.fetal.guided`` writes ``benchmarks/fetal/guided.md``.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import torch

from benchmarks.markdown import table
from training.data.brain_slices import atlas_slices
from training.data.location import add_data_option
from training.data.splits import read_split
from training.export.brain_measures import image_measures
from training.runinfo import run_record
from training.simulation.brain_pairs import draw_pairs
from USToMRILib.compute.bundle import load_bundle
from USToMRILib.evaluation.distribution import kernel_from, offline_extractor
from USToMRILib.fetal import guided, pix2pix2d
from USToMRILib.fetal.envelope import up_to_envelope
from USToMRILib.progress import Progress

STARTS, PULLS = (150, 300, 450), (0.0, 0.1, 0.3)
NOTE = """
{pairs} simulated pairs of atlas volumes of the validation part; the ultrasound is simulated.
Correlation and SSIM (after the best linear tone) with the true MRI, inside the brain; kernel
distance, offline texture features, of the pictures from MRI slices of the same part: how much they
look like MRI. The higher the start, the more is drawn anew; the stronger the pull, the more is kept
of the mean of four mirrored passes. The default draws little anew, start 150 and pull 0.1: it loses
at most 0.02 of that mean's correlation for a texture nearer to MRI.
"""


def main() -> None:
    """Measure levels and pulls of the guided method."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--pairs", type=int, default=32)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    rng, root = np.random.default_rng(7), options.data / "fetal_mri"
    brains = list(atlas_slices(root, read_split("fetal_mri")["validation"], 16, rng))
    pairs = draw_pairs(brains, options.pairs, rng)
    features = offline_extractor().features
    distance = kernel_from(features(np.stack([(b.mri + 1) * 127.5 for b in brains])))
    first, model = (load_bundle(name) for name in (pix2pix2d.BUNDLE, guided.MRI_BUNDLE))
    images = torch.from_numpy(pairs.us.astype(np.float32))[:, None]
    sizes = torch.from_numpy(pairs.size_mm)
    guess = pix2pix2d.all_views(first.net, images, sizes, "cpu").mean
    assert guess.tissues is not None
    one = pix2pix2d.one_pass(first.net, images, sizes, "cpu")
    outside = guess.tissues[:, :1] > 0.5
    noise = torch.randn(1, 1, *images.shape[2:], generator=torch.Generator().manual_seed(0))

    def row(name: str, made: torch.Tensor) -> list[str]:
        shown = made.masked_fill(outside, -1)[:, 0].numpy()
        right = image_measures(shown, pairs)
        texture = distance(features((shown + 1) * 127.5))
        return [name, f"{right['correlation']:.3f}", f"{right['ssim']:.3f}", f"{texture:.2f}"]

    rows = [
        row("one pass", up_to_envelope(one).images),
        row("mean of mirrored views", guess.images),
    ]
    for start, pull in product(STARTS, PULLS):
        how = guided.GuidedOptions(start=start)
        drawn = guided.drawn_anew(
            model, guess.images, sizes, noise, how, "cpu", Progress(), pull=pull
        )
        rows.append(row(f"start {start}, pull {pull:g}", drawn))
    record = run_record(seed=7)
    parts = [
        "# How much the guided method draws anew",
        f"`{record['command']}` at commit `{record['commit'][:12]}`, {record['date']}. Weights: "
        f"{', '.join(f'{b.name} {b.sha256[:12]}' for b in (first, model))}.",
        NOTE.format(pairs=len(pairs)).strip(),
        table(["", "correlation", "SSIM", "kernel distance"], rows),
    ]
    options.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
