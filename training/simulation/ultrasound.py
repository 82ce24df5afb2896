"""A small physical simulation of B-mode ultrasound: maps of tissue in, a 3D image out.

The transducer is convex, or linear (a convex one of great radius), and is swept by tilting, as in
free-hand or motorised 3D imaging. Along every beam the simulation has

* scattering: complex Gaussian scatterers with a tissue's backscatter as variance (fully developed
  speckle; Goodman, J. Opt. Soc. Am. 1976, doi:10.1364/JOSA.66.001145), blurred by a point spread
  function that widens away from the focus and is wider in elevation than laterally;
* specular echoes: amplitude reflectance d(ln Z)/2 at steps of the impedance Z, times a power of
  the cosine of incidence (after Wein et al., "Automatic CT-ultrasound
  registration", Med. Image Anal. 2008, who use the same terms on computed tomography);
* attenuation and transmission loss on the way, so that fluid enhances and bone shadows; a gain
  over time that assumes an average tissue; and electronic noise, which that gain lifts with depth;
* envelope, log compression and scan conversion. Outside the cone the image is 0.

:mod:`training.simulation.freehand` sweeps by hand, with holes and lost contact. Not simulated:
refraction, multiple echoes, side lobes, phase aberration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from scipy import fft, ndimage

Range = tuple[float, float]

FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))
_MARGIN_BEAMS = 8  # beams simulated beyond the cone: the circular convolution wraps in them
_AXIAL_STEP_MM = 0.5
_BEAM_STEP_MM = (1.2, 1.0)  # elevational and lateral distance of beams at the greatest depth


@dataclass(frozen=True)
class TissueMaps:
    """What ultrasound meets, each map float32 [k, j, i] on one grid of isotropic voxels.

    Attributes:
        backscatter: mean echo power relative to white matter (1.0), at least 0.
        log_impedance: natural logarithm of the acoustic impedance in MRayl.
        attenuation: in dB/cm/MHz, one way.
        spacing_mm: edge of a voxel.
    """

    backscatter: np.ndarray
    log_impedance: np.ndarray
    attenuation: np.ndarray
    spacing_mm: float = 1.0


@dataclass(frozen=True)
class Scan:
    """One acquisition: the transducer's geometry, its beam, and the machine's settings.

    The face is centred on voxel (k, j, i) = `face`, beams run towards +j, tilted laterally in i by
    up to `half_angle_deg` and swept in k by up to `half_sweep_deg`, all from a virtual apex
    `radius_mm` behind the face.
    """

    face: tuple[float, float, float]
    depth_mm: float
    radius_mm: float
    half_angle_deg: float
    half_sweep_deg: float
    frequency_mhz: float
    axial_fwhm_mm: float
    lateral_fwhm_mm: float
    lateral_spread: float
    elevation_factor: float
    focus_mm: float
    specular_db: float
    specular_exponent: float
    gain_error: float
    noise_db: float
    white_db: float
    dynamic_range_db: float
    looks: int


@dataclass(frozen=True)
class ScanRanges:
    """The uniform ranges from which the parameters of a `Scan` are drawn.

    By default geometry and frequency are those of probes for brain surgery, 4-8 MHz phased and
    convex arrays (RESECT, Xiao et al., Med. Phys. 2017, doi:10.1002/mp.12268, and ReMIND, Juvekar
    et al., Sci. Data 2024, doi:10.1038/s41597-024-03295-z); :meth:`linear` has those data sets'
    linear ones, :meth:`obstetric` the curved arrays that look at a fetus.
    """

    depth_mm: Range = (70.0, 105.0)
    radius_mm: Range = (10.0, 45.0)
    half_angle_deg: Range = (28.0, 42.0)
    half_sweep_deg: Range = (20.0, 34.0)
    frequency_mhz: Range = (4.0, 8.0)
    # A pulse of two cycles is one wavelength (0.2-0.4 mm) long in the image; display filters and
    # the reconstruction of a volume on voxels of about 1 mm bring it to this.
    axial_fwhm_mm: Range = (0.8, 1.2)
    # f-number 3-5 times the wavelength at the focus, and the growth away from it in mm per mm.
    lateral_fwhm_mm: Range = (1.0, 1.8)
    lateral_spread: Range = (0.015, 0.035)
    # One row of elements has a fixed elevational focus: slices are thicker than beams are wide.
    elevation_factor: Range = (1.2, 1.8)
    focus_mm: Range = (30.0, 70.0)
    # Specular echo of a reflectance of 1, relative to the speckle of white matter: a fluid-brain
    # interface (reflectance 0.03, -31 dB) at normal incidence then stands 5-15 dB above it, less
    # what the voxels smear.
    specular_db: Range = (40.0, 50.0)
    specular_exponent: Range = (2.0, 6.0)
    # The gain over time follows the median attenuation in the cone, this fraction too low or high.
    gain_error: Range = (-0.08, 0.08)
    # Relative to white matter's echo at the face; the gain lifts it by some 50 dB at 80 mm.
    noise_db: Range = (-95.0, -75.0)
    white_db: Range = (26.0, 34.0)
    dynamic_range_db: Range = (48.0, 62.0)
    # Independent images averaged: frequency and spatial compounding, overlap of the sweep.
    looks: tuple[int, int] = (1, 4)

    @classmethod
    def linear(cls) -> ScanRanges:
        """A linear array of about 40 mm, 5-10 MHz: all but parallel beams, 35 mm to either side."""
        return cls(
            depth_mm=(40.0, 70.0),
            radius_mm=(2000.0, 2000.0),
            half_angle_deg=(0.5, 0.65),
            half_sweep_deg=(0.4, 0.6),
            frequency_mhz=(5.0, 10.0),
            axial_fwhm_mm=(0.5, 0.9),
            lateral_fwhm_mm=(0.6, 1.2),
        )

    @classmethod
    def obstetric(cls) -> ScanRanges:
        """A curved array on the mother's abdomen, one plane.

        2-5 MHz, 40-60 mm radius, 60-70 degrees of field (ranges of commercial abdominal probes),
        beams 2-4 mm wide at the depth of a fetal head. What the display does, compounding, gain
        and the level of white, is ours: chosen to look like HC18, then measured
        (:mod:`training.simulation.fetal_realism`).
        """
        return cls(
            depth_mm=(120.0, 170.0),
            radius_mm=(40.0, 60.0),
            half_angle_deg=(30.0, 36.0),
            half_sweep_deg=(1.0, 1.0),
            frequency_mhz=(2.5, 5.0),
            axial_fwhm_mm=(0.6, 1.2),
            lateral_fwhm_mm=(1.5, 2.8),
            lateral_spread=(0.01, 0.03),
            focus_mm=(50.0, 100.0),
            specular_db=(46.0, 58.0),
            gain_error=(-0.3, 0.3),
            white_db=(26.0, 36.0),
            dynamic_range_db=(34.0, 46.0),
            looks=(4, 10),
        )

    def draw(self, face: tuple[float, float, float], rng: np.random.Generator) -> Scan:
        """Draw a scan whose face is centred on voxel (k, j, i) `face`."""
        names = [field.name for field in fields(self) if field.name != "looks"]
        drawn = {name: float(rng.uniform(*getattr(self, name))) for name in names}
        looks = int(rng.integers(self.looks[0], self.looks[1], endpoint=True))
        return Scan(face=face, looks=looks, **drawn)


@dataclass(frozen=True)
class Beams:
    """The samples of a sweep: distance from the apex in mm, and the tilts of the beams in rad."""

    r: np.ndarray
    phi: np.ndarray
    theta: np.ndarray

    @classmethod
    def of(cls, scan: Scan) -> Beams:
        """Return beams that cover the scan's cone, and a margin around it."""
        far = scan.radius_mm + scan.depth_mm
        r = np.arange(scan.radius_mm, far + _AXIAL_STEP_MM, _AXIAL_STEP_MM, dtype=np.float32)
        tilts = []
        for degrees, step in zip((scan.half_sweep_deg, scan.half_angle_deg), _BEAM_STEP_MM):
            half = math.radians(degrees)
            beam = step / far
            number = math.ceil(half / beam) + _MARGIN_BEAMS
            tilts.append((np.arange(-number, number + 1) * beam).astype(np.float32))
        return cls(r, tilts[0], tilts[1])

    @property
    def directions(self) -> np.ndarray:
        """Unit vectors (k, j, i) of the beams, float32 [3, phi, theta]."""
        phi, theta = np.meshgrid(self.phi, self.theta, indexing="ij")
        lateral = np.cos(theta)
        return np.stack([lateral * np.sin(phi), lateral * np.cos(phi), np.sin(theta)])


