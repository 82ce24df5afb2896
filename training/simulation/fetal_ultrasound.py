"""Ultrasound of a fetal brain from its tissues, with an appearance drawn anew for each image.

No simulation of one probe looks like the images of all: what is drawn here, the echo of every
tissue, the machine, the way of the sound, covers them (domain randomisation; Tobin et al., IROS
2017, doi:10.1109/IROS.2017.8202133; for label maps Billot et al., Med. Image Anal. 2023,
doi:10.1016/j.media.2023.102789). The terms are those of
:mod:`training.simulation.ultrasound`: scattering with speckle, specular echoes by the cosine of
incidence, losses on the way, log compression. In addition it draws what makes a fetal head: skull,
falx, choroid plexus, cerebellum, haze under the nearer half of the skull and its echoes.

The image is made in the head-scaled frame, with the errors of a head that was found, and
normalised as a real one is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from scipy.ndimage import (
    affine_transform,
    binary_dilation,
    distance_transform_edt,
    gaussian_filter,
    gaussian_filter1d,
    label,
)

from training.data.brain_slices import BrainSlice
from USToMRILib.fetal.brain import normalise_brain
from USToMRILib.fetal.ellipse import Ellipse
from USToMRILib.fetal.tissues import Tissue

_TISSUES = len(Tissue) + 1


@dataclass(frozen=True)
class View:
    """A brain as one probe sees it; arrays are [rows, columns].

    Attributes:
        tissues: uint8, the numbers of :class:`Tissue`.
        brain: bool.
        ellipse: of the brain, in pixels.
        size_mm: long axis of the brain.
        beam: float32 [2, rows, columns], (down, across) unit vectors of the sound's way.
        depth: 0 where the brain begins, 1 where it ends.
        angle: of the beam in the probe's fan, from -1 to 1 over the brain.
        side: 1 if the probe lies above the image, -1 below.
        tilt: of the fan's axis, in radians.
    """

    tissues: np.ndarray
    brain: np.ndarray
    ellipse: Ellipse
    size_mm: float
    beam: np.ndarray
    depth: np.ndarray
    angle: np.ndarray
    side: int
    tilt: float

    @classmethod
    def draw(cls, brain: BrainSlice, rng: np.random.Generator) -> View:
        """Draw where the probe lies: above or below the midline, seldom at the forehead."""
        inside = brain.tissues > 0
        ellipse = Ellipse.from_mask(inside, (1.0, 1.0))
        side = 1 if rng.random() < 0.5 else -1
        usual = rng.random() < 0.85
        tilt = float(np.radians(rng.normal(0, 12)) if usual else rng.uniform(-1.2, 1.2))
        apex = np.array(ellipse.centre[::-1]) + side * rng.uniform(90, 350) * np.array(
            [-np.cos(tilt), np.sin(tilt)]
        )
        way = np.indices(inside.shape, np.float32) - apex[:, None, None].astype(np.float32)
        distance = np.hypot(*way)
        beam = way / distance
        near, far = distance[inside].min(), distance[inside].max()
        fan = np.arctan2(beam[1] * side, beam[0] * side) + tilt
        lowest, highest = fan[inside].min(), fan[inside].max()
        return cls(
            tissues=brain.tissues,
            brain=inside,
            ellipse=ellipse,
            size_mm=brain.size_mm,
            beam=beam,
            depth=(distance - near) / max(far - near, 1),
            angle=2 * (fan - lowest) / max(highest - lowest, 1e-3) - 1,
            side=side,
            tilt=tilt,
        )

    def of(self, tissue: Tissue) -> np.ndarray:
        """Bool [rows, columns]: the pixels of a tissue."""
        return self.tissues == tissue

    def incidence(self, edge: np.ndarray) -> np.ndarray:
        """|cosine| between the beam and the normal [2, rows, columns] of an edge."""
        return np.abs((edge * self.beam).sum(0)) / (np.hypot(*edge) + 1e-6)


def simulate_brain(brain: BrainSlice, rng: np.random.Generator) -> np.ndarray:
    """Simulate a normalised ultrasound image of a slice, float32 [128, 128] in [-1, 1]."""
    view = View.draw(brain, rng)
    skull, scalp = _skull(view, rng)
    tissue = _tissue_echo(view, skull, scalp, rng)
    lines = _specular_echo(view, rng) + _falx(view, rng) + _vessels(view, rng)
    lines += _cerebellum(view, rng)
    lines = _across_the_beam(lines, view, rng.uniform(0.0, 0.35), rng.uniform(0.3, 2.2))
    blobs = _choroid_plexus(view, rng)
    glitter = _uneven(_speckle(view, rng, 0.5, 1.6), rng)
    amplitude = tissue * _speckle(view, rng, rng.uniform(0.15, 0.55), rng.uniform(0.35, 1.8))
    amplitude += lines * glitter
    amplitude += blobs * _uneven(_speckle(view, rng, 0.6, 1.2), rng) * rng.uniform(0.6, 1.2)
    blur = rng.uniform(0.0, 0.35), rng.uniform(0.1, 0.6)
    amplitude = gaussian_filter(amplitude + skull, blur) * _losses(view, rng)
    amplitude = _near_field(amplitude, view, rng) + _clutter(view, rng)
    amplitude += _reverberation(view, skull, rng)
    amplitude += rng.uniform(0, 0.02) * np.abs(rng.standard_normal(amplitude.shape))
    return normalise_brain(_display(amplitude, rng), _found_brain(view, rng))


def _tissue_echo(
    view: View, skull: np.ndarray, scalp: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Mean echo of the tissues, mottled over some millimetres; fluid gives hardly any."""
    base = rng.uniform(0.05, 0.25)
    echo = np.zeros(_TISSUES, np.float32)
    echo[Tissue.WHITE_MATTER] = base
    echo[Tissue.VENTRICLES] = rng.uniform(0, 0.05)
    echo[Tissue.CEREBELLUM] = base * rng.uniform(0.9, 2.2)
    echo[Tissue.EXTERNAL_CSF] = base * rng.uniform(0.2, 2.5)  # crossed by vessels and webs
    echo[Tissue.CORTEX] = base * rng.uniform(0.5, 1.6)
    echo[Tissue.DEEP_GREY_MATTER] = base * rng.uniform(0.5, 1.3)
    echo[Tissue.BRAINSTEM] = base * rng.uniform(0.6, 1.5)
    echo[Tissue.CALLOSUM] = base * rng.uniform(0.4, 1.2)
    mean = gaussian_filter(echo[view.tissues], rng.uniform(0.4, 0.9))
    mean *= _mottle(view.brain.shape, rng.uniform(4, 14), rng.uniform(0, 6), rng)
    mean[~view.brain] = echo[Tissue.EXTERNAL_CSF]
    mean[skull > 0.2] *= 0.3  # what lies in bone does not scatter
    mean[scalp] = rng.uniform(0.02, 0.3)
    return mean


