"""Lesions in simulated pairs of adult heads, put into the echoes and the MRI alike.

A lesion is drawn on the grid of the pair, where the probe reaches. Its shape is an ellipsoid whose
edge a smooth random field moves in and out. It consists of parts, each with a soft weight per
voxel, the acoustic properties of a tissue, and a place on the scale from fluid to white matter in
the MRI. Masses push the brain away from their centre.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from training.simulation.adult_anatomy import (
    EXTRACRANIAL,
    TISSUE_INDEX,
    Range,
    Tissue,
    smooth_field,
    tissues_named,
)
from training.simulation.ultrasound import Scan, TissueMaps

LESION_PROBABILITY = 0.3  # of a pair for training


@dataclass(frozen=True)
class LesionTissue:
    """What a part of a lesion is made of.

    Attributes:
        acoustic: impedance and ranges as of healthy tissue.
        t1: range of its T1 intensity; 0 is that of ventricular fluid, 1 that of white matter
            (cortex lies at about 0.6).
        t2: the same in T2, where fluid is bright and white matter dark (cortex lies at about 0.8).
        spread: standard deviation of the variation inside it, on the same scale.
        infiltrates: whether it leaves sulci and their vessels in the ultrasound as they are.
    """

    acoustic: Tissue
    t1: Range
    t2: Range
    spread: float = 0.03
    infiltrates: bool = False

    def level(self, contrast: str) -> Range:
        """Return the range of its intensity in "T1" or "T2"."""
        return {"T1": self.t1, "T2": self.t2}[contrast]


# In ultrasound low-grade gliomas, metastases and meningiomas are brighter than white matter, cysts
# and cavities black (RESECT, Xiao et al. 2017, doi:10.1002/mp.12268; meningiomas: Prada et al.,
# Biomed Res. Int. 2015, doi:10.1155/2015/925729); an oedematous brain is unevenly brighter or
# darker (Table 2 of doi:10.1186/s41984-019-0056-5); a cavity has an echogenic rim below 5 mm
# (Ultrasound guidance in intracranial tumor resection, Acta Radiol. 2005;46:743). Blood is bright
# within minutes, and darker than its own rim after a week (Seidel et al., Stroke 1993,
# doi:10.1161/01.STR.24.10.1519). That tumours may as well be dark or mixed is there because a
# network that knows bright ones alone cannot show the others.
# MRI without contrast medium as radiology teaches it. T1: glioma and oedema darker than white
# matter, solid masses about as grey matter, fluid black. T2: the other way round. Blood by its age
# (Bradley, Radiology 1993, doi:10.1148/radiology.189.1.8372185): in the acute stage T1 is long and
# T2 short, late in the subacute one T1 short and T2 long. The figures for these words are ours:
# chosen, then looked at.
LESION_TISSUES: dict[str, LesionTissue] = {
    "glioma": LesionTissue(
        Tissue((), 1.60, (0.45, 0.65), (8.0, 13.0), 2.0),
        (0.35, 0.65),
        (0.2, 0.6),
        0.05,
        infiltrates=True,
    ),
    "dark_tumour": LesionTissue(
        Tissue((), 1.60, (0.4, 0.6), (-14.0, -7.0), 1.5), (0.35, 0.65), (0.2, 0.6), 0.05
    ),
    "mixed_tumour": LesionTissue(
        Tissue((), 1.61, (0.45, 0.7), (3.0, 9.0), 5.0), (0.35, 0.7), (0.2, 0.65), 0.1
    ),
    "oedema": LesionTissue(
        Tissue((), 1.60, (0.4, 0.6), (-3.0, 4.0), 2.5), (0.6, 0.8), (0.4, 0.65), infiltrates=True
    ),
    "metastasis": LesionTissue(
        Tissue((), 1.63, (0.5, 0.8), (7.0, 12.0), 1.5), (0.45, 0.7), (0.5, 0.8), 0.05
    ),
    "necrosis": LesionTissue(
        Tissue((), 1.54, (0.05, 0.2), (-25.0, -10.0), 3.0), (0.1, 0.3), (0.05, 0.4)
    ),
    "meningioma": LesionTissue(Tissue((), 1.66, (0.7, 1.1), (7.0, 12.0)), (0.5, 0.7), (0.6, 0.85)),
    "cyst": LesionTissue(
        Tissue((), 1.52, (0.002, 0.02), (-50.0, -35.0), 0.0), (-0.02, 0.15), (-0.05, 0.1)
    ),
    "cyst_wall": LesionTissue(Tissue((), 1.62, (0.5, 0.8), (4.0, 9.0)), (0.5, 0.7), (0.7, 0.9)),
    "cavity": LesionTissue(
        Tissue((), 1.53, (0.002, 0.01), (-55.0, -40.0), 0.0), (-0.02, 0.08), (-0.05, 0.05)
    ),
    "cavity_wall": LesionTissue(
        Tissue((), 1.63, (0.5, 0.9), (8.0, 14.0), 2.0), (0.45, 0.75), (0.5, 0.8), 0.06
    ),
    "fresh_blood": LesionTissue(
        Tissue((), 1.66, (0.15, 0.3), (8.0, 14.0), 2.0), (0.45, 0.7), (1.0, 1.3), 0.05
    ),
    "old_blood": LesionTissue(
        Tissue((), 1.62, (0.1, 0.25), (-16.0, -6.0), 2.0), (1.1, 1.4), (0.1, 0.5), 0.05
    ),
    "old_blood_rim": LesionTissue(
        Tissue((), 1.64, (0.4, 0.7), (6.0, 11.0)), (0.5, 0.8), (1.0, 1.3)
    ),
}


@dataclass(frozen=True)
class Kind:
    """A kind of lesion.

    Attributes:
        body: the tissue inside it.
        radius_mm: range of the radius of the ball of its volume.
        roughness: how far its edge wanders, as a fraction of the radius.
        edge_mm: width of its edge, over which it mixes with what is around.
        growth: its radius over that of the brain that it took the place of; more than 1 pushes.
        wall: tissue of its wall, and the range of its width in mm.
        centre: tissue of the middle that some have, and how often.
        oedema: how often there is oedema around it.
        at_surface: whether it lies below the probe, at the dura.
    """

    body: str
    radius_mm: Range
    roughness: float
    edge_mm: Range
    growth: float = 1.0
    wall: tuple[str, Range] | None = None
    centre: tuple[str, float] | None = None
    oedema: float = 0.0
    at_surface: bool = False


# Sizes: low-grade gliomas before surgery 36.6 cm3 in the median, 0.7-246 (Smith et al., J. Clin.
# Oncol. 2008, doi:10.1200/JCO.2007.13.9337), of which 5-60 cm3 fit into the cone; of operated
# metastases half are below 30 mm across (Fiss et al., Acta Neurochir. 2019,
# doi:10.1007/s00701-019-03842-3), cavities after them 8.3 +- 9.3 cm3 (Potts et al., Congress of
# Neurological Surgeons 2013); meningiomas 1.1-9.1 cm (doi:10.1016/j.jmir.2020.04.004), those above
# 3 cm with oedema (Shin et al., PLoS ONE 2021, doi:10.1371/journal.pone.0252945). The others are
# as large as these; how often each is drawn is ours.
KINDS: dict[str, Kind] = {
    "glioma": Kind("glioma", (10.5, 24.0), 0.32, (4.0, 9.0), growth=1.1, centre=("cyst", 0.15)),
    "metastasis": Kind(
        "metastasis", (6.0, 18.0), 0.1, (0.8, 1.5), growth=1.2, centre=("necrosis", 0.4), oedema=0.8
    ),
    "meningioma": Kind(
        "meningioma", (7.0, 22.0), 0.08, (0.8, 1.2), growth=1.25, oedema=0.4, at_surface=True
    ),
    "cyst": Kind("cyst", (6.0, 16.0), 0.08, (0.8, 1.2), growth=1.2, wall=("cyst_wall", (1.0, 2.0))),
    "cavity": Kind(
        "cavity",
        (9.0, 19.0),
        0.25,
        (0.8, 1.5),
        wall=("cavity_wall", (1.5, 4.0)),
        centre=("fresh_blood", 0.25),
        at_surface=True,
    ),
    "dark_tumour": Kind("dark_tumour", (8.0, 20.0), 0.2, (1.0, 5.0), growth=1.15, oedema=0.4),
    "mixed_tumour": Kind(
        "mixed_tumour", (9.0, 22.0), 0.3, (1.0, 5.0), 1.15, centre=("necrosis", 0.6), oedema=0.7
    ),
    "fresh_haematoma": Kind("fresh_blood", (7.0, 18.0), 0.2, (0.8, 2.0), growth=1.2, oedema=0.3),
    "old_haematoma": Kind(
        "old_blood",
        (7.0, 18.0),
        0.15,
        (0.8, 2.0),
        growth=1.15,
        wall=("old_blood_rim", (1.5, 3.0)),
        oedema=0.5,
    ),
}
_KIND_ODDS = {
    "glioma": 0.25,
    "metastasis": 0.15,
    "meningioma": 0.1,
    "cyst": 0.1,
    "cavity": 0.15,
    "dark_tumour": 0.05,
    "mixed_tumour": 0.1,
    "fresh_haematoma": 0.05,
    "old_haematoma": 0.05,
}
_OEDEMA_MM = (5.0, 15.0)  # how far oedema goes beyond the lesion


@dataclass(frozen=True)
class Site:
    """Where a lesion lies in a pair; voxels are 1 mm.

    Attributes:
        kind: key of `KINDS`.
        centre: voxel (k, j, i).
        radius: of the ball of its volume, mm.
    """

    kind: str
    centre: np.ndarray
    radius: float

    def pushed(self, at: np.ndarray) -> np.ndarray:
        """Return coordinates [3, k, j, i] of the head with the brain pushed aside by the lesion.

        Volume is kept: a shell that was at r0 lies at r, r^3 = r0^3 + radius^3 (1 - growth^-3).
        """
        kind = KINDS[self.kind]
        offset = _offsets(at.shape[1:], self.centre)
        r = np.sqrt((offset**2).sum(axis=0))
        grown = self.radius**3 * (1 - kind.growth**-3)
        outside = np.cbrt(np.maximum(r**3 - grown, 0)) / np.maximum(r, 1e-3)
        scale = np.where(r < self.radius, 1 / kind.growth, outside)
        where = self.centre[:, None, None, None] + offset * scale
        return np.stack([ndimage.map_coordinates(a, where, order=1, mode="nearest") for a in at])


@dataclass(frozen=True)
class Lesion:
    """A lesion on the grid of a pair.

    Attributes:
        site: where it lies.
        parts: name in `LESION_TISSUES` and weight, float32 [k, j, i] in 0..1; later ones cover
            earlier ones.
        tissue: uint8 [k, j, i], what was there before, positions in `TISSUES`.
    """

    site: Site
    parts: tuple[tuple[str, np.ndarray], ...]
    tissue: np.ndarray

    @property
    def visible(self) -> dict[str, np.ndarray]:
        """What is seen of each part, float32 [k, j, i]: its weight, less what later ones cover."""
        left = np.ones(self.tissue.shape, np.float32)
        seen = {}
        for name, weight in reversed(self.parts):
            seen[name] = weight * left
            left = left * (1 - weight)
        return seen

    def in_mri(
        self,
        mri: np.ndarray,
        fluid: float,
        white: float,
        rng: np.random.Generator,
        contrast: str = "T1",
    ) -> np.ndarray:
        """Return the MRI [k, j, i] of a contrast with the lesion.

        Args:
            mri: without it.
            fluid, white: intensities of ventricular fluid and white matter there.
            rng: draws.
            contrast: "T1" or "T2".
        """
        for name, weight in self.parts:
            tissue = LESION_TISSUES[name]
            texture = ndimage.gaussian_filter(rng.standard_normal(mri.shape, np.float32), 0.8)
            variation = 0.7 * smooth_field(mri.shape, 5.0, rng) + texture / texture.std()
            level = rng.uniform(*tissue.level(contrast)) + tissue.spread * variation
            mri = mri * (1 - weight) + weight * (fluid + (white - fluid) * level)
        return np.maximum(mri, 0)

    def in_maps(self, maps: TissueMaps, rng: np.random.Generator) -> TissueMaps:
        """Return the acoustic maps with the lesion."""
        sulci = self.tissue == TISSUE_INDEX["sulcus"]
        for name, weight in self.parts:
            tissue = LESION_TISSUES[name]
            acoustic = tissue.acoustic
            if tissue.infiltrates:
                weight = weight * ~sulci
            patches = acoustic.patchiness_db * smooth_field(weight.shape, 5.0, rng)
            echo_db = rng.uniform(*acoustic.backscatter_db) + patches
            maps = replace(
                maps,
                # Mixed in dB: an edge then looks as wide as it is.
                backscatter=maps.backscatter ** (1 - weight) * 10 ** (echo_db / 10 * weight),
                log_impedance=_mix(maps.log_impedance, math.log(acoustic.impedance), weight),
                attenuation=_mix(maps.attenuation, rng.uniform(*acoustic.attenuation), weight),
            )
        return maps


def _mix(healthy: np.ndarray, lesion: float, weight: np.ndarray) -> np.ndarray:
    """Return the weighted mean, float32."""
    return (healthy * (1 - weight) + lesion * weight).astype(np.float32)


def draw_site(
    tissue: np.ndarray,
    scan: Scan,
    rng: np.random.Generator,
    kinds: Sequence[str] = tuple(KINDS),
) -> Site:
    """Draw the kind, place and size of a lesion that the scan reaches.

    Args:
        tissue: uint8 [k, j, i] on the pair's grid of 1 mm, positions in `TISSUES`.
        scan: of the pair.
        rng: draws.
        kinds: of which one is drawn, keys of `KINDS`.
    """
    odds = np.array([_KIND_ODDS[name] for name in kinds])
    name = str(rng.choice(list(kinds), p=odds / odds.sum()))
    kind = KINDS[name]
    radius = rng.uniform(*kind.radius_mm)
    if kind.at_surface:
        depth = rng.uniform(0.5, 0.9) * radius
        aside = rng.uniform(-6, 6, 2)
        return Site(name, np.array(scan.face) + np.array([aside[0], depth, aside[1]]), radius)
    k, depth, i = _offsets(tissue.shape, np.array(scan.face))
    reach = depth + scan.radius_mm
    # So much within the cone that most of the lesion is seen.
    inside = np.abs(k) < 0.6 * math.tan(math.radians(scan.half_sweep_deg)) * reach
    inside &= np.abs(i) < 0.6 * math.tan(math.radians(scan.half_angle_deg)) * reach
    inside &= (depth > 0.8 * radius) & (depth < 0.65 * scan.depth_mm)
    inside &= tissues_named("white_matter", "cortex", "deep_grey")[tissue]
    places = np.argwhere(inside)
    # In a shallow scan all of that may be missing; then straight below the probe.
    below = np.array(scan.face) + np.array([0.0, 0.4 * scan.depth_mm, 0.0])
    return Site(name, places[rng.integers(len(places))] if len(places) else below, radius)


def draw_lesion(site: Site, tissue: np.ndarray, rng: np.random.Generator) -> Lesion:
    """Draw the shape and the parts of a lesion.

    Args:
        site: where it lies.
        tissue: uint8 [k, j, i] on the pair's grid, already pushed aside.
        rng: draws.
    """
    kind = KINDS[site.kind]
    parts = []
    depth = _depth(site, kind, tissue.shape, rng)
    brain = ~tissues_named(*EXTRACRANIAL, "saline", "falx")[tissue]
    parenchyma = ~tissues_named(*EXTRACRANIAL, "saline", "falx", "cistern", "ventricle", "choroid")[
        tissue
    ]
    edge = rng.uniform(*kind.edge_mm)
    if rng.random() < kind.oedema:
        beyond = _step(depth + rng.uniform(*_OEDEMA_MM), 4.0)
        parts.append(("oedema", beyond * _soft(tissues_named("white_matter")[tissue])))
    space = parenchyma if LESION_TISSUES[kind.body].infiltrates else brain
    if kind.wall:
        name, width_mm = kind.wall
        parts.append((name, _step(depth, edge) * _soft(brain)))
        depth = depth - rng.uniform(*width_mm)
    parts.append((kind.body, _step(depth, edge) * _soft(space)))
    if kind.centre and rng.random() < kind.centre[1]:
        inner = depth - rng.uniform(0.4, 0.6) * site.radius
        parts.append((kind.centre[0], _step(inner, 1.5) * _soft(space)))
    return Lesion(site, tuple(parts), tissue)


def _depth(site: Site, kind: Kind, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return how deep in mm voxels [k, j, i] lie below the lesion's edge; negative outside."""
    axes = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    stretch = np.exp(rng.uniform(-1, 1, 3) * kind.roughness)
    stretch /= np.cbrt(stretch.prod())
    offset = _offsets(shape, site.centre)
    across = np.tensordot((axes / stretch[:, None]).astype(np.float32), offset, 1)
    field = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), 0.4 * site.radius)
    field *= kind.roughness / field.std()
    # In units of the radius; then as far as the shape fills the volume of its ball.
    distance = np.sqrt((across**2).sum(axis=0)) / site.radius - np.clip(field, -0.6, 0.6)
    ball = (offset**2).sum(axis=0) < site.radius**2
    return site.radius * (np.quantile(distance, ball.mean()) - distance)


def _offsets(shape: tuple[int, ...], centre: np.ndarray) -> np.ndarray:
    """Return the offset of every voxel from the centre, float32 [3, k, j, i]."""
    steps = (np.arange(n, dtype=np.float32) - c for n, c in zip(shape, centre))
    return np.stack(np.meshgrid(*steps, indexing="ij")).astype(np.float32)


def _step(depth: np.ndarray, width: float) -> np.ndarray:
    """Return a smooth step from 0 to 1 of this width in mm about depth 0."""
    x = np.clip(depth / width + 0.5, 0, 1)
    return (x * x * (3 - 2 * x)).astype(np.float32)


def _soft(mask: np.ndarray) -> np.ndarray:
    """Return the mask as weights with an edge of about a voxel."""
    return ndimage.gaussian_filter(mask.astype(np.float32), 0.6)
