"""The fetal methods: slices through head, frame, networks and back. One slice is a stack of one.

Slices that are translated alone flicker: their ellipses, their grey levels and the noise that
their speckle becomes differ by chance, and the networks carry that into the picture. Here the
ellipses follow one smooth outline with one long axis, grey levels change slowly, neighbours share
latents, and the pseudo-MRI's brightness is steadied. Neither image is blurred.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Callable, Optional

import numpy as np

from ..compute.bundle import load_bundle
from ..image.belonging import check_belong_together
from ..image.burned_in import burned_in_marks, painted_over
from ..image.intensity import to_mri_values
from ..image.volume import Volume
from ..progress import Progress
from ..result import Made, Request
from .brain import normalise_brain
from .ellipse import Ellipse
from .frame import HeadFrame, head_limits, normalise_head
from .frame_spec import SKULL, FrameSpec
from .gain import is_dark
from .head import ANOTHER_HEAD, doubts_of
from .head import BUNDLE as HEAD_BUNDLE
from .heads import find_heads, stack_of
from .outline import smooth_outline, steady_brightness
from .stack import Stack
from .tissue_codes import TISSUE_LABELS
from .tissues import (
    SizeError,
    Tissue,
    doubts_of_plane,
    measure_tissues,
    measured_record,
)

if TYPE_CHECKING:
    import torch

_LIMITS_MM = 4.0  # over which grey levels change

# How far along the stack slices share latents, as a Gaussian's sigma: they are then about as alike
# as the latents of MRI slices, and the pseudo-MRI changes from slice to slice about as much as MRI
# does (`python -m benchmarks.flicker`).
LATENT_MM = 0.7
# Over which the brightness of the pseudo-MRI is then steadied, likewise.
_BRIGHTNESS_MM = 1.0

# Of the head; less is not worth a word.
_MARKED = 0.001
_PAINTED = (
    "bright marks as sharp as calipers and text were seen on the head and painted over before it "
    "was translated; an image without them is better."
)
_DARK = "dark in the ultrasound: what the pseudo-MRI shows there is a guess."


def normalise_heads(pixels: np.ndarray, masks: np.ndarray, distance: float) -> np.ndarray:
    """Frames [n, rows, columns] in [-1, 1], their grey levels changing slowly over the slices."""
    from scipy.ndimage import gaussian_filter1d

    limits = np.array([head_limits(frame, mask) for frame, mask in zip(pixels, masks)])
    if len(limits) > 1:
        limits = gaussian_filter1d(limits, _LIMITS_MM / distance, axis=0, mode="nearest")
    return np.stack([normalise_head(*of) for of in zip(pixels, masks, limits.tolist())])


def normalise(
    spec: FrameSpec, pixels: np.ndarray, masks: np.ndarray, distance: float
) -> np.ndarray:
    """Frames [n, rows, columns] as the networks of their kind learned to see them.

    Args:
        spec: brains within their skulls have even gain, each by itself.
        pixels: of any range.
        masks: bool of the same shape, inside of what is shown.
        distance: of the slices in mm.

    Returns:
        float32 of the same shape in [-1, 1], -1 outside.
    """
    if spec.inside == SKULL:
        return np.stack([normalise_brain(*of) for of in zip(pixels, masks)])
    return normalise_heads(pixels, masks, distance)


@dataclass(frozen=True)
class Frames:
    """What a method sees of the slices of a stack that show a head.

    Attributes:
        images: float32 [n, 1, rows, columns] in [-1, 1], -1 outside of what is shown.
        masks: bool [n, rows, columns], inside of it.
        sizes: of the heads in mm (:attr:`.frame.HeadFrame.size_mm`), float32 [n].
        sigma: how many frames far neighbours share latents; 0 for a method without latents.
        wanted: what is asked for besides the pseudo-MRI, keys of :data:`..result.MAPS`.
        progress: reports and cancels.
        in_time: whether they follow each other in time, as those of cines and live images.
    """

    images: torch.Tensor
    masks: np.ndarray
    sizes: torch.Tensor
    sigma: float
    wanted: frozenset[str]
    progress: Progress
    in_time: bool = False


@dataclass(frozen=True)
class Answer:
    """What a method makes of frames, all on the CPU.

    Attributes:
        images: float32 [n, 1, rows, columns] in [-1, 1].
        maps: of a key of :data:`..result.MAPS`, float32 [n, 1, rows, columns] in the units of
            `images`, 0 .. 2.
        tissues: probability of each label [n, labels, rows, columns]; label 0 is none, and there
            the picture ends.
        samples: several answers of a method that draws, each as `images`.
        shown: probability of every pixel to be part of the picture [n, rows, columns], of an answer
            without tissues; inside the masks where None.
    """

    images: torch.Tensor
    maps: dict[str, torch.Tensor] = field(default_factory=dict)
    tissues: Optional[torch.Tensor] = None
    samples: tuple[torch.Tensor, ...] = ()
    shown: Optional[torch.Tensor] = None


@dataclass(frozen=True)
class FrameMethod:
    """A method of frames with its networks loaded.

    Attributes:
        frame: of its networks.
        translate_frames: what it does.
        bundles: names of those used, with the SHA-256 of their weights.
        cautions: what the user of a result should be told.
        parameters: what its options came to, for the record.
        axis: across the slices of a volume, one of :data:`.stack.AXES`.
        prepare: an ultrasound frame in [-1, 1], its mask and its pixels' edge in mm to the frame
            that is translated.
        residual: frames and what became of them to where they disagree, 0 .. 2; None for a method
            that cannot go back.
        latent_mm: how far neighbours share latents, as the sigma of a Gaussian in mm; 0 for a
            method without latents, which does not flicker: then brightness is not steadied either.
        size_errors: of what its tissues show, as far as they were measured.
    """

    frame: FrameSpec
    translate_frames: Callable[[Frames], Answer]
    bundles: dict[str, str]
    cautions: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    axis: str = "auto"
    prepare: Callable[[np.ndarray, np.ndarray, float], np.ndarray] = lambda seen, *_: seen
    residual: Optional[Callable[[Frames, torch.Tensor], torch.Tensor]] = None
    latent_mm: float = 0.0
    size_errors: Mapping[str, SizeError] = field(default_factory=dict)

    def translate(self, volume: Volume, request: Request) -> Made:
        """Translate a volume slice by slice.

        Raises:
            InputError: if no slice shows a head, what is known about it cannot be used, or the
                slices do not belong together.
            Cancelled: when the progress' token is set.
        """
        device, hint = request.device, request.head
        used = {} if hint is not None else {HEAD_BUNDLE: load_bundle(HEAD_BUNDLE, device).sha256}
        stack = stack_of(volume, self.axis, hint, device)
        if len(stack) > 1 and not stack.in_time:
            seen = volume.array > volume.array.min()
            check_belong_together(volume.array, seen, volume.grid.spacing[::-1])
        heads = find_heads(stack, volume, hint, device, request.progress)
        outline = heads.outlines
        if not stack.in_time:  # where it was followed, it is smooth already
            outline = smooth_outline(outline, stack.distance)
        framed = FramedStack.on(stack, outline, self.frame)
        frames = framed.frames(self, request)
        answer = self.translate_frames(frames)
        if frames.sigma:
            answer = replace(answer, images=framed.steadied(answer.images))
        maps = dict(answer.maps)
        if "residual" in request.maps and self.residual:
            maps["residual"] = self.residual(frames, answer.images)
        shown = answer.shown if answer.tissues is None else 1 - answer.tissues[:, 0]
        ends = None if shown is None else shown.numpy()
        carried = framed.maps_back(maps)
        parameters = {**self.parameters, **_parameters(stack, outline, self.latent_mm)}
        warnings = _warnings(framed, outline, heads.with_others)
        if answer.tissues is not None and (not stack.in_time or "tissues" in request.maps):
            labels = framed.labels_back(answer.tissues)
            if not stack.in_time:
                measured = _tissues(stack, labels, framed.by_slice, self.size_errors)
                parameters["tissues_measured"] = measured
                warnings += doubts_of_plane(labels[0]) if volume.is_slice else ()
            if "tissues" in request.maps:
                carried["tissues"] = stack.volume_array(labels)
        return Made(
            framed.back(to_mri_values(answer.images[:, 0].numpy()), ends),
            {**self.bundles, **used},
            parameters,
            (*warnings, *self.cautions),
            carried,
            tuple(framed.back(to_mri_values(each[:, 0].numpy()), ends) for each in answer.samples),
            TISSUE_LABELS,
        )


@dataclass(frozen=True)
class FramedStack:
    """Frames laid on the slices of a stack that show a head.

    Attributes:
        stack: of slices.
        by_slice: the frame of each slice, by its number.
        masks: bool [n, rows, columns], inside of what is shown.
        pixels: float32 of the same shape, the ultrasound as resampled.
        marked: the slices whose heads had marks of the scanner on them, which were painted over.
    """

    stack: Stack
    by_slice: dict[int, HeadFrame]
    masks: np.ndarray
    pixels: np.ndarray
    marked: list[int]

    @classmethod
    def on(cls, stack: Stack, outline: dict[int, Ellipse], spec: FrameSpec) -> FramedStack:
        """Lay a frame on every slice that has an outline of a head."""
        shape = stack.array.shape[1:]
        by_slice = {
            n: HeadFrame.around(ellipse, shape, stack.spacing, spec)
            for n, ellipse in outline.items()
        }
        masks = np.stack([frame.mask for frame in by_slice.values()])
        pixels, marked = [], []
        for n, frame in by_slice.items():
            seen = stack.array[n]
            if stack.of_a_screen:
                seen, share = without_marks(seen, frame)
                marked += [n] if share > _MARKED else []
            pixels.append(frame.to_frame(seen))
        return cls(stack, by_slice, masks, np.stack(pixels), marked)

    def frames(self, method: FrameMethod, request: Request) -> Frames:
        """What a method sees."""
        import torch

        seen = normalise(method.frame, self.pixels, self.masks, self.stack.distance)
        prepared = [method.prepare(*of) for of in zip(seen, self.masks, self._pixels_mm)]
        sizes = torch.tensor([frame.size_mm for frame in self.by_slice.values()])
        images = torch.from_numpy(np.stack(prepared))[:, None]
        sigma = method.latent_mm / self.stack.distance if len(images) > 1 else 0.0
        wanted, progress = request.maps, request.progress
        return Frames(images, self.masks, sizes, sigma, wanted, progress, self.stack.in_time)

    def steadied(self, images: torch.Tensor) -> torch.Tensor:
        """Pseudo-MRI with a brightness that changes slowly from slice to slice."""
        import torch

        sigma = _BRIGHTNESS_MM / self.stack.distance
        return torch.from_numpy(steady_brightness(images[:, 0].numpy(), self.masks, sigma))[:, None]

    def back(self, made: np.ndarray, shown: Optional[np.ndarray] = None) -> np.ndarray:
        """Frames [n, rows, columns] on the slices, float32 [k, j, i], 0 where nothing is shown.

        Args:
            made: the frames.
            shown: probability of every pixel to be part of the picture; inside the masks where
                None.
        """
        slices = np.zeros(self.stack.array.shape, np.float32)
        for number, (n, frame) in enumerate(self.by_slice.items()):
            part = None if shown is None else shown[number]
            slices[n] = frame.to_source(made[number], shown=part)
        return self.stack.volume_array(slices)

    def maps_back(self, maps: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
        """What else was made, on the slices."""
        return {
            name: self.back(np.where(self.masks, made[:, 0].numpy() * 127.5, 0))
            for name, made in maps.items()
        }

    def labels_back(self, tissues: torch.Tensor) -> np.ndarray:
        """The most probable labels, uint8 [n, rows, columns] of the stack."""
        slices = np.zeros(self.stack.array.shape, np.uint8)
        for (n, frame), probability in zip(self.by_slice.items(), tissues.numpy()):
            slices[n] = frame.labels_to_source(probability)
        return slices

    @property
    def dark(self) -> list[int]:
        """The slices whose heads are dark in large part."""
        normalised = normalise_heads(self.pixels, self.masks, self.stack.distance)
        seen = zip(self.by_slice, normalised, self.masks, self._pixels_mm)
        return [n for n, *of in seen if is_dark(*of)]

    @property
    def _pixels_mm(self) -> list[float]:
        return [frame.pixel_mm for frame in self.by_slice.values()]


def without_marks(pixels: np.ndarray, frame: HeadFrame) -> tuple[np.ndarray, float]:
    """A slice [rows, columns] without the marks on its head, and how much of that they covered."""
    part = frame.source_part
    marks = burned_in_marks(pixels[part])
    if not marks.any():
        return pixels, 0.0
    clean = pixels.astype(np.float32)
    clean[part] = painted_over(pixels[part], marks)
    return clean, float(marks[frame.source_mask[part]].mean())


def _parameters(stack: Stack, outline: dict[int, Ellipse], latent_mm: float) -> dict[str, Any]:
    """What the record says about the heads."""
    if len(stack) == 1:
        (ellipse,) = outline.values()
        head = {
            "centre_mm": ellipse.centre,
            "semi_axes_mm": ellipse.semi_axes,
            "angle_rad": ellipse.angle,
            "midline_rad": ellipse.midline,
            "circumference_mm": ellipse.circumference_mm,
        }
        return {"axis": stack.axis, "head": head}
    shown = _ranges(sorted(outline))
    where = {"axis": stack.axis, "slices_with_head": shown}
    return {
        **({"frames_with_head": shown} if stack.in_time else where),
        **({"latent_sharing_mm": latent_mm} if latent_mm else {}),
        "largest_circumference_mm": max(e.circumference_mm for e in outline.values()),
    }


def _tissues(
    stack: Stack,
    labels: np.ndarray,
    by_slice: dict[int, HeadFrame],
    errors: Mapping[str, SizeError],
) -> dict[str, Any]:
    """What the record says of the tissues, labels uint8 [n, rows, columns]."""
    if len(stack) > 1:
        voxel_ml = float(np.prod([*stack.spacing, stack.distance])) / 1000
        counts = np.bincount(labels.ravel(), minlength=len(Tissue) + 1)
        return {"volumes_ml": {t.title: round(counts[t] * voxel_ml, 2) for t in Tissue}}
    ((_, frame),) = by_slice.items()
    return measured_record(measure_tissues(labels[0], stack.spacing, frame.ellipse), errors)


def _warnings(
    framed: FramedStack, outline: dict[int, Ellipse], with_others: Sequence[int]
) -> list[str]:
    """What to say of slices without a head or with several, and of doubtful ones."""
    stack, dark, marked = framed.stack, framed.dark, framed.marked
    shape = stack.array.shape[1:]
    doubts = {n: doubts_of(ellipse, shape, stack.spacing) for n, ellipse in outline.items()}
    if len(stack) == 1:
        several = [ANOTHER_HEAD] if with_others else []
        darkness = [f"A large part of the head is {_DARK}"] if dark else []
        marks = [_PAINTED[0].upper() + _PAINTED[1:]] if marked else []
        return [*doubts[0], *several, *darkness, *marks]
    warnings = []
    without = sorted(set(range(len(stack))) - set(outline))
    if without:
        warnings.append(
            f"No head was found in the {stack.named(_ranges(without))}, counted from 0: they stay "
            "background."
        )
    doubtful = [n for n, sentences in doubts.items() if sentences]
    if doubtful:
        warnings.append(
            f"In the {stack.named(_ranges(doubtful))} the head reaches the border or is smaller or "
            "larger than the networks have seen: there the result is less certain."
        )
    if with_others:
        warnings.append(
            f"In the {stack.named(_ranges(with_others))} another head was seen; the larger one was "
            "taken."
        )
    if dark:
        warnings.append(f"In the {stack.named(_ranges(dark))} a large part of the head is {_DARK}")
    if marked:
        warnings.append(f"In the {stack.named(_ranges(marked))} {_PAINTED}")
    return warnings


def _ranges(numbers: Sequence[int]) -> str:
    """Return ascending numbers as text such as "0-3, 7"."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)