def _specular_echo(view: View, rng: np.random.Generator) -> np.ndarray:
    """Lines where the impedance changes, by the cosine of incidence, broken at random."""
    impedance = np.zeros(_TISSUES, np.float32)
    impedance[0] = impedance[Tissue.EXTERNAL_CSF] = -rng.uniform(0.5, 1.0)
    impedance[Tissue.VENTRICLES] = -1.0
    impedance[Tissue.CEREBELLUM] = rng.uniform(-0.2, 0.5)
    impedance[Tissue.CORTEX] = rng.uniform(-0.15, 0.25)
    impedance[Tissue.DEEP_GREY_MATTER] = rng.uniform(-0.2, 0.3)
    impedance[Tissue.BRAINSTEM] = rng.uniform(-0.2, 0.3)
    impedance[Tissue.CALLOSUM] = rng.uniform(-0.3, 0.3)
    steps = np.stack(np.gradient(gaussian_filter(impedance[view.tissues], rng.uniform(0.45, 0.9))))
    towards = view.incidence(steps) ** rng.uniform(2, 12)
    breaks = _mottle(view.brain.shape, rng.uniform(1.5, 5), rng.uniform(0, 9), rng).clip(0.05, 4)
    return np.hypot(*steps) * towards * breaks * rng.uniform(0.7, 3.2)


