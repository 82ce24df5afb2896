"""Frames on a thread each: the same as one after the other, and nothing left behind."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from USToMRILib import Cancelled
from USToMRILib.compute.threads import MOST_AT_WORK, at_work, on_threads
from USToMRILib.fetal.diffusion import DdicOptions, load_pair, residual_frames, translate_frames
from USToMRILib.progress import CancelToken, Progress

STEPS = 3


@pytest.fixture
def four_threads(torch_threads) -> None:
    torch_threads(4)


def run(work, items, progress=None, device="cpu"):
    progress = progress or Progress()
    with progress.within("slices", STEPS * len(items)) as inner:
        return on_threads(work, items, inner, STEPS, device)


def steps(progress: Progress, seconds: float = 0.0) -> None:
    for _ in progress.track("step", range(STEPS)):
        time.sleep(seconds)


def test_results_come_in_order_and_events_in_the_calling_thread(four_threads) -> None:
    events, seen = [], []

    def work(progress: Progress, item: int) -> tuple[int, str]:
        steps(progress, 0.01 * (5 - item))
        return item, threading.current_thread().name

    def told(event) -> None:
        events.append((event.phase, event.step, event.of))
        seen.append(threading.current_thread())

    made = run(work, range(5), Progress(told))
    assert [item for item, _ in made] == list(range(5))
    assert len({name for _, name in made}) == 4
    assert events == [("slices", n, 15) for n in range(1, 16)]
    assert set(seen) == {threading.current_thread()}


def test_time_is_counted_from_the_beginning(four_threads) -> None:
    etas: list[float] = []
    progress = Progress(lambda event: etas.append(event.eta_s))
    run(lambda inner, item: steps(inner, 0.1), range(4), progress)
    assert progress.timings["slices"] > 0.29
    assert 0.15 < etas[3] < 1  # four steps are done, one of each item, and two of each are left
    assert etas[-1] == 0


@pytest.mark.parametrize("tracked", [0, 2, 5])
def test_other_steps_than_were_said_do_no_harm(four_threads, tracked) -> None:
    events: list[int] = []

    def work(progress: Progress, item: int) -> int:
        for _ in progress.track("step", range(tracked)):
            pass
        return item

    assert run(work, range(6), Progress(lambda event: events.append(event.step))) == [*range(6)]
    assert events == [*range(1, 19)]


def test_a_thread_that_begins_meanwhile_has_all_of_torchs_threads(four_threads) -> None:
    born: list[int] = []

    def watch() -> None:
        time.sleep(0.1)
        born.append(torch.get_num_threads())

    thread = threading.Thread(target=watch)
    thread.start()
    run(lambda inner, item: steps(inner, 0.1), range(4))
    thread.join()
    assert born == [4]


def test_items_share_the_threads_and_those_of_the_caller_stay(four_threads) -> None:
    def work(progress: Progress, item: int) -> int:
        steps(progress)
        return torch.get_num_threads()

    assert run(work, range(2)) == [2, 2]
    torch.set_num_threads(7)
    assert run(work, range(1)) == [4]  # with 3, 5, 6 or 7 it would round otherwise
    assert run(work, range(2)) == [2, 2]
    assert torch.get_num_threads() == 7
    torch.set_num_threads(4)
    assert run(work, range(2)) == [2, 2]
    assert torch.get_num_threads() == 4
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [4]


@pytest.mark.parametrize(("items", "device"), [(0, "cpu"), (1, "cpu"), (3, "cuda")])
def test_a_single_item_and_a_gpu_keep_to_the_calling_thread(four_threads, items, device) -> None:
    def work(progress: Progress, item: int) -> threading.Thread:
        steps(progress)
        return threading.current_thread()

    assert run(work, range(items), device=device) == [threading.current_thread()] * items
    assert torch.get_num_threads() == 4


def test_the_first_failure_ends_the_others_and_is_the_one_that_is_raised(four_threads) -> None:
    begun, ended, others = [], [], threading.active_count()

    def work(progress: Progress, item: int) -> None:
        begun.append(item)
        if item == 1:
            raise FloatingPointError("at level 7")
        for _ in progress.track("step", range(1000)):
            time.sleep(0.01)
        ended.append(item)

    with pytest.raises(FloatingPointError, match="at level 7"):
        run(work, range(20))
    assert len(begun) < 8
    assert not ended
    assert threading.active_count() == others
    assert torch.get_num_threads() == 4


def test_a_cancel_ends_all_after_their_step(four_threads) -> None:
    token, done = CancelToken(), []

    def work(progress: Progress, item: int) -> None:
        for n in progress.track("step", range(STEPS)):
            time.sleep(0.05)
            done.append(n)
            token.cancel()

    with pytest.raises(Cancelled):
        run(work, range(8), Progress(cancel=token))
    assert len(done) <= 4
    assert set(done) == {0}
    assert torch.get_num_threads() == 4


def test_a_gpu_takes_no_threads_and_a_large_machine_not_all(four_threads) -> None:
    assert at_work("cuda") == at_work("mps") == 1
    assert at_work("cpu") == 4
    torch.set_num_threads(64)
    assert at_work("cpu") == MOST_AT_WORK


@pytest.mark.parametrize("sigma", [0.0, 1.0])
@pytest.mark.parametrize(("solver", "numbers"), [("dpm++2m", (2, 7)), ("ddim", (3, 8))])
def test_frames_are_the_same_whatever_the_number_of_threads(
    torch_threads, sigma, solver, numbers
) -> None:
    """With the bundled networks, to the last bit."""
    generator = torch.Generator().manual_seed(0)
    x0 = torch.rand(3, 1, 128, 128, generator=generator) * 2 - 1
    pair, settings = load_pair("cpu"), DdicOptions(3, solver)
    made = []
    for threads in (1, *numbers):
        torch_threads(threads)
        y = translate_frames(x0, pair, settings, Progress(), sigma)
        made.append((y, residual_frames(x0, y, pair, settings, Progress())))
    for one, *others in zip(*made):
        assert all(torch.equal(one, other) for other in others)
