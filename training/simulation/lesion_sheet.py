"""A contact sheet of simulated lesions, to be looked at: each pair with its lesion, and without.

``python -m training.simulation.lesion_sheet --out lesions.png``
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from training.data.location import add_data_option
from training.data.pairs import Pair
from training.data.splits import read_split
from training.simulation.adult_anatomy import MriPriors, read_head
from training.simulation.adult_pairs import make_case

_PAIRS_A_ROW = 2
_TITLES = ("ultrasound", "MRI", "ultrasound without", "MRI without")


def pairs_with_and_without(data: Path, seeds: Sequence[int]) -> list[tuple[Pair, Pair]]:
    """Simulate pairs with a lesion, and the same heads and scans without it.

    Args:
        data: folder that holds `adult_labels`.
        seeds: of the pairs; each is of the next head of the training part.
    """
    priors = MriPriors.of("T1", data)
    names = read_split("adult")["train"]
    heads = (read_head(data, names[n % len(names)]) for n in range(len(seeds)))
    return [
        (
            make_case(head, priors, seed, lesion_probability=1.0).pair,
            make_case(head, priors, seed).pair,
        )
        for head, seed in zip(heads, tqdm(seeds, unit="lesion"))
    ]


def draw(pairs: Sequence[tuple[Pair, Pair]], path: Path) -> None:
    """Draw the slice of each pair in which the lesion changes the MRI most."""
    rows = -(-len(pairs) // _PAIRS_A_ROW)
    columns = _PAIRS_A_ROW * len(_TITLES)
    figure = Figure(figsize=(2 * columns, 2.1 * rows), facecolor="black")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for places, (ill, healthy) in zip(axes.reshape(-1, len(_TITLES)), pairs):
        changed = np.abs(ill.mri.astype(int) - healthy.mri) * ill.cone
        k = int(changed.sum(axis=(1, 2)).argmax())
        shown = (ill.ultrasound[k], ill.mri[k], healthy.ultrasound[k], healthy.mri[k])
        for axis, image, title in zip(places, shown, _TITLES):
            axis.imshow(image, "gray", vmin=0, vmax=255)
            axis.set_title(title, color="white", fontsize=7)
    figure.tight_layout(pad=0.2)
    figure.savefig(path, dpi=70)


def main() -> None:
    """Draw a contact sheet of simulated lesions."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--out", type=Path, required=True, help="PNG")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0, help="of the first; the others follow")
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.count)
    draw(pairs_with_and_without(options.data, seeds), options.out)


if __name__ == "__main__":
    main()