def _falx(view: View, rng: np.random.Generator) -> np.ndarray:
    """The bright line between the halves, where fluid lies between them, often beyond."""
    rows, columns = np.indices(view.brain.shape, np.float32)
    x, y = view.ellipse.centre
    slope = np.tan(view.ellipse.angle + rng.uniform(-0.02, 0.02))
    middle = y + slope * (columns - x) + rng.uniform(-1, 1)
    line = np.exp(-(((rows - middle) / rng.uniform(0.45, 1.1)) ** 2) / 2)
    near = np.abs(rows - middle) <= 2
    fluid = (near & view.of(Tissue.EXTERNAL_CSF)).any(0).astype(np.float32)
    elsewhere = rng.uniform(0, 0.6) if rng.random() < 0.6 else 0.0
    strength = gaussian_filter1d(np.maximum(fluid, elsewhere), 3)
    strength *= np.exp(rng.uniform(1, 7) * gaussian_filter1d(rng.standard_normal(len(fluid)), 4))
    return line * strength * rng.uniform(0.2, 1.4) * view.brain


def _vessels(view: View, rng: np.random.Generator) -> np.ndarray:
    """Short lines across the beam that no parcellation names: vessels, membranes, the insula."""
    rows, columns = np.indices(view.brain.shape, np.float32)
    places = np.argwhere(view.brain)
    lines = np.zeros(view.brain.shape, np.float32)
    for row, column in places[rng.integers(len(places), size=rng.integers(0, 10))]:
        down, across = view.beam[:, row, column]
        turn = rng.normal(0, 0.2)
        c, s = np.cos(turn), np.sin(turn)
        down, across = c * down - s * across, s * down + c * across
        along = (columns - column) * down - (rows - row) * across
        deep = (
            (rows - row) * down + (columns - column) * across + rng.uniform(-0.02, 0.02) * along**2
        )
        length, width = rng.uniform(2, 9), rng.uniform(0.45, 1.0)
        spot = np.exp(-((along / length) ** 2 + (deep / width) ** 2) / 2)
        lines = np.maximum(lines, rng.uniform(0.1, 1.0) * spot)
    return lines * view.brain


def _choroid_plexus(view: View, rng: np.random.Generator) -> np.ndarray:
    """Bright blobs in the back of the lateral ventricles, the front of the head to the right.

    In small heads the plexus is large and nearly always seen, later it takes less of the ventricle.
    """
    rows, columns = np.indices(view.brain.shape, np.float32)
    young = float(np.clip((105 - view.size_mm) / 45, 0, 1))
    middle = view.ellipse.centre[1]
    lateral = view.of(Tissue.VENTRICLES) & (np.abs(rows - middle) > 5)
    plexus = np.zeros(view.brain.shape, np.float32)
    for half in (rows < middle, rows >= middle):
        parts, count = label(lateral & half)
        if not count or rng.random() > 0.4 + 0.6 * young:
            continue
        ventricle = parts == 1 + np.bincount(parts.ravel())[1:].argmax()
        if ventricle.sum() < 25:
            continue
        down, across = np.nonzero(ventricle)
        place = np.quantile(across, rng.uniform(0.15, 0.5))
        centre = (
            down[np.abs(across - place) < 4].mean()
            if (np.abs(across - place) < 4).any()
            else down.mean()
        )
        angle = np.arctan(np.polyfit(across, down, 1)[0]) if np.ptp(across) > 4 else 0.0
        long = rng.uniform(8, 18) * (0.55 + 0.6 * young)
        short = long * rng.uniform(0.35, 0.6)
        along = (columns - place) * np.cos(angle) + (rows - centre) * np.sin(angle)
        beside = (rows - centre) * np.cos(angle) - (columns - place) * np.sin(angle)
        reach = int(rng.integers(0, 3))
        room = binary_dilation(ventricle, iterations=reach) if reach else ventricle
        blob = ((along / long) ** 2 + (beside / short) ** 2 < 1) & room
        bright = gaussian_filter(blob.astype(np.float32), 0.8) * rng.uniform(0.5, 2.4)
        plexus = np.maximum(plexus, bright)
    return plexus


