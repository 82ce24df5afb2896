from __future__ import annotations

import pytest

from USToMRILib.errors import Cancelled
from USToMRILib.progress import CancelToken, Progress


def test_every_item_is_reported_with_a_remaining_time():
    events = []
    assert list(Progress(events.append).track("work", "abc")) == ["a", "b", "c"]
    assert [(e.phase, e.step, e.of) for e in events] == [("work", n, 3) for n in (1, 2, 3)]
    assert events[-1].eta_s == 0
    assert all(e.eta_s >= 0 for e in events)


def test_phases_add_up_their_time():
    progress = Progress()
    for _ in range(2):
        with progress.phase("load"):
            pass
    assert list(progress.timings) == ["load"]
    assert progress.timings["load"] > 0


def test_a_cancel_stops_before_the_next_item():
    token = CancelToken()
    items = Progress(cancel=token).track("work", range(9))
    assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
    token.cancel()
    with pytest.raises(Cancelled):
        next(items)


def test_an_error_in_a_phase_comes_out_as_it_was():
    with pytest.raises(KeyError), Progress().phase("load"):
        raise KeyError("lost")


def test_items_without_length_need_their_number():
    with pytest.raises(TypeError, match="number of items"):
        list(Progress().track("work", iter("abc")))
    assert list(Progress().track("work", iter("abc"), of=3)) == ["a", "b", "c"]
