"""Pairs of simulated intra-operative ultrasound and T1- or T2-like MRI of adult heads."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from training.data.location import add_data_option
from training.data.pairs import Pair, load_pair, save_pair
from training.data.splits import PARTS, read_split
from training.simulation.adult_anatomy import (
    CONTRASTS,
    EXTRACRANIAL,
    TISSUE_INDEX,
    TISSUES,
    Head,
    MriPriors,
    Tissue,
    draw_mri,
    read_head,
    smooth_field,
    tissues_named,
)
from training.simulation.adult_domain import WIDE, Domain
from training.simulation.adult_lesions import (
    KINDS,
    LESION_PROBABILITY,
    Lesion,
    draw_lesion,
    draw_site,
)
from training.simulation.ultrasound import TissueMaps, simulate_bmode

Shape = tuple[int, int, int]

PAIR_SHAPE: Shape = (96, 128, 128)
FACE_J = 4.0  # the centre of the probe's face lies this many voxels below the volume's top
_CRANIOTOMY_DEPTH = 30  # down to here bone and scalp are opened and replaced by saline


@dataclass(frozen=True)
class Case:
    """A simulated pair, and the lesion in it, if there is one."""

    pair: Pair
    lesion: Lesion | None


def make_case(
    head: Head,
    priors: MriPriors,
    seed: int,
    shape: Shape = PAIR_SHAPE,
    domain: Domain = WIDE,
    lesion_probability: float = 0.0,
    kinds: Sequence[str] = tuple(KINDS),
) -> Case:
    """Simulate one pair: a random craniotomy, deformation, contrast and scan of one head.

    Lesion and sweep have random numbers of their own: without a lesion the same seed gives the same
    healthy head, and in another contrast the same ultrasound.

    Args:
        head: the anatomy.
        priors: intensities of its labels in MRI of a contrast.
        seed: the same seed gives the same voxels.
        shape: voxels (k, j, i) of the pair, 1 mm each.
        domain: how widely scans vary.
        lesion_probability: that the head has a lesion (:mod:`training.simulation.adult_lesions`).
        kinds: of lesions, of which one is drawn.
    """
    rng = np.random.default_rng(seed)
    lesion_rng, domain_rng = (
        np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,))) for key in (1, 2)
    )
    face = ((shape[0] - 1) / 2, FACE_J, (shape[2] - 1) / 2)
    probe = ProbeFrame.draw(head, rng)
    at = _deformed(probe.coordinates(shape, face), rng)
    full_mri = draw_mri(head.labels, priors, rng)
    scan, sweep = domain.draw_scan(face, rng, domain_rng)
    tissue = probe.opened(head.tissue)
    lesion = None
    if lesion_rng.random() < lesion_probability:
        site = draw_site(_nearest(tissue, at), scan, lesion_rng, kinds)
        at = site.pushed(at)
        lesion = draw_lesion(site, _nearest(tissue, at), lesion_rng)
    mri = _linear(full_mri, at)
    maps = tissue_maps(tissue, at, rng, domain.draw_echoes(TISSUES, domain_rng))
    if lesion:
        fluid, white = (_level(full_mri, head, name) for name in ("ventricle", "white_matter"))
        maps = lesion.in_maps(maps, lesion_rng)
        mri = lesion.in_mri(mri, fluid, white, lesion_rng, priors.contrast)
    ultrasound, cone = simulate_bmode(maps, scan, int(rng.integers(2**31)), sweep)
    return Case(Pair(_to_uint8(ultrasound), _to_uint8(mri), cone), lesion)


def _level(mri: np.ndarray, head: Head, tissue: str) -> float:
    """Return the median intensity of a tissue of the head."""
    return float(np.median(mri[tissues_named(tissue)[head.tissue]]))


@dataclass(frozen=True)
class ProbeFrame:
    """Where a probe stands on a head: the centre of its face, and its axes as rows (k, j, i)."""

    face: np.ndarray
    axes: np.ndarray

    @classmethod
    def draw(cls, head: Head, rng: np.random.Generator) -> ProbeFrame:
        """Draw a probe on the convexity of the brain.

        It looks towards the middle of the brain, up to 20 degrees off, and is turned at random
        about its axis; the head is scaled by up to 7 %.
        """
        centre = np.argwhere(tissues_named("white_matter", "cortex")[head.tissue]).mean(axis=0)
        inward = _random_inward(rng)
        face = _leave(~tissues_named(*EXTRACRANIAL)[head.tissue], centre, -inward)
        axis = _unit(inward + np.tan(np.radians(20)) * rng.uniform(-1, 1, 3) / np.sqrt(3))
        lateral = _unit(np.cross(axis, rng.standard_normal(3)))
        sweep = np.cross(axis, lateral) * rng.choice([-1, 1])
        return cls(face, np.stack([sweep, axis, lateral]) * rng.uniform(0.93, 1.07))

    def coordinates(self, shape: Shape, face: tuple[float, float, float]) -> np.ndarray:
        """Return the head coordinates [3, k, j, i] of a grid whose voxel `face` is the face."""
        offsets = (np.arange(n, dtype=np.float32) - c for n, c in zip(shape, face))
        k, j, i = np.meshgrid(*offsets, indexing="ij")
        at = np.einsum("akji,ax->xkji", np.stack([k, j, i]), self.axes.astype(np.float32))
        return at + self.face.astype(np.float32)[:, None, None, None]

    def opened(self, tissue: np.ndarray) -> np.ndarray:
        """Return tissue [k, j, i] with saline for dura, bone and scalp around the probe."""
        axis = _unit(self.axes[1])
        k, j, i = np.ogrid[tuple(slice(n) for n in tissue.shape)]
        depth = k * axis[0] + j * axis[1] + i * axis[2] - self.face @ axis
        removed = tissues_named(*EXTRACRANIAL)[tissue] & (depth < _CRANIOTOMY_DEPTH)
        return np.where(removed, np.uint8(TISSUE_INDEX["saline"]), tissue)


def _random_inward(rng: np.random.Generator) -> np.ndarray:
    """Draw the direction (k, j, i) from a craniotomy on the upper half of the head inwards."""
    while True:
        outward = _unit(rng.standard_normal(3))
        if outward[0] > -0.1:  # not from the skull base
            return -outward


def _leave(mask: np.ndarray, start: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return the last point [3] of the mask on the ray from start."""
    ray = start + np.arange(0, 140, 0.5)[:, None] * direction
    inside = _at_points(mask, ray)
    return ray[np.flatnonzero(inside)[-1]]