def _cerebellum(view: View, rng: np.random.Generator) -> np.ndarray:
    """Bright outline, vermis and folia of the cerebellum, where the plane cuts it.

    Pia and tentorium outline it from all sides, for they are rough; the folia echo within.
    """
    cerebellum = view.of(Tissue.CEREBELLUM)
    if not cerebellum.any():
        return np.zeros(cerebellum.shape, np.float32)
    rows, columns = np.indices(cerebellum.shape, np.float32)
    x, y = view.ellipse.centre
    aside = (rows - y) * np.cos(view.ellipse.angle) - (columns - x) * np.sin(view.ellipse.angle)
    deep = distance_transform_edt(cerebellum)
    outline = np.exp(-(((deep - 1) / rng.uniform(0.6, 1.2)) ** 2)) * rng.uniform(0.1, 1.2)
    folia = (1 + np.cos(2 * np.pi * deep / rng.uniform(2.5, 5))) / 2 * rng.uniform(0, 0.35)
    vermis = np.exp(-((aside / rng.uniform(1.5, 4)) ** 2) / 2) * rng.uniform(0, 0.8)
    breaks = _mottle(cerebellum.shape, rng.uniform(1.5, 5), rng.uniform(0, 6), rng).clip(0.05, 3)
    return np.where(cerebellum, outline + folia + vermis, 0) * breaks


