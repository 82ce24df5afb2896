"""Finding the fetal head in an ultrasound slice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable

import numpy as np
import SimpleITK as sitk

from ..compute.bundle import load_bundle
from ..errors import InputError
from ..image.burned_in import burned_in_marks, painted_over
from ..image.intensity import percentile, rescale
from ..image.masks import head_in
from ..image.resampling import on_grid
from ..image.volume import Volume
from .ellipse import Ellipse, axis_angle
from .midline import with_midline
from .skull import rim_brightness

if TYPE_CHECKING:
    import torch

    HeadNet = Callable[[torch.Tensor], torch.Tensor]

BUNDLE = "fetal_head_seg"
NET_SIZE = 192
# Widths of the network's close views of a head, in lengths of the head. The mean of what it finds
# in several is better than any of them.
CLOSE_WIDTHS = (1.25, 1.4, 1.6)

# What a fetal head can measure: about 80 mm in week 12 (Hadlock et al. 1984) to 400 mm at term.
CIRCUMFERENCE_RANGE_MM = (80.0, 400.0)
# The range the networks were trained on.
TRAINED_RANGE_MM = (170.0, 350.0)
# Cephalic index below 0.6 is beyond extreme dolichocephaly.
LEAST_AXIS_RATIO = 0.6
LEAST_AREA_FRACTION = 0.01
LEAST_ELLIPSE_DICE = 0.9
# How sure the network is in its close looks, on average. What it is this sure of is a head; less
# sure, the skull must be so many times as bright as what lies within, too; below, it is none.
# Chosen on training and validation images: an abdomen or a thorax is liked less, and has no skull.
CLEARLY_SURE, LEAST_SURE, LEAST_RIM_BRIGHTNESS = 0.96, 0.905, 1.5
# Of the ellipse of a head so much must lie in the image.
LEAST_PART = 0.65
# A region of so much of a head's area that is as good an ellipse is another head.
LEAST_OTHER = 0.25

ANOTHER_HEAD = (
    "Another head is in the image: this is the larger one. For the other one crop the image or "
    "give it with --head-mask FILE."
)

_WAY_OUT = "give the head with --head-mask FILE, or check the image and its pixel size"


@dataclass(frozen=True)
class Head:
    """A fetal head in a slice.

    Attributes:
        mask: uint8 volume on the slice's grid, 1 inside the ellipse.
        ellipse: outline of the skull in plane coordinates (mm).
        warnings: sentences on what makes the result less certain.
        alone: whether no other head was seen in the slice.
    """

    mask: Volume
    ellipse: Ellipse
    warnings: tuple[str, ...] = ()
    alone: bool = True

    @property
    def circumference_mm(self) -> float:
        """Head circumference (HC) in mm."""
        return self.ellipse.circumference_mm

    @classmethod
    def from_ellipse(cls, ellipse: Ellipse, volume: Volume) -> Head:
        """The head with this outline in a one-slice volume.

        Raises:
            InputError: if no pixel of the volume lies inside.
        """
        inside = ellipse.mask(volume.array.shape[1:], volume.grid.spacing[:2])
        if not inside.any():
            raise InputError("The head ellipse lies beside the image; give one that lies on it.")
        mask = volume.with_array(inside[None].astype(np.uint8))
        return cls(mask, ellipse, doubts_of(ellipse, inside.shape, volume.grid.spacing[:2]))

    @classmethod
    def from_mask(cls, mask: Volume, volume: Volume) -> Head:
        """The head that a mask, filled or an outline, marks in a one-slice volume.

        Raises:
            InputError: if the mask is empty or does not lie on the volume's grid.
        """
        check_mask(mask, volume)
        return cls.around(head_in(mask.array)[0], volume)

    @classmethod
    def around(cls, inside: np.ndarray, volume: Volume) -> Head:
        """The head that lies at the pixels [rows, columns] of a one-slice volume.

        Raises:
            InputError: if there are none.
        """
        spacing = volume.grid.spacing[:2]
        outline = with_midline(Ellipse.from_mask(inside, spacing), volume.array[0], spacing)
        return cls.from_ellipse(outline, volume)


@dataclass(frozen=True)
class Look:
    """A head as the network sees it on one grid.

    Attributes:
        ellipse: on the slice, in plane coordinates (mm).
        sure: how sure the network is, 0 .. 1: Dice overlap of its answer, unthresholded, with the
            ellipse.
        alone: whether no other region of the grid is a head of its own.
    """

    ellipse: Ellipse
    sure: float
    alone: bool


def check_mask(mask: Volume, volume: Volume) -> None:
    """Raise InputError unless a head mask lies on the volume's grid."""
    if not mask.grid.lies_on(volume.grid):
        raise InputError(
            f"The head mask has the grid {mask.grid.size} and the image {volume.grid.size} or "
            "they lie apart; give a mask drawn on this image."
        )


