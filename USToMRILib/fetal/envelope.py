"""Where a brain's picture ends: at its envelope, smooth and convex, with fluid up to there.

The skull of a fetus is smooth and convex, and what lies between it and the brain is fluid. The
masks of the atlases that the networks learned from end before that in places, at the Sylvian
fissure above all, and where the skull is not seen the networks are unsure of the edge: both leave
notches in the picture's outline that no head has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..image.masks import largest_part
from .tissues import Tissue

if TYPE_CHECKING:
    import torch

    from .pipeline import Answer

# The envelope's directions, and the sigma over which its corners are rounded.
_DIRECTIONS, _ROUNDED_DEG = 180, 9.0

# Grey that is no background, which is -1: of the MRI that networks learn from in the head-scaled
# frame, 99 % of what lies inside a brain is brighter (`training/data/brain_slices.py`).
_LEAST_GREY = -0.6


def up_to_envelope(answer: Answer, seen: Answer | None = None) -> Answer:
    """Frames and their tissues with external fluid up to the envelope of each brain.

    Args:
        answer: with tissues.
        seen: another answer for the same frames, in which the brains are seen; the same where None.

    Returns:
        The frames filled; those in which no brain is seen as they were.
    """
    seen = seen or answer
    assert answer.tissues is not None
    assert seen.tissues is not None
    images, tissues = answer.images.clone(), answer.tissues.clone()
    brains = seen.tissues[:, 0].numpy() < 0.5
    for image, tissue, brain in zip(images[:, 0].numpy(), tissues.numpy(), brains):
        _fill(image, tissue, largest_part(brain))
    return replace(answer, images=images, tissues=tissues)


def _fill(image: np.ndarray, tissue: np.ndarray, brain: np.ndarray) -> None:
    """Fill one frame [rows, columns] and its probabilities [labels, rows, columns] in place."""
    fluid = tissue[Tissue.EXTERNAL_CSF] ** 2
    if not brain.any() or not fluid.sum() > 0:
        return
    inside = envelope(brain)
    # Where the network is unsure of the edge, its grey lies between tissue and background.
    tone = (image * fluid).sum() / fluid.sum()
    image += np.where(inside > 0, tissue[0] * (tone + 1), 0)
    np.clip(image, -1, 1, out=image)
    tissue[Tissue.EXTERNAL_CSF] += tissue[0]
    tissue[1:] *= inside
    tissue[0] = 1 - inside


def drawn_brains(images: torch.Tensor) -> torch.Tensor:
    """Where frames of MRI without tissues show a brain: up to the envelope of what they draw.

    Args:
        images: float32 [n, 1, rows, columns] in [-1, 1], -1 around the brain, on the CPU.

    Returns:
        The part of each pixel that lies inside, float32 [n, rows, columns]; 0 where nothing is
        drawn.
    """
    import torch

    drawn = images[:, 0].numpy() > _LEAST_GREY
    inside = [envelope(largest_part(d)) if d.any() else d.astype(np.float32) for d in drawn]
    return torch.from_numpy(np.stack(inside))


def envelope(brain: np.ndarray) -> np.ndarray:
    """The smooth convex shape about a brain.

    Its support function, the distance to the farthest point in each direction, smoothed over
    directions: the mean of the brain's convex hull turned a little to and fro. In coordinates
    that make the brain about round, which turning leaves as long as it is.

    Args:
        brain: bool [rows, columns], not empty; its axes are those of the frame.

    Returns:
        float32 [rows, columns]: the part of each pixel that lies inside, a half on the edge.
    """
    from scipy.ndimage import binary_erosion, gaussian_filter1d

    inside = _places(brain)
    # An ellipse's semi-axes are twice the standard deviations of the points inside; at least a
    # pixel, for a brain may be a line.
    centre, axes = inside.mean(axis=0), np.maximum(2 * inside.std(axis=0), 1)
    angles = np.arange(_DIRECTIONS) * 2 * np.pi / _DIRECTIONS
    normals = np.stack([np.cos(angles), np.sin(angles)])
    farthest = ((_places(brain & ~binary_erosion(brain)) - centre) / axes @ normals).max(axis=0)
    # The farthest pixels' centres lie about a quarter of a pixel within the brain's edge.
    beside = np.hypot(*(normals / axes[:, None])) / 4
    sigma = _ROUNDED_DEG / 360 * _DIRECTIONS
    support = gaussian_filter1d(farthest + beside, sigma, mode="wrap")
    # The shape with this support function touches each tangent h = <x, n> at h n + h' n'.
    slope = (np.roll(support, -1) - np.roll(support, 1)) * _DIRECTIONS / (4 * np.pi)
    x, y = support * normals + slope * np.stack([-normals[1], normals[0]])
    return _inside(brain.shape, centre, axes, (np.arctan2(y, x), np.hypot(x, y)))


def _inside(
    shape: tuple[int, ...],
    centre: np.ndarray,
    axes: np.ndarray,
    edge: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """The part of each pixel inside of an edge, given as angles and radii in units of the axes."""
    places = _places(np.ones(shape, bool)) - centre
    x, y = (places / axes).T
    reach = np.interp(np.arctan2(y, x), *edge, period=2 * np.pi)
    length = np.hypot(x, y)
    beyond = np.hypot(*places.T) * (1 - reach / np.maximum(length, 1e-6))
    return (0.5 - beyond).clip(0, 1).reshape(shape).astype(np.float32)


def _places(marked: np.ndarray) -> np.ndarray:
    """(x, y) of the marked pixels, [n, 2]."""
    rows, columns = np.nonzero(marked)
    return np.stack([columns, rows], axis=-1).astype(float)