def _skull(view: View, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Echo of the skull, bright where sound meets it squarely, and what lies outside of it."""
    gap, thickness = rng.uniform(0, 2.5), rng.uniform(2, 6)
    outside = distance_transform_edt(~view.brain)
    bone = ((outside > gap) & (outside <= gap + thickness)).astype(np.float32)
    edge = np.stack(np.gradient(gaussian_filter(view.brain.astype(np.float32), 2)))
    towards = view.incidence(edge) ** rng.uniform(1, 3)
    echo = bone * (rng.uniform(0.1, 0.5) + rng.uniform(0.5, 1) * towards)
    return gaussian_filter(echo, 0.8) * rng.uniform(0.8, 2.2), outside > gap + thickness


def _speckle(view: View, rng: np.random.Generator, axial: float, lateral: float) -> np.ndarray:
    """Envelope of speckle of unit mean square, its grains lying across the beam.

    Args:
        view: whose fan's axis turns the grains.
        rng: draws it, and how many looks are averaged.
        axial, lateral: standard deviation of the point spread in pixels.
    """
    looks = int(2 ** rng.integers(1, 7))
    rows, columns = view.brain.shape
    down, across = np.fft.fftfreq(rows)[:, None], np.fft.fftfreq(columns)
    c, s = np.cos(view.tilt), np.sin(view.tilt)
    along, beside = c * down - s * across, s * down + c * across
    spread = np.exp(-2 * np.pi**2 * ((axial * along) ** 2 + (lateral * beside) ** 2))
    waves = rng.standard_normal((2, looks, rows, columns), dtype=np.float32)
    noise = scipy.fft.fft2(waves[0] + 1j * waves[1])
    power = np.square(np.abs(scipy.fft.ifft2(noise * spread.astype(np.float32)))).mean(0)
    return np.sqrt(power / power.mean())


def _uneven(speckle: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As much of a speckle as machines leave that smooth it."""
    share = rng.uniform(0.1, 0.7)
    return 1 - share + share * speckle


def _across_the_beam(image: np.ndarray, view: View, axial: float, lateral: float) -> np.ndarray:
    """The image blurred by a point spread wider across the beam than along it, in pixels."""
    c, s = np.cos(view.tilt), np.sin(view.tilt)
    turn = np.array([[c, -s], [s, c]])
    middle = (np.array(image.shape) - 1) / 2
    upright = affine_transform(image, turn.T, middle - turn.T @ middle, order=1)
    blurred = gaussian_filter(upright, (axial, lateral), truncate=3)
    back = affine_transform(blurred, turn, middle - turn @ middle, order=1)
    # A line keeps half of the height that it loses to the blur: it is longer than it was drawn.
    return back * np.sqrt(np.hypot(1.0, lateral))


def _losses(view: View, rng: np.random.Generator) -> np.ndarray:
    """What attenuation, shadows of bone and the edges of the fan leave of the sound."""
    left = np.exp(-rng.uniform(-0.6, 1.6) * view.depth)
    for _ in range(rng.integers(0, 4)):
        width, place = rng.uniform(0.06, 0.36), rng.uniform(-1, 1)
        left *= 1 - rng.uniform(0.2, 0.95) * np.exp(-(((view.angle - place) / width) ** 2))
    aside = np.clip((np.abs(view.angle) - rng.uniform(0.4, 0.9)) / 0.4, 0, 1)
    left *= 1 - rng.uniform(0, 0.9) * aside
    if rng.random() < 0.3:
        patches = _mottle(view.brain.shape, rng.uniform(8, 20), rng.uniform(2, 14), rng)
        left *= patches.clip(0.1, 5)
    return left


def _near_field(amplitude: np.ndarray, view: View, rng: np.random.Generator) -> np.ndarray:
    """What the nearer half of the skull does to what lies under it: echoes within it cover it.

    In most images hardly anything of the nearer hemisphere is left.
    """
    reach = rng.uniform(0.1, 0.55)
    fading = np.exp(-((view.depth.clip(0) / reach) ** rng.uniform(1, 3)))
    clouds = 0.5 * _mottle(view.brain.shape, 10, 5, rng)
    strength = rng.uniform(0.1, 0.5) if rng.random() < 0.7 else rng.uniform(0, 0.2)
    haze = strength * fading * clouds * _speckle(view, rng, 0.5, 2.0)
    return amplitude * (1 - min(1.0, rng.uniform(0.5, 2.5) * strength) * fading) + haze


def _clutter(view: View, rng: np.random.Generator) -> np.ndarray:
    """Side lobes and slice thickness: weak echoes from beside the plane, in fluid too."""
    clouds = _mottle(view.brain.shape, rng.uniform(5, 14), rng.uniform(0, 8), rng).clip(0, 4)
    return rng.uniform(0, 0.08) ** 1.3 * clouds * _speckle(view, rng, 0.5, rng.uniform(0.8, 2.5))


def _reverberation(view: View, skull: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """In some images the nearer skull once and twice again, deeper."""
    again = np.zeros_like(skull)
    if rng.random() < 0.3:
        smooth, distance = gaussian_filter(skull, 1.5), rng.uniform(5, 14)
        for times in (1, 2):
            shifted = np.roll(smooth, view.side * round(times * distance), 0)
            again += shifted * rng.uniform(0, 0.25) / times
    return again


def _display(amplitude: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Log compression and the curve of the display."""
    strength = rng.uniform(4, 40)
    amplitude = np.maximum(amplitude - rng.uniform(0, 0.06), 0)  # weak echoes are rejected
    return (np.log1p(strength * amplitude) / np.log1p(strength)) ** rng.uniform(0.8, 1.9)


def _found_brain(view: View, rng: np.random.Generator) -> np.ndarray:
    """The mask of a head that was found: its ellipse errs by some pixels and degrees."""
    x, y = np.array(view.ellipse.centre) + rng.normal(0, 1.2, 2)
    axes = np.array(view.ellipse.semi_axes) * (1 + rng.normal(0, 0.02, 2)) + rng.uniform(-0.5, 1.5)
    angle = view.ellipse.angle + np.radians(rng.normal(0, 2))
    long, short = max(axes), min(axes)
    found = Ellipse((float(x), float(y)), (float(long), float(short)), float(angle))
    return found.mask(view.brain.shape, (1.0, 1.0))


def _mottle(
    shape: tuple[int, ...], width: float, strength: float, rng: np.random.Generator
) -> np.ndarray:
    """A positive random field of unit median, smooth over ``width`` pixels."""
    # Smoothing shrinks the noise by its width; strength is of the noise before, as in all callers.
    smooth = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), width, truncate=3)
    return np.exp(strength * smooth)
