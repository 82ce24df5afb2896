"""Pairs of simulated fetal head ultrasound and fetal MRI, of the volumes with a parcellation.

The parcellation says what echoes; the skull and what surrounds it are added by geometry, for the
volumes end at the brain. The scan is a slab of planes parallel to one through the thalami, from the
side of the head, as a mechanically swept probe sees it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from training.data.fetal_mri import PLANE_PIXEL_MM, PLANE_SIZE, transthalamic_plane
from training.data.fetal_volumes import FetalVolume, read_upright
from training.simulation.adult_anatomy import Tissue
from training.simulation.adult_pairs import tissue_maps
from training.simulation.ultrasound import ScanRanges, simulate_bmode
from USToMRILib.image.grid import Grid
from USToMRILib.image.intensity import rescale
from USToMRILib.image.volume import Volume

# Impedance and attenuation as for adults (training/simulation/adult_anatomy.py); the fetal skull is
# thin and little mineralised: 10-20 dB/cm/MHz of adult bone would leave nothing to see behind it.
# Echoes in dB after the words of the ISUOG guideline on the fetal brain (Malinger et al. 2020,
# doi:10.1002/uog.22145): fluid and, nearly, the brain itself anechoic; midline, choroid, sulci
# and skull echogenic.
FETAL_TISSUES: dict[str, Tissue] = {
    "outside": Tissue((), 1.54, (0.05, 0.3), (-25.0, -5.0), 4.0),
    "white_matter": Tissue((1,), 1.56, (0.2, 0.4), (0.0, 0.0), 3.0),
    "ventricle": Tissue((2,), 1.515, (0.002, 0.02), (-30.0, -15.0), 0.0),
    "cerebellum": Tissue((3,), 1.58, (0.3, 0.5), (1.0, 5.0), 2.0),
    "external_csf": Tissue((4,), 1.52, (0.01, 0.05), (-20.0, -5.0), 3.0),
    "cortex": Tissue((5,), 1.545, (0.2, 0.4), (-5.0, 0.0), 3.0),
    "deep_grey": Tissue((6,), 1.55, (0.2, 0.4), (-6.0, -1.0), 2.0),
    "brainstem": Tissue((7,), 1.56, (0.2, 0.4), (-4.0, 2.0)),
    "callosum": Tissue((8,), 1.56, (0.2, 0.4), (-4.0, 2.0)),
    "sulcus": Tissue((), 1.56, (0.2, 0.4), (6.0, 12.0), 3.0),
    "midline": Tissue((), 1.65, (0.5, 1.0), (10.0, 18.0), 3.0),
    "skull": Tissue((), 2.4, (2.0, 5.0), (8.0, 16.0), 2.0),
    "scalp": Tissue((), 1.62, (0.4, 0.8), (0.0, 8.0), 2.0),
}
_INDEX = {name: index for index, name in enumerate(FETAL_TISSUES)}


@dataclass(frozen=True)
class FetalVolumePair:
    """A simulated scan of a slab of one head and its MRI, all on one grid [k, j, i].

    Attributes:
        ultrasound: float32, 0 .. 255, 0 outside the cone.
        mri: float32, 0 .. 255, scaled as the MRI network's slices are; 0 outside the brain.
        head: bool, within the skull's outer edge.
        brain: bool, within the parcellation.
    """

    ultrasound: Volume
    mri: Volume
    head: Volume
    brain: Volume


@dataclass(frozen=True)
class _Scanned:
    """What a scan shows, and what it was made of, all [k, j, i] on the grid of the slab."""

    ultrasound: np.ndarray
    t2: np.ndarray
    head: np.ndarray
    brain: np.ndarray
    grid: Grid


def simulate_fetal_volume(volume: FetalVolume, seed: int, slices: int) -> FetalVolumePair:
    """Simulate the scan of a slab about the transthalamic plane by a swept probe.

    Args:
        volume: of an atlas or of FeTA.
        seed: of slab, probe, tissue and speckle; the same seed gives the same voxels.
        slices: of the slab, 0.8 mm apart, as are their pixels.
    """
    probe = ScanRanges.obstetric()
    # As far as the slab reaches where the beams have spread least, at the most curved face.
    degrees = float(np.rad2deg(np.arctan(slices / 2 * PLANE_PIXEL_MM / probe.radius_mm[0])))
    sweep = replace(probe, half_sweep_deg=(degrees, degrees))
    scanned = _scan_slab(volume, slices, sweep, np.random.default_rng(seed))
    white = float(np.percentile(scanned.t2[scanned.brain], 99.5))
    mri = np.where(scanned.brain, (rescale(scanned.t2, 0.0, white) + 1) * 127.5, 0)
    arrays = (scanned.ultrasound, mri.astype(np.float32), scanned.head, scanned.brain)
    return FetalVolumePair(*(Volume(array, scanned.grid) for array in arrays))


def _scan_slab(
    volume: FetalVolume, slices: int, ranges: ScanRanges, rng: np.random.Generator
) -> _Scanned:
    image, labels = read_upright(volume)
    slab = _slab(labels, slices, rng)
    nearest = sitk.sitkNearestNeighbor
    cut = sitk.GetArrayFromImage(sitk.Resample(labels, slab, sitk.Transform(), nearest))
    t2 = sitk.Resample(image, slab)
    side = sitk.GetArrayFromImage(_left_right(slab, labels))
    tissue, head = find_fetal_tissue(cut, side, rng)
    echoes = _scan(tissue, head, ranges, rng)
    return _Scanned(echoes, sitk.GetArrayFromImage(t2), head, cut > 0, Grid.from_sitk(slab))


def find_fetal_tissue(
    labels: np.ndarray, side_mm: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Find the tissue of every voxel, and which lie within the skull's outer edge.

    Skull and scalp are shells around the brain's ellipse-like hull, each of a thickness drawn from
    1.2 to 2.4 mm; the midline is the external fluid and cortex within 0.7 mm of the middle plane;
    pia is the border between external fluid and cortex.

    Args:
        labels: uint8 [k, j, i], the parcellation.
        side_mm: float32 [k, j, i], distance from the head's middle plane, with sign.
        rng: draws the thicknesses.

    Returns:
        uint8 [k, j, i], positions in :data:`FETAL_TISSUES`; bool [k, j, i].
    """
    table = np.zeros(256, np.uint8)
    for index, tissue in enumerate(FETAL_TISSUES.values()):
        table[list(tissue.labels)] = index
    tissue = table[labels]
    brain = _hull(labels > 0)
    tissue[brain & (labels == 0)] = _INDEX["external_csf"]
    cortex, fluid = labels == 5, brain & np.isin(labels, (0, 4))
    tissue[fluid & ndimage.binary_dilation(cortex)] = _INDEX["sulcus"]
    tissue[(fluid | cortex) & (np.abs(side_mm) < 0.7)] = _INDEX["midline"]
    beyond = ndimage.distance_transform_edt(~brain) * PLANE_PIXEL_MM
    skull, scalp = rng.uniform(1.2, 2.4, 2)
    tissue[~brain & (beyond <= skull)] = _INDEX["skull"]
    tissue[(beyond > skull) & (beyond <= skull + scalp)] = _INDEX["scalp"]
    return tissue, beyond <= skull


