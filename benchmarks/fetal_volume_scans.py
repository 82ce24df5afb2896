"""Simulated 3D ultrasound of fetal heads in any position, with its truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial.transform import Rotation

from training.data.brain_slices import one_tone
from training.data.fetal_volumes import FetalVolume, read_upright
from training.simulation.adult_pairs import tissue_maps
from training.simulation.fetal_pairs import FETAL_TISSUES, find_fetal_tissue
from USToMRILib.fetal.tissues import Tissue
from USToMRILib.image.grid import Grid
from USToMRILib.image.volume import Volume

VOXEL_MM = 0.5
_ATLAS_MM = 0.8
# A mask that follows the visible echo of the skull lies this far outside of it.
_MASK_MARGIN_VOXELS = 1
_LOOKS = 3


@dataclass(frozen=True)
class Case:
    """A head that is scanned.

    Attributes:
        subject: folder of the atlas volume.
        seed: of echoes, probe and position.
        masked: whether everything outside the head is 0.
        narrow: by which factor it is narrower than in the atlas.
    """

    subject: str
    seed: int
    masked: bool = True
    narrow: float = 1.0


@dataclass(frozen=True)
class Scan:
    """A simulated scan with its truth, all on the scanner's grid.

    Attributes:
        ultrasound: uint8.
        mri: float32 [k, j, i] in -1 .. 1, the greys of the training's MRI.
        labels: uint8 [k, j, i], each voxel's tissue.
        axes: [3, 3], unit vectors to the head's front, left and top, as columns.
        thalami: [3] in mm.
    """

    ultrasound: Volume
    mri: np.ndarray
    labels: np.ndarray
    axes: np.ndarray
    thalami: np.ndarray


def scan(data: Path, case: Case) -> Scan:
    """Simulate the scan of a head in a random position."""
    rng = np.random.default_rng(case.seed)
    folder = data / "fetal_mri" / case.subject
    files = folder / "t2.nii.gz", folder / "parcellation.nii.gz"
    image, labels = (
        sitk.DICOMOrient(each, "LPS") for each in read_upright(FetalVolume.of_atlas(folder, *files))
    )
    image = one_tone(image, labels)
    for each in (image, labels):
        each.SetSpacing([_ATLAS_MM * case.narrow, _ATLAS_MM, _ATLAS_MM])
    room = _room(labels, 8 if case.masked else 24)
    ultrasound, head = _echoes(sitk.GetArrayFromImage(room), rng)
    grid = Grid.from_sitk(room)
    axes = Rotation.random(random_state=case.seed).as_matrix()
    target = _turned_grid(Volume(head, grid), axes, 2.0 if case.masked else 12.0)
    like = Volume(np.zeros(target.shape, np.uint8), target).to_sitk()

    def on_scan(array: np.ndarray | sitk.Image, by: int, beyond: float = 0.0) -> np.ndarray:
        source = array if isinstance(array, sitk.Image) else Volume(array, grid).to_sitk()
        return sitk.GetArrayFromImage(sitk.Resample(source, like, sitk.Transform(), by, beyond))

    seen = on_scan(ultrasound, sitk.sitkLinear)
    if case.masked:
        seen = seen * on_scan(head.astype(np.uint8), sitk.sitkNearestNeighbor)
    # The scanner does not know how the head lies.
    own = Grid(target.size, target.spacing)
    voxels = np.argwhere(sitk.GetArrayViewFromImage(labels) == Tissue.DEEP_GREY_MATTER)
    thalami = Grid.from_sitk(labels).index_to_physical(voxels[:, ::-1].mean(axis=0))
    return Scan(
        Volume(np.rint(seen).astype(np.uint8), own),
        on_scan(image, sitk.sitkLinear, -1.0),
        on_scan(labels, sitk.sitkNearestNeighbor),
        target.axes.T @ np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
        own.index_to_physical(target.physical_to_index(thalami)),
    )


def _room(labels: sitk.Image, margin: int) -> sitk.Image:
    """The parcellation cropped to the brain, with a margin of so many voxels."""
    box = sitk.LabelShapeStatisticsImageFilter()
    box.Execute(labels > 0)
    first, size = np.split(np.array(box.GetBoundingBox(1)), 2)
    padded = sitk.ConstantPad(labels, [margin] * 3, [margin] * 3)
    return padded[tuple(slice(int(f), int(f + s + 2 * margin)) for f, s in zip(first, size))]


def _echoes(labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ultrasound of a head from one side by parallel beams, as from a probe far away.

    Scattering with speckle, specular echoes by the cosine of incidence, attenuation and log
    compression, as in :mod:`training.simulation.ultrasound`, but for the fan.

    Returns:
        float32 [k, j, i] in 0 .. 255; bool, what a mask of the head shows.
    """
    middle = np.argwhere(labels > 0)[:, 2].mean()
    side = ((np.arange(labels.shape[2]) - middle) * _ATLAS_MM).astype(np.float32)
    tissue, head = find_fetal_tissue(labels, np.broadcast_to(side, labels.shape), rng)
    at = np.indices(labels.shape).astype(np.float32)
    maps = tissue_maps(tissue, at, rng, FETAL_TISSUES, _ATLAS_MM)
    beam = np.array([*rng.normal(0, 0.15, 2), 1.0])
    edges = np.stack(np.gradient(ndimage.gaussian_filter(maps.log_impedance, 0.5)))
    steep = np.sqrt((edges**2).sum(axis=0))
    towards = np.abs(np.tensordot(beam / np.linalg.norm(beam), edges, 1)) / np.maximum(steep, 1e-6)
    specular = steep * towards ** rng.uniform(2, 5) * rng.uniform(60, 150)
    amplitude, envelope = np.sqrt(maps.backscatter), np.zeros(labels.shape, np.float32)
    for _ in range(_LOOKS):
        waves = [
            ndimage.gaussian_filter(rng.standard_normal(labels.shape, np.float32), (1.2, 1.2, 0.5))
            for _ in range(2)
        ]
        scale = amplitude / (np.sqrt(2) * waves[0].std())
        envelope += np.hypot(waves[0] * scale + specular, waves[1] * scale) / _LOOKS
    lost = 2 * rng.uniform(2.5, 5) * (maps.attenuation - 0.25) * _ATLAS_MM / 10
    way = slice(None, None, int(rng.choice([-1, 1])))
    lost = np.cumsum(lost[..., way], axis=2)[..., way]
    decibels = 20 * np.log10(envelope + 1e-4) - lost.clip(-5, 40)
    grey = (decibels - rng.uniform(14, 20)) / rng.uniform(36, 44) + 1
    return (grey.clip(0, 1) * 255).astype(np.float32), ndimage.binary_dilation(
        head, iterations=_MASK_MARGIN_VOXELS
    )


def _turned_grid(head: Volume, axes: np.ndarray, margin_mm: float) -> Grid:
    """The scanner's grid along some axes, as large as the head with a margin."""
    points = head.grid.index_to_physical(np.argwhere(head.array)[::20, ::-1]) @ axes
    first, last = points.min(axis=0) - margin_mm, points.max(axis=0) + margin_mm
    size = np.ceil((last - first) / VOXEL_MM).astype(int)
    return Grid.of(size.tolist(), [VOXEL_MM] * 3, axes @ first, axes)
