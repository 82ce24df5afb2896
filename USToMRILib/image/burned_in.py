"""Marks that are burned into an image: calipers, measured outlines, text.

The beam blurs an echo over several pixels of the screen, and what is drawn on the screen afterwards
is sharp. So a mark is thin, and stands out from its neighbours more than anything else in the
image. To a network it is the brightest echo that there is.
"""

from __future__ import annotations

import numpy as np

# A mark is brighter than the mean around it by so much of the image's range, and so many times as
# much as all but a twentieth of the pixels are; within so many pixels of it, marks on bright tissue
# are by less. Chosen on heads of HC18 with drawn calipers, outlines and text, and without; what is
# taken for marks in heads that have none is bounded in Testing/image/test_burned_in.py.
_CLEARLY, _LEAST, _WITHIN = 0.2, 0.1, 15
_TIMES, _OTHERS = 6.0, 95.0
# Sigma of that mean, in pixels, and what counts as black in it.
_SIGMA, _BLACK = 1.0, 0.02
# Strokes are thinner than so many pixels, and stand out from what lies beyond by more than the
# centre of a stroke from its own mean.
_THIN, _CONTRAST = 9, 1.5
# Beside the sharp parts of a mark lie its others, by so many pixels and so much of their contrast.
_BESIDE, _AS_BRIGHT = 2, 0.35
# More is no mark, but an image as sharp as one.
_MOST = 0.05
# Over how many pixels what is painted over a mark is averaged, until everything is.
_AROUND = (1.5, 3.0, 6.0, 12.0, 24.0)
_ENOUGH = 0.1
# A head on a screen is about as many pixels long; one that was enlarged is sharp when it is shrunk.
_HEAD = 600


def burned_in_marks(pixels: np.ndarray) -> np.ndarray:
    """Where marks are drawn on an image.

    Marks that are dark, or have been blurred by shrinking the image to half and less, are found in
    part or not at all.

    Args:
        pixels: [rows, columns], of any range.

    Returns:
        bool [rows, columns].
    """
    from scipy.ndimage import binary_dilation, gaussian_filter, grey_opening, maximum_filter

    shrink = round(max(pixels.shape) / _HEAD)
    if shrink > 1:
        rows, columns = pixels.shape
        marks = burned_in_marks(_block_means(pixels, shrink))
        return marks.repeat(shrink, axis=0).repeat(shrink, axis=1)[:rows, :columns]
    none = np.zeros(pixels.shape, bool)
    black, white = float(pixels.min()), float(pixels.max())
    if not white > black:
        return none
    grey = (pixels.astype(np.float32) - np.float32(black)) / np.float32(white - black)
    stands_out = grey - gaussian_filter(grey, _SIGMA)
    some = stands_out[::3, ::3][grey[::3, ::3] > _BLACK]
    if not some.size:
        return none
    others = _TIMES * float(np.percentile(some, _OTHERS))
    if not (stands_out > max(_CLEARLY, others)).any():  # as in most images; the rest takes longer
        return none
    contrast = grey - grey_opening(grey, (_THIN, _THIN))

    def standing_out(least: float) -> np.ndarray:
        return (stands_out > least) & (contrast > _CONTRAST * least)

    clearly = standing_out(max(_CLEARLY, others))
    near = maximum_filter(clearly, 2 * _WITHIN + 1)
    sharp = clearly | (near & standing_out(max(_LEAST, others)))
    of_mark = maximum_filter(np.where(sharp, contrast, 0), 2 * _BESIDE + 3)
    beside = binary_dilation(sharp, iterations=_BESIDE) & (contrast > _AS_BRIGHT * of_mark)
    marks = binary_dilation(sharp | beside)
    return none if marks.mean() > _MOST else marks


def _block_means(pixels: np.ndarray, size: int) -> np.ndarray:
    """Means of blocks of so many pixels each way; an image goes on with the values of its edge."""
    wide = np.pad(pixels, [(0, -n % size) for n in pixels.shape], mode="edge")
    rows, columns = (n // size for n in wide.shape)
    return wide.reshape(rows, size, columns, size).mean(axis=(1, 3), dtype=np.float32)


def painted_over(pixels: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """An image whose marks have the mean grey of what lies around them.

    Args:
        pixels: [rows, columns].
        marks: bool, of the same shape.

    Returns:
        float32 [rows, columns].
    """
    from scipy.ndimage import gaussian_filter

    painted, left = pixels.astype(np.float32), marks.copy()
    known = np.where(marks, 0, painted)
    for sigma in _AROUND:
        if not left.any():
            break
        weight = gaussian_filter((~marks).astype(np.float32), sigma)
        here = left & (weight > _ENOUGH)
        painted[here] = gaussian_filter(known, sigma)[here] / weight[here]
        left &= ~here
    return painted
