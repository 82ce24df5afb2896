"""Brains that no atlas holds: slices warped, with other ventricles and other proportions.

A warp is a map back: for every pixel of the new slice the place in the old one that it shows.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from training.data.brain_slices import BrainSlice, nearest_inside
from USToMRILib.fetal.frame import BACKGROUND
from USToMRILib.fetal.tissues import Tissue

# The smallest part of a slice whose ventricles can be moved.
_LEAST_VENTRICLE_PIXELS = 40
_WALL_STEP_PIXELS = 1.5


@dataclass(frozen=True)
class Warp:
    """What is done to the anatomy of a slice.

    Attributes:
        wobble_pixels: standard deviation of a smooth random displacement.
        wobble_width: its smoothness, in pixels.
        ventricle_pixels: by which the walls of the ventricles are pushed out, or in if negative.
        ventricle_reach: distance over which what surrounds them gives way, in pixels.
        width: of the brain across its midline, relative to what it was.
        angle_deg: by which the slice is turned.
        scale: by which it grows.
    """

    wobble_pixels: float = 0.0
    wobble_width: float = 12.0
    ventricle_pixels: float = 0.0
    ventricle_reach: float = 10.0
    width: float = 1.0
    angle_deg: float = 0.0
    scale: float = 1.0

    @classmethod
    def draw(cls, rng: np.random.Generator, cephalic_index: float) -> Warp:
        """Draw one for a brain of this width over length.

        Two thirds of the brains keep their ventricles: with fewer, a network draws wide ones where
        it sees little. Of the others most are changed a little, some from slit-like to some 20 mm
        wide. Most brains get the cephalic index of HC18's heads, 0.77 with a deviation of 0.04,
        and all are from 0.6 to 0.95; the atlases' are 0.80 to 0.87.
        """
        widened = rng.uniform(-2, 5) if rng.random() < 0.75 else rng.uniform(0, 11)
        index = rng.normal(0.775, 0.045) if rng.random() < 0.75 else rng.uniform(0.6, 0.95)
        return cls(
            wobble_pixels=float(rng.uniform(0, 1.8)),
            wobble_width=float(rng.uniform(9, 18)),
            ventricle_pixels=float(widened) if rng.random() < 0.35 else 0.0,
            ventricle_reach=float(rng.uniform(6, 14)),
            width=float(np.clip(index, 0.6, 0.95) / cephalic_index),
            angle_deg=float(rng.normal(0, 2)),
            scale=float(rng.normal(1.0, 0.02)),
        )


def warped(brain: BrainSlice, warp: Warp, rng: np.random.Generator) -> BrainSlice:
    """The slice after a warp; ``rng`` draws the wobble."""
    shape = brain.tissues.shape
    moved = _ventricles_moved(brain.tissues == Tissue.VENTRICLES, warp)
    where = _turned(warp, shape) + _wobble(warp, shape, rng)
    beyond = (where < 0) | (where > np.array(shape)[:, None, None] - 1)
    places = np.where(beyond.any(0), -1, _at(moved, where))
    tissues = map_coordinates(brain.tissues, places, order=0, cval=0)
    whole = nearest_inside(brain.mri, brain.tissues > 0)
    # Splines keep the cortical ribbon, a pixel or two wide, as bright and dark as it was.
    mri = map_coordinates(whole, places, order=3, mode="nearest").clip(-1, 1)
    mri = np.where(tissues > 0, mri, BACKGROUND).astype(np.float32)
    return dataclasses.replace(brain, mri=mri, tissues=tissues)


def _turned(warp: Warp, shape: tuple[int, ...]) -> np.ndarray:
    """Places [2, rows, columns] of a slice turned and scaled about its middle."""
    middle = (np.array(shape, np.float32) - 1) / 2
    down, across = np.indices(shape, np.float32) - middle[:, None, None]
    c, s = math.cos(math.radians(warp.angle_deg)), math.sin(math.radians(warp.angle_deg))
    turned = np.stack([(c * down + s * across) / warp.width, c * across - s * down])
    return turned / warp.scale + middle[:, None, None]


def _wobble(warp: Warp, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A smooth random displacement [2, rows, columns] in pixels."""
    noise = rng.standard_normal((2, *shape), dtype=np.float32)
    smooth = gaussian_filter(noise, (0, warp.wobble_width, warp.wobble_width))
    return smooth * (warp.wobble_pixels / max(float(smooth.std()), 1e-6))


def _ventricles_moved(ventricles: np.ndarray, warp: Warp) -> np.ndarray:
    """Places [2, rows, columns] after the walls of the ventricles have moved.

    In small steps, each from the walls as they are by then: in one, what lies beyond the far wall
    of a slit would appear inside of it.
    """
    grid = np.indices(ventricles.shape, np.float32)
    if ventricles.sum() < _LEAST_VENTRICLE_PIXELS:
        return grid
    steps = math.ceil(abs(warp.ventricle_pixels) / _WALL_STEP_PIXELS)
    places = grid
    for _ in range(steps):
        walls = map_coordinates(ventricles, places, order=0)
        outside = distance_transform_edt(~walls)
        away = np.stack(np.gradient(gaussian_filter(outside - distance_transform_edt(walls), 1.5)))
        away /= np.maximum(np.hypot(*away), 0.5)
        push = warp.ventricle_pixels / steps * np.exp(-outside / warp.ventricle_reach)
        back = grid - gaussian_filter(push * away, (0, 1.0, 1.0))
        places = _at(places, back)
    return places


def _at(places: np.ndarray, where: np.ndarray) -> np.ndarray:
    """One map back after another: the places [2, rows, columns] that lie at ``where``."""
    return np.stack([map_coordinates(p, where, order=1, mode="nearest") for p in places])
