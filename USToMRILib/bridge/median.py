"""A median filter with a gradient, fast enough to run at every step of a diffusion."""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate, chain
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InputError

if TYPE_CHECKING:
    import torch


class Network(NamedTuple):
    """A network of comparisons, each of two wires.

    Attributes:
        comparisons: first wire, second wire, whether the lesser value is needed after it, on the
            first, and whether the greater, on the second.
        wires: of the result.
    """

    comparisons: tuple[tuple[int, int, bool, bool], ...]
    wires: tuple[int, ...]


def median_filter(image: torch.Tensor, kernel: int) -> torch.Tensor:
    """Median over kernel x kernel pixels, borders reflected; differentiable.

    The gradient of a median flows to the pixel that was chosen (of equal ones, to one of them).
    With NaN in a window its median means nothing.

    Args:
        image: float [B, C, H, W].
        kernel: odd width in pixels, at least 1.

    Raises:
        InputError: if the kernel is even or below 1.
    """
    import torch
    from torch.nn import functional as F

    if kernel < 1 or kernel % 2 == 0:
        raise InputError(f"A median filter of width {kernel} has no centre; give an odd width.")
    padded = F.pad(image, [kernel // 2] * 4, mode="reflect")
    stride = padded.shape[3]
    flat = padded.flatten(2).flatten(0, 1)
    with torch.no_grad():
        medians = _medians(flat, stride, kernel)
        if not flat.requires_grad:
            return _as_image(medians, image.shape, stride)
        places = _as_image(_places(flat, medians, stride, kernel), image.shape, stride)
    return flat.gather(1, places.flatten(2).flatten(0, 1)).view_as(image)


def _medians(flat: torch.Tensor, stride: int, kernel: int) -> torch.Tensor:
    """The medians of the windows of padded images [B C, N] whose rows lie one after the other.

    Shifted images are then plain pieces of memory. A window that would go on in the next row is
    computed with the others, and means nothing.

    Selection networks on whole images are many times as fast as sorting pixel by pixel. Windows
    beside each other share their sorted columns and pairs of columns (as in Adams 2021, "Fast
    median filters using separable sorting networks").
    """
    count = flat.shape[1] - (kernel - 1) * (stride + 1)  # from the first to the last of an image
    rows = [flat[:, row * stride :][:, : count + kernel - 1] for row in range(kernel)]
    column = _through(_sorting(kernel), rows)
    beside = [one[:, :-1] for one in column] + [one[:, 1:] for one in column]
    pair = _through(_merging(kernel), beside)
    runs = [one[:, :count] for one in column]
    for start in range(1, kernel, 2):
        runs += [one[:, start : start + count] for one in pair]
    (medians,) = _through(_median_of_runs(kernel), runs)
    return medians


def _places(flat: torch.Tensor, medians: torch.Tensor, stride: int, kernel: int) -> torch.Tensor:
    """Where in ``flat`` each of the medians is from: the first such place in its window."""
    import torch

    count = medians.shape[1]
    shifts = [row * stride + column for row in range(kernel) for column in range(kernel)]
    end = shifts[-1] + 1
    # All in one type of number: many times as fast as booleans, and as argmax() over the windows.
    # What is NaN equals nothing, and is from the last place.
    before_end = torch.ones_like(medians, dtype=torch.float32)
    equal = torch.empty_like(before_end)
    for shift in shifts[:-1]:
        torch.eq(flat[:, shift : shift + count], medians, out=equal)
        before_end = torch.maximum(before_end, equal * (end - shift))
    return torch.arange(end, end + count, device=flat.device) - before_end.long()


def _as_image(windows: torch.Tensor, shape: torch.Size, stride: int) -> torch.Tensor:
    """What was computed for each window [B C, N], where its centre is in images [B, C, H, W]."""
    strides = (windows.stride(0), stride, 1)
    return windows.as_strided((len(windows), *shape[2:]), strides).unflatten(0, shape[:2])


def _through(network: Network, values: list[torch.Tensor]) -> list[torch.Tensor]:
    """What a network makes of values on its wires, element by element."""
    import torch

    values = list(values)
    for first, second, lesser, greater in network.comparisons:
        a, b = values[first], values[second]
        if lesser:
            values[first] = torch.minimum(a, b)
        if greater:
            values[second] = torch.maximum(a, b)
    return [values[wire] for wire in network.wires]


@lru_cache(maxsize=8)
def _sorting(count: int) -> Network:
    """Sorts so many values."""
    return _needed(*_sort(list(range(count))))


@lru_cache(maxsize=8)
def _merging(count: int) -> Network:
    """Makes one sorted run of two that have so many values each."""
    return _needed(*_merge(list(range(count)), list(range(count, 2 * count))))


@lru_cache(maxsize=8)
def _median_of_runs(kernel: int) -> Network:
    """Takes the median of a sorted column and of the sorted pairs of columns that follow it."""
    lengths = [kernel, *[2 * kernel] * (kernel // 2)]
    ends = list(accumulate(lengths))
    comparisons: list[tuple[int, int]] = []
    merged: list[int] = []
    for end, length in zip(ends, lengths):
        more, merged = _merge(merged, list(range(end - length, end)))
        comparisons += more
    return _needed(comparisons, [merged[len(merged) // 2]])


def _sort(wires: list[int]) -> tuple[list[tuple[int, int]], list[int]]:
    """The comparisons that sort what is on the wires, and the wires in the order of the result."""
    if len(wires) < 2:
        return [], wires
    half = len(wires) // 2
    (left, low), (right, high) = _sort(wires[:half]), _sort(wires[half:])
    merging, merged = _merge(low, high)
    return left + right + merging, merged


def _merge(a: list[int], b: list[int]) -> tuple[list[tuple[int, int]], list[int]]:
    """As :func:`_sort`, for two runs of wires that are sorted already.

    Batcher's odd-even merge for runs of any length (Knuth, The Art of Computer Programming 3,
    section 5.3.4).
    """
    if not a or not b:
        return [], a + b
    if len(a) == len(b) == 1:
        return [(a[0], b[0])], a + b
    (left, evens), (right, odds) = _merge(a[::2], b[::2]), _merge(a[1::2], b[1::2])
    last = list(zip(odds, evens[1:]))
    rest = odds[len(last) :] + evens[len(last) + 1 :]
    return left + right + last, [evens[0], *chain.from_iterable(last), *rest]


def _needed(comparisons: list[tuple[int, int]], wires: list[int]) -> Network:
    """The network without what does not show on the given wires."""
    needed, kept = set(wires), []
    for first, second in reversed(comparisons):
        lesser, greater = first in needed, second in needed
        if lesser or greater:
            kept.append((first, second, lesser, greater))
            needed.update((first, second))
    return Network(tuple(reversed(kept)), tuple(wires))
