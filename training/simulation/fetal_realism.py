"""How far simulated fetal ultrasound is from real: side by side, in texture, and to a classifier.

``python -m training.simulation.fetal_realism --out FOLDER`` writes ``realism.json`` and
``realism.png``. Real images are those of HC18's validation part, simulated ones are made of the
fetal MRI volumes of the training part, as :mod:`training.simulation.brain_pairs` does it for
training; both in the head-scaled frame.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import ndimage
from skimage.feature import graycomatrix, graycoprops
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from training.data.brain_slices import atlas_slices, hc18_brains
from training.data.location import add_data_option
from training.data.splits import read_split
from training.runinfo import run_record
from training.simulation.brain_pairs import draw_pairs
from USToMRILib.fetal.frame import BACKGROUND

GREY_LEVELS = 16
BOX_SIZES = (3, 7, 13)
_EDGE = 4  # pixels inside the outline, where what is left of the skull ends
_FOLDS = 5


def texture(image: np.ndarray) -> dict[str, float]:
    """Texture of a prepared slice, float32 [128, 128] in [-1, 1], inside the skull."""
    head = ndimage.binary_fill_holes(image > BACKGROUND)
    return texture_inside((image + 1) / 2, ndimage.binary_erosion(head, iterations=_EDGE))


def texture_inside(image: np.ndarray, inside: np.ndarray) -> dict[str, float]:
    """Texture of an ultrasound slice where it counts.

    Args:
        image: [j, i] in 0..1, the probe at the top.
        inside: bool [j, i].

    Returns:
        ``tone_*``: percentiles, 0 .. 1. ``speckle_snr``: mean over standard deviation in boxes of
        5x5, median. ``width_along``, ``width_across``: lag in pixels at which the
        autocorrelation of the detail along columns and rows falls to one half. ``glcm_*``:
        Haralick's features of neighbours, 16 grey levels, mean over four directions.
        ``lacunarity_*``: E[m^2] / E[m]^2 of the mass in boxes of 3, 7 and 13 pixels (Plotnick et
        al. 1996).
    """
    grey = image.astype(np.float64)
    tones = dict(
        zip(("05", "25", "50", "75", "95"), np.percentile(grey[inside], (5, 25, 50, 75, 95)))
    )
    mean = ndimage.uniform_filter(grey, 5)
    deviation = np.sqrt(np.maximum(ndimage.uniform_filter(grey**2, 5) - mean**2, 1e-8))
    detail = np.where(inside, grey - ndimage.gaussian_filter(grey, 3), 0)
    features = {
        **{f"tone_{name}": value for name, value in tones.items()},
        "speckle_snr": np.median((mean / deviation)[inside]),
        "width_along": _half_width(detail, axis=0),
        "width_across": _half_width(detail, axis=1),
        **_neighbours(grey, inside),
    }
    for size in BOX_SIZES:
        mass = ndimage.uniform_filter(grey, size)[inside]
        features[f"lacunarity_{size}"] = (mass**2).mean() / mass.mean() ** 2
    return {name: float(value) for name, value in features.items()}


def _half_width(detail: np.ndarray, axis: int, reach: int = 10) -> float:
    """The lag at which the autocorrelation falls to one half, between pixels by a line."""
    power = (detail**2).sum()
    lags = [(detail * np.roll(detail, lag, axis)).sum() / max(power, 1e-12) for lag in range(reach)]
    below = next((lag for lag, value in enumerate(lags) if value < 0.5), reach - 1)
    before, after = lags[below - 1], lags[below]
    return below - 1 + (before - 0.5) / max(before - after, 1e-6)


def _neighbours(grey: np.ndarray, inside: np.ndarray) -> dict[str, float]:
    """Haralick's features of pixel pairs inside: what is outside is a level of its own, dropped."""
    levels = np.where(inside, 1 + (grey * (GREY_LEVELS - 1)).round(), 0).astype(np.uint8)
    angles = np.pi / 4 * np.arange(4)
    counts = graycomatrix(levels, [1], angles, GREY_LEVELS + 1, symmetric=True)[1:, 1:]
    shares = counts / counts.sum((0, 1))
    names = ("contrast", "homogeneity", "energy", "correlation")
    return {f"glcm_{name}": float(graycoprops(shares, name).mean()) for name in names}