def find_head(volume: Volume, device: str = "cpu") -> Head:
    """Find the skull's ellipse with the bundle ``fetal_head_seg``.

    Args:
        volume: one slice, any intensities, spacing in mm.
        device: "cpu", "cuda" or "mps".

    Raises:
        InputError: if the volume is no single slice, if no head is found (the message says what
            was), or if the bundle cannot be used.
    """
    return find_head_with(load_bundle(BUNDLE, device).net, volume, device)


def find_head_with(net: HeadNet, volume: Volume, device: str = "cpu") -> Head:
    """:func:`find_head` with a network that maps pixels [B, 1, 192, 192] to probabilities."""
    if volume.is_slice:
        marks = burned_in_marks(volume.array[0])
        volume = volume.with_array(painted_over(volume.array[0], marks)[None])
    first, looks = look_for_head(net, volume, device)
    outline = Ellipse.mean([look.ellipse for look in looks])
    outline = with_midline(outline, volume.array[0], volume.grid.spacing[:2])
    head = Head.from_ellipse(outline, volume)
    _check_likeness(float(np.mean([look.sure for look in looks])), head.ellipse, volume)
    part = part_inside(head.ellipse, volume.array.shape[1:], volume.grid.spacing[:2])
    if part < LEAST_PART:
        raise InputError(
            f"No whole fetal head was found: only {part:.0%} of the most head-like ellipse lies in "
            f"the image; take an image of the whole head, or {_WAY_OUT}."
        )
    if first.alone:
        return head
    return replace(head, warnings=(*head.warnings, ANOTHER_HEAD), alone=False)


def _check_likeness(sure: float, ellipse: Ellipse, volume: Volume) -> None:
    """Raise InputError where what was found is too unlike a head."""
    if sure >= CLEARLY_SURE:
        return
    rim = rim_brightness(volume.array[0], volume.grid.spacing[:2], ellipse)
    if sure < LEAST_SURE or rim < LEAST_RIM_BRIGHTNESS:
        raise InputError(
            f"No fetal head was found: the most head-like ellipse is too unlike one (by {sure:.2f} "
            f"of 1; its rim is {rim:.1f} times as bright as what lies within), as in another plane "
            f"of the fetus; {_WAY_OUT}."
        )


def look_for_head(net: HeadNet, volume: Volume, device: str = "cpu") -> tuple[Look, list[Look]]:
    """The first look at a head, and the close ones that show it.

    Args:
        net, volume, device: as of :func:`find_head_with`.

    Raises:
        InputError: as of :func:`find_head`.
    """
    if not volume.is_slice:
        raise InputError(
            f"A head is looked for in one slice, and the volume has {volume.grid.size[2]}; "
            "give a single slice."
        )
    pixels, spacing = volume.array[0], volume.grid.spacing[:2]

    def look(grid: sitk.Image) -> Look:
        return look_at(net, pixels, spacing, grid, device)

    # The first look says where; with the second grid turned, the network, which knows heads that
    # lie, finds those that stand. The close ones, with the head lying, say how large.
    turned = [net_grid(pixels.shape, spacing, turn=t) for t in (0.0, np.pi / 2)]
    first = max(_answers(look, turned), key=lambda answer: answer.sure)
    return first, _answers(look, [close_grid(first.ellipse, width) for width in CLOSE_WIDTHS])


def look_at(
    net: HeadNet,
    pixels: np.ndarray,
    spacing: tuple[float, float],
    grid: sitk.Image,
    device: str,
    mirrored: bool = True,
) -> Look:
    """What the network sees on a grid.

    Args:
        net, device: as of :func:`find_head_with`.
        pixels: a slice [rows, columns].
        spacing: (x, y) of it in mm.
        grid: of :func:`net_grid` or :func:`close_grid`.
        mirrored: whether the answer is the mean over mirrored views, at four times the work.

    Raises:
        InputError: no head is there.
    """
    seen = to_net(pixels, spacing, grid)
    return _fitted(probability(net, seen, device, mirrored), grid)


