"""The metrics by name: what each measures, in which units, with which settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

import numpy as np

from ..errors import InputError
from ..image.cnr import contrast_to_noise
from . import cross_correlation, fidelity, information
from .packages import check_packages
from .pairing import Pair
from .perceptual import load_lpips

_SSIM = (
    f"Wang et al. 2004, uniform window of {fidelity.SSIM_WINDOW} voxels, K1 0.01, K2 0.03, L 255"
)
_JOINT = f"joint histogram of {information.BINS} x {information.BINS} bins over 0..255"
_HIGHER, _LOWER = "higher", "lower"


@dataclass(frozen=True)
class Metric:
    """A measure of one image against its reference, or of a set of them.

    Attributes:
        label: as in a table's head.
        unit: empty for pure numbers.
        better: "higher", "lower", or empty where neither is.
        settings: everything that changes the number.
        measure: the value of a pair; None for a distance between sets.
        needs: what a pair must have: "foreground", "regions", or nothing.
    """

    label: str
    unit: str
    better: str
    settings: str
    measure: Callable[[Pair], float] | None
    needs: str = ""

    @property
    def name(self) -> str:
        """The label on one line."""
        return self.label.replace("\n", " ")

    @property
    def title(self) -> str:
        """The label with its unit, and an arrow to the better side."""
        unit = f" ({self.unit})" if self.unit else ""
        return self.label + unit + {"higher": " ↑", "lower": " ↓"}.get(self.better, "")


def _whole(function: Callable[[np.ndarray, np.ndarray], float]) -> Callable[[Pair], float]:
    return lambda pair: function(pair.reference.array, pair.image.array)


def _inside(function: Callable[[np.ndarray, np.ndarray], float]) -> Callable[[Pair], float]:
    return lambda pair: function(pair.reference.array[pair.inside], pair.image.array[pair.inside])


def _ssim(pair: Pair) -> float:
    return float(fidelity.ssim_map(pair.reference.array, pair.image.array).mean())


def _ssim_inside(pair: Pair) -> float:
    """As in training: what lies outside must not reach into windows at the edge."""
    reference, image = (
        np.where(pair.inside, volume.array, 0) for volume in (pair.reference, pair.image)
    )
    return float(fidelity.ssim_map(reference, image)[pair.inside].mean())


def _lncc(pair: Pair) -> float:
    return cross_correlation.local(pair.reference.array, pair.image.array, pair.inside)


def _cnr(pair: Pair) -> float:
    if pair.regions is None:
        raise InputError("There are no regions.")
    return contrast_to_noise(pair.image.array, *pair.regions).cnr


METRICS = {
    "ssim": Metric("SSIM", "", _HIGHER, f"{_SSIM}; all voxels, background included", _ssim),
    "ssim_foreground": Metric(
        "SSIM,\nforeground",
        "",
        _HIGHER,
        f"{_SSIM}; mean over the foreground, 0 outside it",
        _ssim_inside,
        "foreground",
    ),
    "psnr": Metric(
        "PSNR", "dB", _HIGHER, "peak 255; all voxels; at most 100 dB", _whole(fidelity.psnr)
    ),
    "psnr_foreground": Metric(
        "PSNR,\nforeground",
        "dB",
        _HIGHER,
        "peak 255; foreground; at most 100 dB",
        _inside(fidelity.psnr),
        "foreground",
    ),
    "mae": Metric("MAE", "grey levels", _LOWER, "all voxels", _whole(fidelity.mean_absolute_error)),
    "mae_foreground": Metric(
        "MAE,\nforeground",
        "grey levels",
        _LOWER,
        "foreground",
        _inside(fidelity.mean_absolute_error),
        "foreground",
    ),
    "lpips": Metric(
        "LPIPS",
        "",
        _LOWER,
        "version 0.1, AlexNet; grey as colour, mean over the slices, at the images' own size",
        None,
    ),
    "mi_kraskov": Metric(
        "MI,\nKraskov",
        "nats",
        _HIGHER,
        f"Kraskov et al. 2004, {information.NEIGHBOURS} neighbours (scikit-learn); foreground, at "
        f"most {information.SAMPLES} voxels of it",
        _inside(information.kraskov),
        "foreground",
    ),
    "mi_histogram": Metric(
        "MI,\nhistogram",
        "nats",
        _HIGHER,
        f"{_JOINT}; foreground",
        _inside(information.histogram),
        "foreground",
    ),
    "nmi": Metric(
        "Normalised MI",
        "",
        _HIGHER,
        f"(H(X) + H(Y)) / H(X, Y), Studholme et al. 1999, 1 to 2; {_JOINT}; foreground",
        _inside(information.normalised),
        "foreground",
    ),
    "ncc": Metric(
        "NCC",
        "",
        _HIGHER,
        "Pearson's correlation coefficient; foreground",
        _inside(cross_correlation.normalised),
        "foreground",
    ),
    "lncc": Metric(
        "Local NCC",
        "",
        _HIGHER,
        f"squared correlation in windows of {cross_correlation.LOCAL_WINDOW} voxels, mean over the "
        "foreground",
        _lncc,
        "foreground",
    ),
    "cnr": Metric(
        "CNR",
        "",
        _HIGHER,
        "|mean of ROI - mean of background| / sqrt(sum of their variances)",
        _cnr,
        "regions",
    ),
    "fid": Metric("FID", "", _LOWER, "Heusel et al. 2017", None),
    "kid": Metric("KID", "", _LOWER, "Binkowski et al. 2018, all images, unbiased", None),
}

DISTANCES = ("fid", "kid")
# Without Inception they are not what is published under those names.
OFFLINE_LABELS = {
    "FID": "Fréchet distance,\noffline features",
    "KID": "Kernel distance,\noffline features",
}
_ON_REQUEST = ("lpips", "cnr")


def choose_metrics(
    names: Iterable[str] | None, lpips_weights: Path | None, regions: bool
) -> dict[str, Metric]:
    """The metrics to compute, ready.

    Args:
        names: keys of :data:`METRICS`; None: all, LPIPS and CNR where what they need is given.
        lpips_weights: of the backbone.
        regions: whether there are ROI files.

    Raises:
        InputError: an unknown name, or something that a metric needs is missing.
    """
    check_packages()
    if names is None:
        given = {"lpips": lpips_weights is not None, "cnr": regions}
        names = [name for name in METRICS if name not in _ON_REQUEST or given[name]]
    chosen = {}
    for name in names:
        if name not in METRICS:
            known = ", ".join(METRICS)
            raise InputError(f"The metric {name!r} is unknown; choose from {known}.")
        chosen[name] = METRICS[name]
    if "cnr" in chosen and not regions:
        raise InputError("CNR needs the folder of ROI files; give it with --rois.")
    if "lpips" in chosen:
        distance = load_lpips(lpips_weights).distance
        chosen["lpips"] = replace(METRICS["lpips"], measure=_whole(distance))
    return chosen
