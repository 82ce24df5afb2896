"""A loaded day: what benchmarks/batch.md tells holds."""

from __future__ import annotations

import sys

import pytest

from benchmarks.batch import loaded_day


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory and signals are Linux's")
def test_a_loaded_day(tmp_path):
    """500 cases, 50 of them damaged, three kills."""
    day = loaded_day(tmp_path, 450, 50)
    assert len(day.whole.rss_mib) == 500
    assert abs(day.growth) < 0.1
    assert [run.status for run in day.runs] == [-9, 130, -9, 3]
    assert (day.complete, day.named) == (450, 50)
    assert day.twice <= 2  # a case that was told in the moment of a SIGKILL
    assert day.leftovers == 0
