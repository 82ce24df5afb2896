"""How far simulated intra-operative ultrasound is from three real slices of ReMIND.

``python -m training.simulation.adult_realism --out FOLDER`` writes ``adult_realism.json`` and
``adult_realism.png``. Three slices do not tell how real ultrasound varies: what can be said is
which of its features lie outside of what is simulated.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from scipy import ndimage
from tqdm import tqdm

from training.data.location import add_data_option
from training.data.splits import read_split
from training.runinfo import run_record
from training.simulation.adult_anatomy import Head, MriPriors, read_head
from training.simulation.adult_domain import NARROW, WIDE, Domain
from training.simulation.adult_lesions import LESION_PROBABILITY
from training.simulation.adult_pairs import make_case
from training.simulation.fetal_realism import texture_inside
from USToMRILib.pix2pix.cone import ultrasound_cone

# The slices' voxels are not known: every cone is brought to this area, in pixels.
_CONE_SIDE = 90.0
_EDGE = 3
_DARK, _BRIGHT = 0.04, 0.6
_THIN = 9
_SHOWN = 6


def read_slices(data: Path) -> list[np.ndarray]:
    """Read ReMIND's ultrasound slices under the data folder, [j, i] in 0..1, probe at the top."""
    files = sorted((data / "remind_slices").glob("*_ius.png"))
    return [np.array(Image.open(file)).T / np.float32(255) for file in files]


def simulate_slices(
    heads: Sequence[Head], priors: MriPriors, domain: Domain, per_head: int
) -> list[np.ndarray]:
    """Simulate slices of a domain, the middle ones of thin sweeps, as :func:`read_slices`."""
    thin = replace(domain, probes=tuple(map(_thin, domain.probes)))
    slices = []
    for number in tqdm(range(len(heads) * per_head), desc=domain.name, unit="slice"):
        head = heads[number % len(heads)]
        shape = (_THIN, 128, 128)
        case = make_case(head, priors, number, shape, thin, LESION_PROBABILITY)
        slices.append(case.pair.ultrasound[_THIN // 2] / np.float32(255))
    return slices


def _thin(probe: Any) -> Any:
    """A probe's ranges with a sweep of some millimetres, which costs less."""
    return replace(probe, half_sweep_deg=tuple(x / 8 for x in probe.half_sweep_deg))


def features(image: np.ndarray) -> dict[str, float]:
    """Texture of a slice [j, i] in 0..1 inside its cone, and the shares of dark and bright."""
    cone = ultrasound_cone(image[None])[0]
    factor = _CONE_SIDE / max(1.0, np.sqrt(cone.sum()))
    smooth = ndimage.gaussian_filter(image, 0.5 * np.sqrt(max(0.0, factor**-2 - 1)))
    scaled = np.clip(ndimage.zoom(smooth, factor, order=1), 0, 1)
    inside = ndimage.zoom(cone.astype(np.float32), factor, order=1) > 0.5
    inside = ndimage.binary_erosion(inside, iterations=_EDGE)
    dark, bright = (float(share[inside].mean()) for share in (scaled < _DARK, scaled > _BRIGHT))
    return {"dark": dark, "bright": bright, **texture_inside(scaled, inside)}


def compare(real: Sequence[np.ndarray], simulated: Sequence[np.ndarray]) -> dict[str, Any]:
    """Say of each feature where the real slices lie among the simulated ones.

    Returns:
        ``features``: by name, mean and standard deviation of the simulated, the ``real`` values,
        and how many standard deviations their mean lies ``away``; ``covered``: the share of the
        real values between the least and the greatest simulated one; ``away_median``.
    """
    ours, theirs = ([features(image) for image in images] for images in (simulated, real))
    rows, covered = {}, []
    for name in ours[0]:
        a, b = (np.array([row[name] for row in found]) for found in (ours, theirs))
        covered += ((b >= a.min()) & (b <= a.max())).tolist()
        rows[name] = {
            "simulated_mean": round(float(a.mean()), 4),
            "simulated_sd": round(float(a.std()), 4),
            "real": np.round(b, 4).tolist(),
            "away": round(float(abs(b.mean() - a.mean()) / max(a.std(), 1e-9)), 2),
        }
    return {
        "features": rows,
        "covered": round(float(np.mean(covered)), 3),
        "away_median": round(float(np.median([row["away"] for row in rows.values()])), 2),
    }


def picture(rows: dict[str, Sequence[np.ndarray]], path: Path) -> None:
    """Draw a row of slices for each name."""
    figure = Figure(figsize=(2 * _SHOWN, 2.1 * len(rows)), facecolor="black")
    axes = figure.subplots(len(rows), _SHOWN, squeeze=False)
    for places, (name, images) in zip(axes, rows.items()):
        places[0].set_title(name, color="white", fontsize=9, loc="left")
        for axis, image in zip(places, images):
            axis.imshow(image, "gray", vmin=0, vmax=1)
    for axis in axes.flat:
        axis.axis("off")
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=70)


def main() -> None:
    """Measure how far simulated intra-operative ultrasound is from real slices."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for JSON and PNG")
    parser.add_argument("--heads", type=int, default=2, help="of the training part")
    parser.add_argument("--per-head", type=int, default=8, help="slices of each domain")
    options = parser.parse_args()
    real = read_slices(options.data)
    if not real:
        parser.error(f"{options.data} has no remind_slices/*_ius.png")
    options.out.mkdir(parents=True, exist_ok=True)
    names = read_split("adult")["train"][: options.heads]
    heads = [read_head(options.data, name) for name in names]
    priors = MriPriors.of("T1", options.data)
    simulated = {
        domain.name: simulate_slices(heads, priors, domain, options.per_head)
        for domain in (NARROW, WIDE)
    }
    found = {name: compare(real, images) for name, images in simulated.items()}
    record = {**run_record(0), "real_slices": len(real), **found}
    text = json.dumps(record, indent=2) + "\n"
    (options.out / "adult_realism.json").write_text(text, encoding="utf-8")
    picture({"real": real, **simulated}, options.out / "adult_realism.png")
    print(json.dumps({n: {k: f[k] for k in ("covered", "away_median")} for n, f in found.items()}))


if __name__ == "__main__":
    main()