def _hull(brain: np.ndarray) -> np.ndarray:
    """Fill what a closed curve around each slice of the brain holds."""
    reach = ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), 10)
    wide = np.pad(brain, [(0, 0), (12, 12), (12, 12)])
    closed = ndimage.binary_closing(wide, reach[None])[:, 12:-12, 12:-12]
    return np.stack([ndimage.binary_fill_holes(plane) for plane in closed])


def _slab(labels: sitk.Image, slices: int, rng: np.random.Generator) -> sitk.Image:
    """An empty image about a plane through the thalami, turned within it by up to 30 degrees."""
    plane = transthalamic_plane(labels, rng.uniform(-3, 8), rng.uniform(-12, 12))
    axes = np.reshape(plane.GetDirection(), (3, 3))
    turn = np.deg2rad(rng.uniform(-30, 30) + rng.choice([0, 180]))
    c, s = np.cos(turn), np.sin(turn)
    turned = axes @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    half = (PLANE_SIZE - 1) / 2 * PLANE_PIXEL_MM
    centre = np.array(plane.GetOrigin()) + axes @ np.array([half, half, 0.0])
    slab = sitk.Image([PLANE_SIZE, PLANE_SIZE, slices], sitk.sitkFloat32)
    slab.SetSpacing([PLANE_PIXEL_MM] * 3)
    slab.SetDirection(turned.ravel().tolist())
    deep = (slices - 1) / 2 * PLANE_PIXEL_MM
    slab.SetOrigin((centre - turned @ np.array([half, half, deep])).tolist())
    return slab


def _left_right(slab: sitk.Image, labels: sitk.Image) -> sitk.Image:
    """How far each voxel of the slab lies to the left of the middle of the brain, mm."""
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(labels > 0)
    source = sitk.PhysicalPointSource(
        sitk.sitkVectorFloat32,
        slab.GetSize(),
        slab.GetOrigin(),
        slab.GetSpacing(),
        slab.GetDirection(),
    )
    return sitk.VectorIndexSelectionCast(source, 0) - shape.GetCentroid(1)[0]


def _scan(
    tissue: np.ndarray, head: np.ndarray, ranges: ScanRanges, rng: np.random.Generator
) -> np.ndarray:
    """Scan tissue [k, j, i] from above with a probe 5 to 35 mm away; float32 in 0 .. 255."""
    _, j, i = np.nonzero(head)
    standoff = rng.uniform(5, 35) / PLANE_PIXEL_MM
    face = (float(len(tissue) // 2), j.min() - standoff, i.mean() + rng.uniform(-12, 12))
    scan = ranges.draw(face, rng)
    at = np.indices(tissue.shape).astype(np.float32)
    maps = tissue_maps(tissue, at, rng, FETAL_TISSUES, PLANE_PIXEL_MM)
    return simulate_bmode(maps, scan, int(rng.integers(2**31)))[0]