class Sweep(Protocol):
    """How the frames of a sweep differ from those of a motor's."""

    @property
    def contact_db(self) -> np.ndarray:
        """Echo that is lost for want of contact, float32 [phi, theta] of the beams."""

    def seen_from(
        self, r: np.ndarray, phi: np.ndarray, theta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return where the echo of a voxel comes from, and whether there is a frame near it.

        Args:
            r: distances from the apex in mm, [n].
            phi, theta: tilts in rad, [n].

        Returns:
            The same three of the nearest frame, displaced as that is, and bool [n].
        """


def simulate_bmode(
    maps: TissueMaps,
    scan: Scan,
    seed: int,
    sweep: Sweep | None = None,
    at: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate the B-mode volume that a scan makes of tissue.

    Args:
        maps: the tissue on a grid [k, j, i].
        scan: the acquisition.
        seed: of scatterers and noise; the same seed gives the same voxels.
        sweep: how it was swept by hand; by a motor where None.
        at: where the image has its voxels, [3, k, j, i] in voxels of the tissue's grid; on that
            grid where None.

    Returns:
        image: float32 [k, j, i] in 0..255, 0 outside the cone and in holes.
        cone: bool [k, j, i], the voxels that the sweep reaches, holes among them.
    """
    rng = np.random.default_rng(seed)
    beams = Beams.of(scan)
    lost_db = 0.0 if sweep is None else sweep.contact_db
    decibels = 20 * np.log10(envelope(maps, scan, beams, rng, lost_db) + 1e-6)
    grey = np.clip((decibels - scan.white_db) / scan.dynamic_range_db + 1, 0, 1) * 255
    along = [np.arange(n, dtype=np.float32) for n in maps.backscatter.shape]
    places = np.meshgrid(*along, indexing="ij", sparse=True) if at is None else at
    from_face = [(place - face) * maps.spacing_mm for place, face in zip(places, scan.face)]
    return _scan_convert(grey.astype(np.float32), from_face, scan, beams, sweep)


def envelope(
    maps: TissueMaps,
    scan: Scan,
    beams: Beams,
    rng: np.random.Generator,
    lost_db: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Return the echo's envelope along the beams, before it is turned into grey values.

    Args:
        maps, scan: as of :func:`simulate_bmode`.
        beams: of the scan.
        rng: of scatterers and noise.
        lost_db: for want of contact, [phi, theta]: echoes are weaker by it, and the noise is not.

    Returns:
        Float32 [r, phi, theta]; the mean power of white matter at the face is 1.
    """
    positions = _positions(maps, scan, beams)
    backscatter = _sample(maps.backscatter, positions)
    attenuation = _sample(maps.attenuation, positions)
    reflectance, towards = _reflectance(maps, positions, beams)
    specular = reflectance * towards**scan.specular_exponent * 10 ** (scan.specular_db / 20)
    sigma = scan.axial_fwhm_mm / FWHM_PER_SIGMA / _AXIAL_STEP_MM
    specular *= math.sqrt(2 * math.pi) * sigma  # to the height, not the sum, of the pulse
    gain_db = _gain_db(attenuation, scan, beams)
    received = 10 ** ((gain_db - _loss_db(attenuation, reflectance, scan) - lost_db) / 20)
    noise = 10 ** ((scan.noise_db + gain_db) / 20)
    summed = np.zeros(backscatter.shape, np.float32)
    for _ in range(scan.looks):
        echo = _blur(specular + _scatterers(backscatter, scan, beams, rng), scan, beams)
        summed += np.abs(echo * received + _noise(echo.shape, rng) * noise)
    return summed / scan.looks


def _gain_db(attenuation: np.ndarray, scan: Scan, beams: Beams) -> np.ndarray:
    """Return the gain over time [r, 1, 1] in dB that undoes the median tissue's attenuation."""
    slope = 2 * scan.frequency_mhz * float(np.median(attenuation)) * (1 + scan.gain_error)
    return (slope * (beams.r - scan.radius_mm) / 10)[:, None, None]


def _loss_db(attenuation: np.ndarray, reflectance: np.ndarray, scan: Scan) -> np.ndarray:
    """Return the two-way loss in dB from the face to every sample: absorbed and turned back."""
    step_db = 2 * scan.frequency_mhz * attenuation * (_AXIAL_STEP_MM / 10)
    step_db -= 2 * 10 * np.log10(1 - np.minimum(reflectance, 0.99) ** 2)
    return np.cumsum(step_db, axis=0)


def _reflectance(
    maps: TissueMaps, positions: np.ndarray, beams: Beams
) -> tuple[np.ndarray, np.ndarray]:
    """Return reflectance |d ln Z| / 2 and cosine of incidence at every sample [r, phi, theta]."""
    gradient = np.gradient(ndimage.gaussian_filter(maps.log_impedance, 0.5), maps.spacing_mm)
    along = np.zeros(positions.shape[1:], np.float32)
    squared = np.zeros(positions.shape[1:], np.float32)
    for part, direction in zip(gradient, beams.directions):
        sampled = _sample(part, positions)
        along += sampled * direction
        squared += sampled**2
    steepness = np.sqrt(squared)
    towards = np.abs(along) / np.maximum(steepness, 1e-6)
    return steepness * (_AXIAL_STEP_MM / 2), towards


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return circular complex Gaussian numbers of unit mean power, complex64."""
    parts = rng.standard_normal((*shape, 2), dtype=np.float32) * np.float32(math.sqrt(0.5))
    return parts.view(np.complex64)[..., 0]


def _scatterers(
    backscatter: np.ndarray, scan: Scan, beams: Beams, rng: np.random.Generator
) -> np.ndarray:
    """Return scatterers that the blur turns into echoes of the backscatter's mean power."""
    # A Gaussian of unit sum and of sigma samples keeps 1 / (2 sqrt(pi) sigma) of white power.
    scale = np.ones(len(beams.r), np.float32)
    for sigma in _sigma_samples(scan, beams):
        scale *= np.sqrt(2 * math.sqrt(math.pi) * sigma)
    return _noise(backscatter.shape, rng) * np.sqrt(backscatter) * scale[:, None, None]


def _sigma_samples(scan: Scan, beams: Beams) -> list[np.ndarray]:
    """Return the blur's sigma in samples along (r, phi, theta), each for every distance r."""
    from_focus = scan.lateral_spread * (beams.r - scan.radius_mm - scan.focus_mm)
    lateral = np.hypot(scan.lateral_fwhm_mm, from_focus) / FWHM_PER_SIGMA / beams.r
    axial = np.full(len(beams.r), scan.axial_fwhm_mm / FWHM_PER_SIGMA / _AXIAL_STEP_MM, np.float32)
    phi_step = beams.phi[1] - beams.phi[0]
    theta_step = beams.theta[1] - beams.theta[0]
    # Sampling below 0.6 sigma a beam would not show the blur: it is kept at least that wide.
    lateral_samples = np.maximum(lateral / theta_step, 0.6)
    elevation_samples = np.maximum(scan.elevation_factor * lateral / phi_step, 0.6)
    return [axial, elevation_samples, lateral_samples]


def _blur(field: np.ndarray, scan: Scan, beams: Beams) -> np.ndarray:
    """Convolve [r, phi, theta] with the point spread function, of unit sum, that varies with r."""
    axial, *angular = _sigma_samples(scan, beams)
    field = ndimage.gaussian_filter1d(field, float(axial[0]), axis=0, mode="nearest")
    for axis, sigma in zip((1, 2), angular):
        omega = 2 * math.pi * fft.fftfreq(field.shape[axis]).astype(np.float32)
        transfer = np.exp(-0.5 * (sigma[:, None] * omega[None, :]) ** 2).astype(np.float32)
        shape = (len(sigma), -1, 1) if axis == 1 else (len(sigma), 1, -1)
        field = fft.ifft(fft.fft(field, axis=axis) * transfer.reshape(shape), axis=axis)
    return field


def _positions(maps: TissueMaps, scan: Scan, beams: Beams) -> np.ndarray:
    """Return the voxel coordinates (k, j, i) of every sample, float32 [3, r, phi, theta]."""
    travelled = beams.directions[:, None] * beams.r[None, :, None, None]
    apex = np.array(scan.face) - np.array([0.0, scan.radius_mm / maps.spacing_mm, 0.0])
    positions = travelled / maps.spacing_mm + apex[:, None, None, None]
    return positions.astype(np.float32)


def _sample(array: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Interpolate [k, j, i] linearly at voxel coordinates; beyond the grid its edge goes on."""
    return ndimage.map_coordinates(array, positions, order=1, mode="nearest", output=np.float32)


def _scan_convert(
    grey: np.ndarray, from_face: list[np.ndarray], scan: Scan, beams: Beams, sweep: Sweep | None
) -> tuple[np.ndarray, np.ndarray]:
    """Bring the samples [r, phi, theta] to voxels; return image and cone [k, j, i].

    Args:
        grey: the samples.
        from_face: mm of the voxels from the centre of the probe's face along k, j and i, of
            shapes that broadcast to [k, j, i].
        scan, beams, sweep: as of :func:`simulate_bmode`.
    """
    k, j, i = from_face[0], from_face[1] + scan.radius_mm, from_face[2]
    r = np.sqrt(k**2 + j**2 + i**2)
    theta = np.arcsin(i / np.maximum(r, 1e-3))
    phi = np.broadcast_to(np.arctan2(k, j), r.shape)
    cone = (r >= scan.radius_mm) & (r <= scan.radius_mm + scan.depth_mm)
    cone &= np.abs(theta) <= math.radians(scan.half_angle_deg)
    cone &= np.abs(phi) <= math.radians(scan.half_sweep_deg)
    seen = r[cone], phi[cone], theta[cone], np.ones(np.count_nonzero(cone), bool)
    *places, near = sweep.seen_from(*seen[:3]) if sweep else seen
    samples = np.stack(
        [
            (values - axis[0]) / (axis[1] - axis[0])
            for values, axis in zip(places, (beams.r, beams.phi, beams.theta))
        ]
    )
    image = np.zeros(r.shape, np.float32)
    image[cone] = ndimage.map_coordinates(grey, samples, order=1, mode="nearest") * near
    return image, cone