def _answers(look: Callable[[sitk.Image], Look], grids: list[sitk.Image]) -> list[Look]:
    """What the network finds on those of the grids on which it finds a head.

    Raises:
        InputError: that of the first grid, if no head is found on any.
    """
    found, refusals = [], []
    for grid in grids:
        try:
            found.append(look(grid))
        except InputError as error:
            refusals.append(error)
    if not found:
        raise refusals[0]
    return found


def net_grid(
    shape: tuple[int, int], spacing: tuple[float, float], size: int = NET_SIZE, turn: float = 0.0
) -> sitk.Image:
    """The segmentation network's square grid, laid over a slice of ``shape`` (rows, columns).

    Its pixels are square, its width is the longer side of the slice, the centres agree; ``turn``
    is the angle of its first axis, in radians from +x towards +y.
    """
    extent = np.array([shape[1] * spacing[0], shape[0] * spacing[1]])
    return _square_grid((extent - spacing) / 2, float(extent.max()), size, turn)


def close_grid(ellipse: Ellipse, width: float) -> sitk.Image:
    """The network's grid with the head lying in its middle, ``width`` times as wide as it."""
    width_mm = width * 2 * ellipse.semi_axes[0]
    return _square_grid(np.array(ellipse.centre), width_mm, NET_SIZE, ellipse.angle)


def _square_grid(centre: np.ndarray, width: float, size: int, turn: float) -> sitk.Image:
    pixel = width / size
    axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    grid = sitk.Image([size, size], sitk.sitkFloat32)
    grid.SetSpacing([pixel, pixel])
    grid.SetDirection(axes.ravel().tolist())
    grid.SetOrigin((centre - axes @ np.full(2, (size - 1) / 2 * pixel)).tolist())
    return grid


def to_net(pixels: np.ndarray, spacing: tuple[float, float], grid: sitk.Image) -> np.ndarray:
    """Resample a slice to the network's grid, float32 [192, 192] in [-1, 1].

    -1 is the darkest pixel and what lies beyond the image, 1 the 99.5th percentile.
    """
    black, white = float(pixels.min()), percentile(pixels, 99.5)
    pixel = grid.GetSpacing()[0]
    # As in the frame: half a pixel of blur keeps speckle from folding.
    sigma = 0.5 * pixel if pixel > min(spacing) else 0.0
    # From 0, so that what is sampled beyond the image becomes -1 in the end.
    return on_grid(rescale(pixels, black, white) + 1, spacing, grid, sigma) - 1


def probability(
    net: HeadNet, pixels: np.ndarray, device: str = "cpu", mirrored: bool = False
) -> np.ndarray:
    """Where the network sees a head in pixels of :func:`to_net`, float32 [192, 192] in 0 .. 1.

    Args:
        net, device: as of :func:`find_head_with`.
        pixels: of :func:`to_net`.
        mirrored: whether it is the mean over mirrored views.
    """
    import torch

    flips: list[list[int]] = [[], [0], [1], [0, 1]] if mirrored else [[]]
    image = torch.from_numpy(pixels)
    with torch.no_grad():
        answers = net(torch.stack([image.flip(axes) for axes in flips])[:, None].to(device))[:, 0]
    back = [answer.flip(axes) for answer, axes in zip(answers, flips)]
    return torch.stack(back).mean(0).cpu().numpy()


def _fitted(probability: np.ndarray, grid: sitk.Image) -> Look:
    """The ellipse of the network's answer, or a refusal that says what was found instead."""
    mask = probability > 0.5
    if mask.mean() < LEAST_AREA_FRACTION:
        raise InputError(
            "No fetal head was found: at most "
            f"{mask.mean():.1%} of the image looks like one; {_WAY_OUT}."
        )
    spacing = grid.GetSpacing()
    beside, alone = _beside(mask, spacing)
    mask, probability = mask & ~beside, np.where(beside, 0, probability)
    found, drawn, dice = _ellipse_of(mask, spacing)
    ratio = found.semi_axes[1] / found.semi_axes[0]
    low, high = CIRCUMFERENCE_RANGE_MM
    if dice < LEAST_ELLIPSE_DICE or ratio < LEAST_AXIS_RATIO:
        raise InputError(
            f"No fetal head was found: the most head-like region is no ellipse of a head's shape "
            f"(overlap {dice:.2f}, axis ratio {ratio:.2f}); {_WAY_OUT}."
        )
    if not low <= found.circumference_mm <= high:
        raise InputError(
            f"No fetal head was found: the most head-like ellipse has a circumference of "
            f"{found.circumference_mm:.0f} mm, and fetal heads have {low:.0f} to {high:.0f} mm; "
            f"{_WAY_OUT}."
        )
    sure = float(2 * probability[drawn].sum() / (drawn.sum() + probability.sum()))
    return Look(_on_slice(found, grid), sure, alone)


