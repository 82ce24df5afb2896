"""Whether the bundled 3D pix2pix keeps lesions, by kind, in simulated volumes of unseen heads.

``python -m training.export.lesion_measures`` measures the bundle that is installed, as the library
uses it, and puts the figures into its card and metadata. Its weights stay as they are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from tqdm import tqdm

from training.data.location import add_data_option
from training.data.splits import read_split
from training.export.bundle import CARD_FILE
from training.export.cards import replace_sections
from training.export.pix2pix3d import CAUTION
from training.export.pix2pix3d_metrics import translate_pairs
from training.runinfo import run_record
from training.simulation.adult_anatomy import MriPriors, read_head, tissues_named
from training.simulation.adult_domain import NARROW, WIDE, Domain
from training.simulation.adult_lesions import KINDS
from training.simulation.adult_pairs import Case, make_case
from USToMRILib.compute.bundle import METADATA_FILE, models_dir
from USToMRILib.pix2pix.generator import BUNDLE, load_generator

# By what they are called, the parts of lesions that are measured.
MEASURED: dict[str, tuple[str, ...]] = {
    "tumour, bright in ultrasound": ("glioma", "metastasis", "meningioma"),
    "tumour, dark": ("dark_tumour",),
    "tumour, mixed": ("mixed_tumour",),
    "oedema": ("oedema",),
    "cyst": ("cyst",),
    "resection cavity": ("cavity",),
    "blood": ("fresh_blood", "old_blood"),
}
DOMAINS = {domain.name: domain for domain in (NARROW, WIDE)}
_SHAPE = (64, 112, 112)
_SEED = 7000
# Voxels of a part, and of white matter around the lesion, without which it is not measured.
_LEAST = 300
_AROUND_MM = (2.0, 12.0)
# Of contrast and Dice, to be useful.
_USEFUL = 0.6


@dataclass(frozen=True)
class Kept:
    """What became of one part of one lesion.

    Attributes:
        name: of the part, in `LESION_TISSUES`.
        true: contrast in the MRI: mean inside less the mean around, of 0..255.
        made: the same in the pseudo-MRI.
        dice: of the part and what a threshold halfway between both means finds in the pseudo-MRI.
        true_dice: the same in the MRI: what a perfect pseudo-MRI would reach.
    """

    name: str
    true: float
    made: float
    dice: float
    true_dice: float


def kept_of(case: Case, image: np.ndarray) -> list[Kept]:
    """Measure every part of a case's lesion that is large enough.

    Args:
        case: simulated, with a lesion.
        image: the pseudo-MRI, float32 [k, j, i] in 0..255.
    """
    lesion, pair = case.lesion, case.pair
    if lesion is None:
        return []
    anywhere = np.any([weight > 0.02 for _, weight in lesion.parts], axis=0)
    away = ndimage.distance_transform_edt(~anywhere)
    around = tissues_named("white_matter")[lesion.tissue] & pair.cone & (away > _AROUND_MM[0])
    around &= away <= _AROUND_MM[1]
    found = []
    for name, weight in lesion.visible.items():
        inside = (weight > 0.5) & pair.cone
        if min(inside.sum(), around.sum()) < _LEAST:
            continue
        true = _contrast(pair.mri, inside, around)
        sign = np.sign(true)
        found.append(
            Kept(
                name,
                abs(true),
                sign * _contrast(image, inside, around),
                _dice(sign * image, inside, around),
                _dice(sign * pair.mri.astype(np.float32), inside, around),
            )
        )
    return found


def _contrast(image: np.ndarray, inside: np.ndarray, around: np.ndarray) -> float:
    """Mean inside less the mean around."""
    return float(image[inside].mean(dtype=np.float64) - image[around].mean(dtype=np.float64))


def _dice(image: np.ndarray, inside: np.ndarray, around: np.ndarray) -> float:
    """Dice of what is brighter than halfway between both means, where it is inside or around."""
    threshold = (image[inside].mean() + image[around].mean()) / 2
    marked = [np.count_nonzero(image[where] > threshold) for where in (inside, around)]
    return float(2 * marked[0] / (sum(marked) + np.count_nonzero(inside)))


def draw_cases(data: Path, per_kind: int, domain: Domain, contrast: str) -> Iterator[Case]:
    """Simulate lesions of every kind in the heads of the test part.

    Args:
        data: folder that holds `adult_labels`.
        per_kind: cases of each kind.
        domain: of the scans.
        contrast: of the MRI.
    """
    priors, names = MriPriors.of(contrast, data), read_split("adult")["test"]
    kinds = list(KINDS) * per_kind
    for place, name in enumerate(names):
        head = read_head(data, name)
        for number in range(place, len(kinds), len(names)):
            seed = _SEED + number
            yield make_case(head, priors, seed, _SHAPE, domain, 1.0, (kinds[number],))


def summary(kept: Sequence[Kept]) -> dict[str, dict[str, float]]:
    """Contrast kept, and Dice, of each of :data:`MEASURED` that there is.

    The contrast kept is the sum over lesions over the sum of the true one: a lesion that is hardly
    seen in the MRI counts little. It is below 0 where what should be dark is bright.
    """
    found = {}
    for title, names in MEASURED.items():
        rows = [each for each in kept if each.name in names]
        if rows:
            found[title] = {
                "lesions": len(rows),
                "true_contrast": round(float(np.mean([row.true for row in rows])), 1),
                "contrast_kept": round(sum(r.made for r in rows) / sum(r.true for r in rows), 2),
                "dice": round(float(np.mean([row.dice for row in rows])), 2),
                "dice_in_mri": round(float(np.mean([row.true_dice for row in rows])), 2),
            }
    return found


def measure(
    net: torch.nn.Module, metadata: Mapping[str, Any], cases: Iterator[Case]
) -> dict[str, dict[str, float]]:
    """Translate cases one after the other as the product does, and measure their lesions."""
    kept: list[Kept] = []
    for case in cases:
        (image,) = translate_pairs(net, dict(metadata), [case.pair])
        kept += kept_of(case, image)
    return summary(kept)


CARD = """
Simulated lesions in heads that training never saw, translated as the library does it. Contrast is
the mean inside a lesion less that of white matter 2 to 12 mm around all of it; how much of that of
the MRI is kept in the pseudo-MRI is the sum over the lesions. Dice is that of a threshold halfway
between both means, in lesion and white matter, and in brackets what the same threshold reaches in
the MRI itself. To be useful a network should keep 0.6 of the contrast and reach a Dice of 0.6.
"""


def card_section(lesions: Mapping[str, Any]) -> str:
    """The card's part about lesions, of the metadata's ``lesions``."""
    parts = [CARD.strip()]
    for name, found in lesions.items():
        lines = ["| lesion | how many | contrast in the MRI, of 255 | kept | Dice |"]
        lines.append("| --- | --- | --- | --- | --- |")
        lines += [
            f"| {title} | {row['lesions']} | {row['true_contrast']:.0f} | "
            f"{row['contrast_kept']:.2f} | {row['dice']:.2f} ({row['dice_in_mri']:.2f}) |"
            for title, row in found["kinds"].items()
        ]
        made = f"`{found['command']}` at commit `{found['commit']}`"
        parts.append(f"In the {name} domain ({_ABOUT[name]}), {made}:")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


_ABOUT = {
    NARROW.name: "convex probes at one machine's settings, swept by a motor",
    WIDE.name: "convex and linear probes, any gain and depth, tissues that echo otherwise, swept "
    "by hand with holes and lost contact",
}


def caution(lesions: Mapping[str, Any]) -> str:
    """What the library says with every result: the export's words, and which lesions are lost."""
    lost = {
        title
        for found in lesions.values()
        for title, row in found["kinds"].items()
        if min(row["contrast_kept"], row["dice"]) < _USEFUL
    }
    if not lost:
        return CAUTION
    named = "; ".join(title for title in MEASURED if title in lost)
    return f"{CAUTION} Of simulated lesions it keeps these badly: {named}."