def told_apart(
    first: list[dict[str, float]], second: list[dict[str, float]], groups: list[str]
) -> float:
    """Area under the ROC curve of a classifier that tells two sets of images apart.

    Logistic regression on the texture, predicted for subjects that it was not fitted to: 0.5
    where they cannot be told apart, 1 where every image can.

    Args:
        first, second: texture of each image.
        groups: the subjects of the first, then of the second.
    """
    table = np.array([list(row.values()) for row in (*first, *second)])
    truth = np.repeat([0, 1], [len(first), len(second)])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    guess = cross_val_predict(model, table, truth, groups=groups, cv=folds, method="predict_proba")
    return float(roc_auc_score(truth, guess[:, 1]))


def compare(
    real: list[np.ndarray], simulated: list[np.ndarray], subjects: tuple[list[str], list[str]]
) -> dict[str, Any]:
    """Texture of both sets, how far it lies apart, and how well they are told apart.

    Args:
        real, simulated: prepared slices.
        subjects: of each image of both.
    """
    textures = [[texture(image) for image in images] for images in (real, simulated)]
    names = list(textures[0][0])
    rows = {}
    for name in names:
        a, b = (np.array([row[name] for row in rows]) for rows in textures)
        pooled = np.sqrt((a.var() + b.var()) / 2)
        rows[name] = {
            "real_mean": round(float(a.mean()), 4),
            "real_sd": round(float(a.std()), 4),
            "simulated_mean": round(float(b.mean()), 4),
            "simulated_sd": round(float(b.std()), 4),
            "difference_in_sd": round(float((b.mean() - a.mean()) / max(pooled, 1e-9)), 2),
        }
    people = sorted(set(subjects[0]))
    half = set(people[::2])
    halves = [
        [(t, s) for t, s in zip(textures[0], subjects[0]) if (s in half) == wanted]
        for wanted in (True, False)
    ]
    control = told_apart(
        [t for t, _ in halves[0]],
        [t for t, _ in halves[1]],
        [s for part in halves for _, s in part],
    )
    return {
        "texture": rows,
        "auc_real_or_simulated": round(
            told_apart(textures[0], textures[1], [*subjects[0], *subjects[1]]), 3
        ),
        "auc_real_or_real": round(control, 3),
    }


def picture(real: list[np.ndarray], simulated: list[np.ndarray], path: Path) -> None:
    """Draw rows of real (above) and simulated images, evenly spread over both."""
    columns, rows = 8, 2
    figure = Figure(figsize=(columns * 1.6, 2 * rows * 1.6 + 0.6), facecolor="black")
    axes = figure.subplots(2 * rows, columns)
    for part, images in enumerate((real, simulated)):
        shown = np.linspace(0, len(images) - 1, rows * columns).astype(int)
        for axis, index in zip(axes[part * rows : (part + 1) * rows].flat, shown):
            axis.imshow(images[index], "gray", vmin=-1, vmax=1)
        axes[part * rows, 0].set_title(
            ("real (HC18)", "simulated")[part], color="white", fontsize=9
        )
    for axis in axes.flat:
        axis.axis("off")
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=80)


def main() -> None:
    """Measure how far simulated fetal ultrasound is from real."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for JSON and PNG")
    parser.add_argument("--count", type=int, default=66, help="simulated images")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    heads = list(hc18_brains(options.data / "hc18", "validation"))
    real = [head.pixels for head in heads]
    subjects = read_split("fetal_mri")["train"]
    rng = np.random.default_rng(options.seed)
    planes = -(-options.count // len(subjects))
    brains = list(atlas_slices(options.data / "fetal_mri", subjects, planes, rng))
    chosen = [brains[i] for i in rng.permutation(len(brains))[: options.count]]
    simulated = [
        draw_pairs([brain], 1, rng).us[0].astype(np.float32)
        for brain in tqdm(chosen, desc="simulate")
    ]
    groups = [h.name.split("_")[0] for h in heads], [brain.subject for brain in chosen]
    record = {
        **run_record(options.seed),
        "real_images": len(real),
        "simulated_images": len(simulated),
        **compare(real, simulated, groups),
    }
    (options.out / "realism.json").write_text(json.dumps(record, indent=2) + "\n")
    picture(real, simulated, options.out / "realism.png")
    print(json.dumps({name: record[name] for name in record if name.startswith("auc")}))


if __name__ == "__main__":
    main()
