"""Mutual information of two images: what one tells about the other, whatever the tones."""

from __future__ import annotations

import numpy as np

from ..errors import InputError

NEIGHBOURS = 3
SAMPLES = 20_000
BINS = 64


def kraskov(x: np.ndarray, y: np.ndarray, seed: int = 0) -> float:
    """Mutual information in nats by k nearest neighbours (Kraskov et al. 2004), k = 3.

    The estimator is for continuous values: whole grey levels are spread over their width by
    uniform noise first. Of more than 20 000 voxels, as many are drawn.

    Args:
        x, y: float64 [n], more than 3 values.
        seed: of the noise and the draw.
    """
    from sklearn.feature_selection import mutual_info_regression

    random = np.random.default_rng(seed)
    if x.size > SAMPLES:
        drawn = random.choice(x.size, SAMPLES, replace=False)
        x, y = x[drawn], y[drawn]
    x, y = (_continuous(values, random) for values in (x, y))
    estimate = mutual_info_regression(x[:, None], y, n_neighbors=NEIGHBOURS, random_state=seed)
    return float(estimate[0])


def histogram(x: np.ndarray, y: np.ndarray) -> float:
    """Mutual information in nats of a joint histogram of 64 x 64 bins over 0 .. 255.

    Args:
        x, y: float64 [n] in 0 .. 255.
    """
    from sklearn.metrics import mutual_info_score

    return float(mutual_info_score(None, None, contingency=_joint(x, y)))


def normalised(x: np.ndarray, y: np.ndarray) -> float:
    """Normalised mutual information (H(X) + H(Y)) / H(X, Y) of the same histogram, 1 .. 2.

    Studholme et al. 1999; 1: independent, 2: one image determines the other. Two constant images
    determine each other: 2.

    Args:
        x, y: float64 [n] in 0 .. 255.

    Raises:
        InputError: the values differ, but not enough for the histogram.
    """
    from scipy.stats import entropy

    joint = _joint(x, y)
    both = entropy(joint, axis=None)
    if both == 0:
        if np.ptp(x) > 0 or np.ptp(y) > 0:
            raise InputError(
                f"All values lie in one of {BINS} bins of 0 to 255; scale the images, or give "
                "--rescale."
            )
        return 2.0
    return float((entropy(joint.sum(axis=0)) + entropy(joint.sum(axis=1))) / both)


def _joint(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.histogram2d(x, y, bins=BINS, range=[(0, 255), (0, 255)])[0]


def _continuous(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    if (values == np.rint(values)).all():
        return values + random.uniform(-0.5, 0.5, values.shape)
    return values
