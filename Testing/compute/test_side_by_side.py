"""Two things at once on half of torch's threads each, and the exact mode that does so."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from USToMRILib.compute.threads import SideBySide, on_threads
from USToMRILib.fetal.diffusion import DdicOptions, load_pair, translate_frames
from USToMRILib.progress import Progress


def who() -> tuple[str, int]:
    return threading.current_thread().name, torch.get_num_threads()


@pytest.mark.parametrize(("threads", "half"), [(2, 1), (4, 2), (6, 2)])
def test_both_are_done_at_the_same_time_on_half_of_the_threads(torch_threads, threads, half):
    torch_threads(threads)
    meeting = threading.Barrier(2, timeout=10)

    def meet() -> tuple[str, int]:
        meeting.wait()
        return who()

    with SideBySide("cpu") as side:
        for _ in range(3):
            (one, its), (other, others) = side.both(meet, meet)
            assert one != other
            assert its == others == half
            assert torch.get_num_threads() == threads
    assert threading.current_thread().name not in (one, other)
    assert not {one, other} & {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(("device", "threads"), [("cpu", 1), ("cuda", 4), ("mps", 4)])
def test_without_threads_for_both_the_caller_does_one_after_the_other(
    torch_threads, device, threads
):
    torch_threads(threads)
    order = []
    with SideBySide(device) as side:
        made = side.both(lambda: order.append(1) or who(), lambda: order.append(2) or who())
    assert order == [1, 2]
    assert made == (who(), who())


@pytest.mark.parametrize("fails", [0, 1])
def test_what_goes_wrong_is_raised_and_the_threads_end(torch_threads, fails):
    torch_threads(4)
    before = set(threading.enumerate())

    def fail() -> None:
        raise FloatingPointError("NaN")

    works = [who, who]
    works[fails] = fail
    with pytest.raises(FloatingPointError), SideBySide("cpu") as side:
        side.both(*works)
    assert torch.get_num_threads() == 4
    assert set(threading.enumerate()) == before


def test_of_two_failures_the_first_is_raised_when_both_are_done(torch_threads):
    torch_threads(2)
    done = []

    def fail_at_once() -> None:
        raise ValueError("first")

    def fail_later() -> None:
        time.sleep(0.2)
        done.append(True)
        raise KeyError("second")

    with SideBySide("cpu") as side:
        with pytest.raises(ValueError, match="first"):
            side.both(fail_at_once, fail_later)
        assert done
        assert side.both(lambda: 1, lambda: 2) == (1, 2)


@pytest.mark.parametrize("frames", [1, 2])
def test_a_thread_that_begins_meanwhile_has_all_of_torchs_threads(torch_threads, frames):
    torch_threads(4)
    born: list[int] = []
    all_have_theirs = threading.Barrier(frames, timeout=10)

    def beside(progress: Progress, item: int) -> int:
        with SideBySide("cpu") as side:
            (_, its), _ = side.both(who, who)
            all_have_theirs.wait()
            thread = threading.Thread(target=lambda: born.append(torch.get_num_threads()))
            thread.start()
            thread.join()
        return its

    assert on_threads(beside, range(frames), Progress(), 0, "cpu") == [2 // frames] * frames
    assert born == [4] * frames


def test_the_exact_mode_makes_the_same_voxels_on_more_threads(torch_threads):
    pair, settings = load_pair("cpu"), DdicOptions(3, "ddim")
    x = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    made = []
    for threads in (1, 2, 4):
        torch_threads(threads)
        made.append(translate_frames(x, pair, settings, Progress()))
    assert torch.equal(made[1], made[0])
    assert torch.equal(made[2], made[0])