def describe_lesions(folder: Path, found: dict[str, Any], domain: str) -> None:
    """Write what was found in a domain into a bundle's card and metadata."""
    metadata = json.loads((folder / METADATA_FILE).read_text(encoding="utf-8"))
    metadata["lesions"] = {**metadata.get("lesions", {}), domain: found}
    metadata["caution"] = caution(metadata["lesions"])
    text = json.dumps(metadata, indent=2)
    card = (folder / CARD_FILE).read_text(encoding="utf-8")
    changed = replace_sections(card, {"Lesions": card_section(metadata["lesions"])})
    (folder / METADATA_FILE).write_text(text + "\n", encoding="utf-8")
    (folder / CARD_FILE).write_text(changed, encoding="utf-8")


def main() -> None:
    """Measure how much of simulated lesions the bundled 3D pix2pix keeps."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--domain", choices=DOMAINS, default=NARROW.name, help="of the scans")
    parser.add_argument("--per-kind", type=int, default=2, help="lesions; default: %(default)s")
    parser.add_argument("--threads", type=int, help="CPU threads; all where not given")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    bundle = load_generator("cpu")
    contrast = bundle.metadata["contrast"]
    cases = draw_cases(options.data, options.per_kind, DOMAINS[options.domain], contrast)
    count = options.per_kind * len(KINDS)
    kinds = measure(bundle.net, bundle.metadata, iter(tqdm(cases, total=count, unit="volume")))
    record = run_record(_SEED)
    found = {"command": record["command"], "commit": record["commit"], "kinds": kinds}
    describe_lesions(models_dir() / BUNDLE, found, options.domain)
    print(json.dumps(kinds, indent=2))


if __name__ == "__main__":
    main()
