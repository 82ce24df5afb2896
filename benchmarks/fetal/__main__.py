"""The methods for fetal heads side by side.

``python -m benchmarks.fetal`` writes ``benchmarks/fetal/README.md``, ``results.json`` and the
pictures beside them. A method whose bundles are not here is left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fetal import cerebella, page, real, truth
from benchmarks.fetal.pictures import Head, Pictures
from training.data.fetal_slices import contact_sheet
from training.data.location import add_data_option
from training.runinfo import run_record
from training.simulation.brain_pairs import held_out_pairs
from USToMRILib.compute.bundle import list_bundles, read_metadata
from USToMRILib.methods import METHODS

ORDER = ("pix2pix2d", "ddic-guided", "ddic", "ddib", "cyclegan")
HERE = Path(__file__).parent


def main() -> None:
    """Compare the methods for fetal heads on simulated truth and on real withheld heads."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--pairs", type=int, default=96, help="simulated pairs of each kind")
    parser.add_argument("--heads", type=int, default=57, help="real heads with marks")
    parser.add_argument("--output", type=Path, default=HERE)
    options = parser.parse_args()
    here = set(list_bundles())
    methods = [
        name for name in ORDER if name in METHODS and here.issuperset(METHODS[name].bundles_in_use)
    ]
    options.output.mkdir(parents=True, exist_ok=True)
    run = run_record(seed=0)
    results: dict[str, Any] = {
        "run": {**run, "command": run["command"].replace(".__main__", "")},
        "bundles": {
            bundle: read_metadata(bundle)["sha256"]
            for name in methods
            for bundle in METHODS[name].bundles_in_use
        },
        "truth": {
            kind: truth.measure(methods, pairs)
            for kind, pairs in held_out_pairs(options.data, options.pairs).items()
        },
        "real": on_real_heads(methods, options.data, options.heads, options.output),
    }
    text = json.dumps(results, indent=1)
    (options.output / "results.json").write_text(text + "\n", encoding="utf-8")
    (options.output / "README.md").write_text(page.markdown(results), encoding="utf-8")


def on_real_heads(methods: Sequence[str], data: Path, count: int, output: Path) -> dict[str, Any]:
    """Everything that real heads say of the methods; draws the sheet of heads."""
    marks = real.read_marks()
    heads = chosen_heads(real.withheld_heads(data), marks, count)
    pictures = real.all_pictures(methods, heads)
    marked = [n for n, head in enumerate(heads) if head.name in marks]
    of_marked = {name: _only(made, marked) for name, made in pictures.items()}
    marked_heads = [heads[n] for n in marked]
    results: dict[str, Any] = {
        "heads": len(heads),
        "marked": len(marked),
        "repeatability": {m: real.repeatability(p, heads) for m, p in pictures.items()},
        "kernel_distance": real.kernel_distances(pictures, heads, data),
        "steadiness": {},
    }
    few = [heads[n] for n in np.linspace(0, len(heads) - 1, 8).round().astype(int)]
    for name in methods:
        plain = _only(pictures[name], [heads.index(head) for head in few])
        results["steadiness"][name] = real.steadiness(name, few, plain)
    known = {name: made for name, made in of_marked.items() if made.tissues is not None}
    results["plexus"] = {n: real.landmarks(p, marked_heads, marks) for n, p in known.items()}
    if known:
        tissues = next(iter(known.values())).tissues
        assert tissues is not None
        results["contrast"] = real.contrasts(of_marked, marked_heads, marks, tissues)
    results["steady_heads"] = len(few)
    results["cerebellum"] = cerebella.measure(methods, data, output / "cerebella.jpg")
    results["cerebellum_elsewhere"] = {n: cerebella.named_in(p) for n, p in known.items()}
    draw_sheet(heads, pictures, min(20, len(heads) // 10 * 10), output / "heads.jpg")
    best = {name: pictures[name] for name in (real.ULTRASOUND, *ORDER[:2]) if name in pictures}
    draw_sheet(heads, best, 6, output / "first.jpg", across=6)
    return results


def chosen_heads(heads: Sequence[Head], marks: dict[str, real.Marks], count: int) -> list[Head]:
    """Heads with marks, evenly over their sizes, and other images of the same fetuses."""
    marked = sorted((h for h in heads if h.name in marks), key=lambda h: h.frame.size_mm)
    places = np.linspace(0, len(marked) - 1, min(count, len(marked))).round().astype(int)
    chosen = [marked[n] for n in places]
    names = {head.name for head in chosen}
    fetuses = {name.split("_")[0] for name in names}
    others = [h for h in heads if h.name not in names and h.name.split("_")[0] in fetuses]
    return [*chosen, *others]


def _only(pictures: Pictures, numbers: Sequence[int]) -> Pictures:
    tissues = None if pictures.tissues is None else pictures.tissues[list(numbers)]
    return Pictures(pictures.images[list(numbers)], tissues)


def draw_sheet(
    heads: Sequence[Head], pictures: dict[str, Pictures], shown: int, path: Path, across: int = 10
) -> None:
    """Draw heads from the smallest to the largest, ten a row: a row of each set of pictures."""
    by_size = sorted(range(len(heads)), key=lambda n: heads[n].frame.size_mm)
    chosen = [by_size[i] for i in np.linspace(0, len(heads) - 1, shown).round().astype(int)]
    rows = [
        made.images[n]
        for start in range(0, len(chosen), across)
        for made in pictures.values()
        for n in chosen[start : start + across]
    ]
    contact_sheet([row[12:-12] / 127.5 - 1 for row in rows], path, across)


if __name__ == "__main__":
    main()