def _at_points(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the mask's nearest values at points [n, 3]; False beyond its edge."""
    values = ndimage.map_coordinates(mask.astype(np.uint8), points.T, order=0, mode="constant")
    return values.astype(bool)


def _unit(vector: np.ndarray) -> np.ndarray:
    """Return the vector at length 1."""
    return vector / np.linalg.norm(vector)


def _deformed(at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bend coordinates [3, k, j, i] by a smooth random displacement of about 2 voxels."""
    shape = at.shape[1:]
    return at + 1.5 * np.stack([smooth_field(shape, 32.0, rng) for _ in range(3)])


def tissue_maps(
    tissue: np.ndarray,
    at: np.ndarray,
    rng: np.random.Generator,
    tissues: Mapping[str, Tissue] = TISSUES,
    spacing_mm: float = 1.0,
) -> TissueMaps:
    """Draw the acoustic properties of tissue [k, j, i] and bring them to the coordinates `at`.

    Args:
        tissue: positions in `tissues`.
        at: coordinates [3, k, j, i] in voxels of `tissue`.
        rng: draws each tissue's properties from its ranges, and the slow variation inside it.
        tissues: what there is.
        spacing_mm: edge of a voxel of the maps.
    """
    drawn = list(tissues.values())
    mean_db = np.array([rng.uniform(*t.backscatter_db) for t in drawn], np.float32)
    attenuation = np.array([rng.uniform(*t.attenuation) for t in drawn], np.float32)
    log_impedance = np.log(np.array([t.impedance for t in drawn], np.float32))
    patchiness = np.array([t.patchiness_db for t in drawn], np.float32)
    backscatter = _linear((10 ** (mean_db / 10))[tissue], at)
    patches_db = smooth_field(at.shape[1:], 5.0, rng) * _linear(patchiness[tissue], at)
    return TissueMaps(
        backscatter * 10 ** (patches_db / 10),
        _linear(log_impedance[tissue], at),
        _linear(attenuation[tissue], at),
        spacing_mm,
    )


def _linear(array: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Interpolate [k, j, i] linearly at coordinates [3, ...]; beyond the grid its edge goes on."""
    return ndimage.map_coordinates(array, at, order=1, mode="nearest", output=np.float32)


def _nearest(array: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the nearest values of [k, j, i] at coordinates [3, ...]; its edge goes on beyond."""
    return ndimage.map_coordinates(array, at, order=0, mode="nearest")


def _to_uint8(image: np.ndarray) -> np.ndarray:
    """Round an image of 0..255 to bytes."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def cached_pairs(
    data: Path,
    heads: Sequence[str],
    per_head: int,
    seed: int,
    cache: Path,
    lesion_probability: float = LESION_PROBABILITY,
    contrast: str = "T1",
) -> list[Pair]:
    """Return the pairs of some heads in the wide domain, kept as files in `cache`.

    Args:
        data: folder that holds `adult_labels`.
        heads: their names, as in a part of the split `adult`.
        per_head: number of pairs of each head.
        seed: of the whole set; a pair's own seed depends on it, on the head and on its number.
        cache: folder for one file a pair; what lies there is read, the rest is made.
        lesion_probability: of each pair; it stands in the files' names.
        contrast: of the MRI, "T1" or "T2"; as well.
    """
    cache.mkdir(parents=True, exist_ok=True)
    priors = MriPriors.of(contrast, data)
    pairs = []
    for name in tqdm(heads, desc="pairs", unit="head"):
        head = None
        for number in range(per_head):
            drawn = f"{WIDE.name}_lesions{lesion_probability:g}_{contrast}"
            path = cache / f"{name}_{seed}_{number:03d}_{drawn}.npz"
            if not path.exists():
                head = head or read_head(data, name)
                sequence = np.random.SeedSequence([seed, int(name.split("_")[1]), number])
                own_seed = int(sequence.generate_state(1)[0])
                case = make_case(head, priors, own_seed, lesion_probability=lesion_probability)
                save_pair(case.pair, path)
            pairs.append(load_pair(path))
    return pairs


def main() -> None:
    """Simulate the pairs that training and evaluation use, ahead of them."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--cache", type=Path, required=True, help="folder for the pairs")
    parser.add_argument("--part", choices=PARTS, required=True)
    parser.add_argument("--per-head", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--lesions",
        type=float,
        default=LESION_PROBABILITY,
        help="probability; default: %(default)s",
    )
    parser.add_argument("--contrast", choices=CONTRASTS, default="T1", help="of the MRI")
    options = parser.parse_args()
    cached_pairs(
        options.data,
        read_split("adult")[options.part],
        options.per_head,
        options.seed,
        options.cache,
        options.lesions,
        options.contrast,
    )


if __name__ == "__main__":
    main()
