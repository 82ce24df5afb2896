"""Adult heads as label maps: their tissues, how these echo, and how bright they are in MRI.

The label maps are those that SynthSeg was trained on (Billot et al., Med. Image Anal. 2023,
doi:10.1016/j.media.2023.102789, Apache-2.0): FreeSurfer numbers, above 500 what is not brain.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

Range = tuple[float, float]

CORTEX_LEFT, CORTEX_RIGHT = (3,), (42,)
CEREBELLUM = (7, 8, 46, 47)
EXTERNAL_CSF = 24

# Which column of the priors belongs to which labels: SynthSeg's
# generation_classes_contrast_specific.npy. (The generation_classes.npy beside the priors has 48
# classes, the priors have 25: that table is for contrasts drawn at random.)
_CLASSES: tuple[tuple[int, ...], ...] = (
    (0,),
    (14, 15, 24, 72, 4, 5, 43, 44),
    (85, 2, 41),
    (3, 11, 17, 18, 26, 42, 50, 53, 54, 58),
    (7, 46),
    (8, 47),
    (10, 49),
    (12, 51),
    (13, 52),
    (28, 60),
    (25, 57),
    (30, 62),
    (136, 137, 163, 164),
    (16,),
    *((label,) for label in (502, 506, 507, 508, 509, 511, 512, 514, 515, 516, 530)),
)


@dataclass(frozen=True)
class Tissue:
    """How a tissue meets ultrasound.

    Attributes:
        labels: its numbers in the label maps; none for structures found by geometry.
        impedance: density times speed of sound, MRayl.
        attenuation: range in dB/cm/MHz.
        backscatter_db: range of the mean echo relative to white matter.
        patchiness_db: standard deviation of the slow variation inside the tissue.
    """

    labels: tuple[int, ...]
    impedance: float
    attenuation: Range
    backscatter_db: Range
    patchiness_db: float = 1.0


# Impedance from the densities and speeds of sound of the IT'IS tissue database
# (doi:10.13099/VIP21000-04-1); attenuation after Goss et al., J. Acoust. Soc. Am. 1978
# (doi:10.1121/1.382016) and Culjat et al., Ultrasound Med. Biol. 2010
# (doi:10.1016/j.ultrasmedbio.2010.02.012), white matter above grey. Echogenicity in words from
# Table 2 of "Demonstrative study of brain anatomical landmarks by intraoperative ultrasound
# imaging", Egypt. J. Neurosurg. 2019 (doi:10.1186/s41984-019-0056-5): ventricles hypoechoic and
# homogeneous; choroid plexus, falx and tentorium homogeneous hyperechoic; sulci, fissures and
# cisterns heterogeneous hyperechoic; grey and white matter hard to tell apart. The ranges in dB
# are ours: chosen to give these words, then looked at.
TISSUES: dict[str, Tissue] = {
    "white_matter": Tissue((2, 41, 85, 28, 60), 1.616, (0.55, 0.70), (0.0, 0.0)),
    "cortex": Tissue((3, 42), 1.568, (0.40, 0.50), (-7.0, -3.0)),
    "deep_grey": Tissue(
        (10, 49, 11, 50, 12, 51, 13, 52, 26, 58, 17, 53, 18, 54), 1.575, (0.4, 0.6), (-4.0, 2.0)
    ),
    "lesion": Tissue((25, 57), 1.60, (0.5, 0.8), (1.0, 5.0)),
    "ventricle": Tissue((4, 43, 5, 44, 14, 15, 72), 1.515, (0.002, 0.02), (-50.0, -35.0), 0.0),
    "choroid": Tissue((136, 137, 163, 164), 1.60, (0.5, 0.8), (10.0, 15.0)),
    "cerebellar_white": Tissue((7, 46), 1.616, (0.55, 0.8), (-2.0, 2.0)),
    "cerebellar_cortex": Tissue((8, 47), 1.595, (0.4, 0.6), (1.0, 6.0), 2.0),
    "brainstem": Tissue((16,), 1.61, (0.5, 0.8), (-8.0, -2.0)),
    "vessel": Tissue((30, 62), 1.657, (0.1, 0.2), (-25.0, -12.0), 0.0),
    "cistern": Tissue((EXTERNAL_CSF,), 1.515, (0.01, 0.05), (-22.0, -8.0), 4.0),
    "sulcus": Tissue((), 1.55, (0.2, 0.4), (9.0, 15.0), 2.5),
    "falx": Tissue((), 1.70, (0.8, 1.5), (14.0, 20.0)),
    "dura": Tissue((514, 512), 1.68, (0.5, 1.2), (6.0, 12.0)),
    "bone": Tissue((515, 516, 502), 6.0, (5.0, 10.0), (4.0, 12.0)),
    "soft": Tissue((507, 508, 511, 530), 1.65, (0.6, 1.2), (-2.0, 6.0), 2.0),
    "air": Tissue((0, 506, 509), 0.2, (20.0, 30.0), (-30.0, -20.0), 0.0),
    "saline": Tissue((), 1.53, (0.002, 0.01), (-60.0, -50.0), 0.0),
}
TISSUE_INDEX = {name: index for index, name in enumerate(TISSUES)}
EXTRACRANIAL = ("dura", "bone", "soft", "air")


def tissues_named(*names: str) -> np.ndarray:
    """Return bool [tissues], True for the tissues of these names: a table to look voxels up in."""
    return np.isin(list(TISSUES), names)


# T1, T2 in ms and proton density of BrainWeb's tissues at 1.5 T (Kwan, Evans and Pike, IEEE Trans.
# Med. Imaging 1999, doi:10.1109/42.816072), for each class above. Its brain has but one grey matter
# and no pallidum, which is as dark as white matter. Vessels, bone and air give no signal.
_CSF, _GREY, _WHITE = (2569, 329, 1.0), (833, 83, 0.86), (500, 70, 0.77)
_FAT, _MUSCLE, _PLAQUE, _NONE = (350, 70, 1.0), (900, 47, 1.0), (752, 237, 0.76), (1, 1, 0.0)
_RELAXATION: tuple[tuple[float, float, float], ...] = (
    *(_NONE, _CSF, _WHITE, _GREY, _WHITE, _GREY, _GREY, _GREY, _WHITE, _WHITE, _PLAQUE, _NONE),
    *(_GREY, _WHITE, _FAT, _NONE, _MUSCLE, _MUSCLE, _NONE, _MUSCLE, _MUSCLE, _MUSCLE),
    *(_NONE, _MUSCLE, _FAT),
)
_REPETITION_MS, _ECHO_MS = 4000.0, 100.0
_FLUID_GREY = 220.0  # what fluid is in T2, of 0..255
# Of a class's mean from image to image, and inside an image, over the mean; ours.
_T2_SPREAD = 0.1

CONTRASTS = ("T1", "T2")


@dataclass(frozen=True)
class MriPriors:
    """How bright the classes of the label maps are in MRI of one contrast.

    Attributes:
        means: mean of a class's intensity [2, 25]: rows mean and spread over images.
        stds: standard deviation inside a class, the same.
        contrast: "T1" or "T2".
    """

    means: np.ndarray
    stds: np.ndarray
    contrast: str = "T1"

    @classmethod
    def of(cls, contrast: str, data: Path) -> MriPriors:
        """Return those of a contrast: T1 as they come with the label maps, T2 by physics.

        T2 is a spin echo, PD (1 - exp(-TR / T1)) exp(-TE / T2), TR 4000 ms and TE 100 ms.

        Args:
            contrast: one of :data:`CONTRASTS`.
            data: folder that holds `adult_labels`.
        """
        if contrast == "T1":
            folder = data / "adult_labels"
            return cls(*(np.load(folder / f"prior_{name}_t1.npy") for name in ("means", "stds")))
        t1, t2, density = np.array(_RELAXATION).T
        signal = density * (1 - np.exp(-_REPETITION_MS / t1)) * np.exp(-_ECHO_MS / t2)
        mean = signal * (_FLUID_GREY / signal[1])
        rows = np.stack([mean, _T2_SPREAD * mean])
        return cls(rows, _T2_SPREAD * rows, contrast)


@dataclass(frozen=True)
class Head:
    """One adult head, cut to the neighbourhood of the brain, axes k up, j to the front, i left.

    Attributes:
        labels: uint16 [k, j, i], 1 mm.
        tissue: uint8 [k, j, i], positions in `TISSUES`, with sulci and falx found by geometry.
    """

    labels: np.ndarray
    tissue: np.ndarray


def read_head(data: Path, name: str, margin: int = 24) -> Head:
    """Read a head, crop it to the brain and a margin in voxels, and find its sulci and falx."""
    image = sitk.ReadImage(str(data / "adult_labels" / f"{name}.nii.gz"))
    # k up, j to the front, i to the patient's left.
    labels = sitk.GetArrayFromImage(sitk.DICOMOrient(image, "LAS")).astype(np.uint16)
    brain = np.isin(labels, (2, 3, 41, 42, 8, 47, 16))
    box = ndimage.find_objects(brain.astype(np.uint8))[0]
    cropped = labels[tuple(slice(max(s.start - margin, 0), s.stop + margin) for s in box)]
    return Head(cropped, find_tissue(cropped))


def find_tissue(labels: np.ndarray) -> np.ndarray:
    """Return the tissue of every voxel, uint8 positions in `TISSUES`, for a label map at 1 mm.

    Three structures that echo strongly are not labelled and are found by geometry: the pia and
    vessels of a sulcus, as the external CSF next to cortex and as the ridge of the distance from
    white matter where two banks of cortex touch; the falx, as the external CSF just as far from
    left as from right cortex (so it has gaps where the fissure is an even number of voxels wide);
    the tentorium, the same for cerebrum and cerebellum.
    """
    table = np.zeros(int(labels.max()) + 1, np.uint8) + TISSUE_INDEX["soft"]
    for index, tissue in enumerate(TISSUES.values()):
        for label in tissue.labels:
            if label < len(table):
                table[label] = index
    tissue = table[labels]
    cortex = np.isin(labels, CORTEX_LEFT + CORTEX_RIGHT)
    fluid = labels == EXTERNAL_CSF
    tissue[_sulcal(labels, cortex, fluid)] = TISSUE_INDEX["sulcus"]
    left, right = (_distance(np.isin(labels, side)) for side in (CORTEX_LEFT, CORTEX_RIGHT))
    cerebrum, cerebellum = np.minimum(left, right), _distance(np.isin(labels, CEREBELLUM))
    falx = fluid & (np.abs(left - right) < 0.75) & (left < 6)
    tentorium = fluid & (np.abs(cerebrum - cerebellum) < 0.75) & (cerebellum < 5)
    tissue[falx | tentorium] = TISSUE_INDEX["falx"]
    return tissue


def _sulcal(labels: np.ndarray, cortex: np.ndarray, fluid: np.ndarray) -> np.ndarray:
    """Return the voxels [k, j, i] of pia and vessels: narrow CSF, and touching banks of cortex."""
    near_cortex = fluid & (_distance(cortex) <= 1.5)
    depth = _distance(np.isin(labels, (2, 41, 10, 49, 11, 50, 12, 51)))
    ridge = ndimage.gaussian_laplace(np.minimum(depth, 6), 1.0) < -0.35
    return near_cortex | (ridge & cortex & (depth > 1.5))


def _distance(mask: np.ndarray) -> np.ndarray:
    """Return the distance in voxels from every voxel to the nearest of the mask, float32."""
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    return ndimage.distance_transform_edt(~mask).astype(np.float32)


def draw_mri(labels: np.ndarray, priors: MriPriors, rng: np.random.Generator) -> np.ndarray:
    """Draw an MRI of the priors' contrast for a label map, float32 [k, j, i] in 0..255.

    Class means and standard deviations come from the priors. The mean of white matter is then set
    to the prior's (intensities of real MRI are normalised the same way), the volume is blurred for
    partial volume, given a mild bias field (+-5 %) and Rician noise.
    """
    classes = len(_CLASSES)
    means = rng.normal(priors.means[0, :classes], 0.5 * priors.means[1, :classes])
    stds = np.abs(rng.normal(priors.stds[0, :classes], 0.5 * priors.stds[1, :classes]))
    means *= priors.means[0, 2] / max(means[2], 1.0)
    table = np.zeros(int(labels.max()) + 1, np.int64)
    for index, members in enumerate(_CLASSES):
        for label in members:
            if label < len(table):
                table[label] = index
    klass = table[labels]
    # The priors' spread holds partial volume and noise, which are added below: half of it is left.
    spread = (0.5 * np.minimum(stds, 30)).astype(np.float32)
    image = means.astype(np.float32)[klass]
    image += rng.standard_normal(labels.shape, dtype=np.float32) * spread[klass]
    image = ndimage.gaussian_filter(np.maximum(image, 0), 0.6)
    image *= smooth_field(labels.shape, 40.0, rng) * 0.05 + 1
    noise = rng.standard_normal((2, *labels.shape), dtype=np.float32) * 2
    return np.clip(np.hypot(image + noise[0], noise[1]), 0, 255).astype(np.float32)


def smooth_field(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> np.ndarray:
    """Return a random float32 field, about N(0, 1), that varies over `scale` voxels."""
    coarse_shape = [int(np.ceil(n / scale)) + 3 for n in shape]
    coarse = rng.standard_normal(coarse_shape, dtype=np.float32)
    axes = [
        np.linspace(1, 1 + n / scale, n, dtype=np.float32) + rng.uniform(-0.5, 0.5) for n in shape
    ]
    field = coarse
    for axis, at in enumerate(axes):
        field = _resample_axis(field, at, axis)
    # Linear interpolation loses about a third of the variance along each axis.
    return field * np.float32(1.5**1.5)


def _resample_axis(field: np.ndarray, at: np.ndarray, axis: int) -> np.ndarray:
    """Interpolate linearly along one axis at fractional positions."""
    low = np.clip(np.floor(at).astype(int), 0, field.shape[axis] - 2)
    weight = (at - low).astype(np.float32)
    weight = weight.reshape([-1 if a == axis else 1 for a in range(field.ndim)])
    return np.take(field, low, axis) * (1 - weight) + np.take(field, low + 1, axis) * weight