def _ellipse_of(
    mask: np.ndarray, spacing: tuple[float, float]
) -> tuple[Ellipse, np.ndarray, float]:
    """The ellipse of the largest region, its pixels, and its Dice overlap with all of the mask."""
    ellipse = Ellipse.from_mask(mask, spacing)
    drawn = ellipse.mask(mask.shape, spacing)
    return ellipse, drawn, float(2 * (drawn & mask).sum() / (drawn.sum() + mask.sum()))


def _beside(mask: np.ndarray, spacing: tuple[float, float]) -> tuple[np.ndarray, bool]:
    """The pixels of other heads beside the largest region, and whether it is alone.

    A large region that the edge of the grid cuts lies beside as well, but may be anything.
    """
    from scipy.ndimage import label

    regions, _ = label(mask)
    sizes = np.bincount(regions.ravel())
    sizes[0] = 0
    beside, alone = np.zeros_like(mask), True
    for number in np.flatnonzero(sizes >= LEAST_OTHER * sizes.max()):
        if number == sizes.argmax():
            continue
        region = regions == number
        cut = region[[0, -1]].any() or region[:, [0, -1]].any()
        other, _, dice = _ellipse_of(region, spacing)
        whole = dice >= LEAST_ELLIPSE_DICE and (
            other.semi_axes[1] >= LEAST_AXIS_RATIO * other.semi_axes[0]
        )
        if whole or cut:
            beside |= region
        alone &= not whole
    return beside, alone


def _on_slice(ellipse: Ellipse, grid: sitk.Image) -> Ellipse:
    """An ellipse on the network's grid, in the coordinates of the slice."""
    index = (np.array(ellipse.centre) / grid.GetSpacing()).tolist()
    x, y = grid.TransformContinuousIndexToPhysicalPoint(index)
    turn = float(np.arctan2(grid.GetDirection()[2], grid.GetDirection()[0]))
    return Ellipse((x, y), ellipse.semi_axes, axis_angle(ellipse.angle + turn))


def doubts_of(
    ellipse: Ellipse, shape: tuple[int, ...], spacing: tuple[float, float]
) -> tuple[str, ...]:
    """Sentences on what makes a head less certain.

    Args:
        ellipse: outline of the head.
        shape: (rows, columns) of the slice.
        spacing: (x, y) of it in mm.
    """
    doubts = []
    low, high = TRAINED_RANGE_MM
    if not low <= ellipse.circumference_mm <= high:
        doubts.append(
            f"The head circumference of {ellipse.circumference_mm:.0f} mm is outside the "
            f"{low:.0f}-{high:.0f} mm that the networks were trained on."
        )
    x, y = (np.arange(n) * mm for n, mm in zip(shape[::-1], spacing))
    # The slice's outermost pixels only.
    rows, columns = np.full_like(x, y[-1]), np.full_like(y, x[-1])
    edges = ((x, 0 * x), (x, rows), (0 * y, y), (columns, y))
    if any((ellipse.radius(*edge) <= 1).any() for edge in edges):
        beyond = 1 - part_inside(ellipse, shape, spacing)
        so_much = f", and about {beyond:.0%} of it lies beyond" if beyond >= 0.02 else ""
        doubts.append(
            f"The head reaches the border of the image{so_much}: its ellipse, circumference and "
            "alignment are less certain."
        )
    return tuple(doubts)


def part_inside(ellipse: Ellipse, shape: tuple[int, ...], spacing: tuple[float, float]) -> float:
    """The part of an ellipse's area that lies in a slice; arguments as of :func:`doubts_of`."""
    inside = ellipse.mask((shape[0], shape[1]), spacing).sum() * spacing[0] * spacing[1]
    return float(min(1.0, inside / (np.pi * np.prod(ellipse.semi_axes))))
