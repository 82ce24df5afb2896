from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from USToMRILib.bridge.schedule import Schedule
from USToMRILib.errors import InputError


def test_cosine_is_nichol_and_dhariwals():
    schedule = Schedule.cosine()
    assert schedule.num_steps == 1000
    assert schedule.at(-1) == 1
    # f(t) / f(0) of their eq. 17, wherever no beta is clipped.
    time = np.arange(1, 999) / 1000
    f = np.cos((time + 0.008) / 1.008 * np.pi / 2) ** 2
    expected = f / np.cos(0.008 / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(schedule.alpha_bar[1:999], expected, rtol=1e-9)
    # The last beta is clipped at 0.999.
    assert schedule.at(999) / schedule.at(998) == pytest.approx(0.001)


LINEAR = Schedule.from_betas(np.linspace(1e-4, 0.02, 1000))  # Ho et al. 2020


def test_betas_add_up_to_the_signal_that_is_left():
    schedule = LINEAR
    assert schedule.at(0) == pytest.approx(1 - 1e-4)
    assert schedule.at(999) / schedule.at(998) == pytest.approx(1 - 0.02)


@given(st.integers(2, 1000))
def test_levels_run_evenly_from_the_clean_image_to_the_latent(steps):
    levels = Schedule.cosine().levels(steps)
    assert (levels[0], levels[-1], len(levels)) == (-1, 999, steps + 1)
    gaps = np.diff(levels)
    assert gaps.min() >= 1
    assert np.ptp(gaps) <= 1


@given(st.integers(2, 1000), st.sampled_from([Schedule.cosine(), LINEAR]))
def test_log_snr_levels_are_distinct_and_keep_both_ends(steps, schedule):
    levels = schedule.log_snr_levels(steps)
    assert (levels[0], levels[-1], len(levels)) == (-1, 999, steps + 1)
    assert np.diff(levels).min() >= 1


def test_log_snr_levels_between_the_ends_are_even_in_log_snr():
    schedule = Schedule.cosine()
    between = [schedule.log_snr(level) for level in schedule.log_snr_levels(16)[1:-1]]
    # As far as whole levels allow, which are rarest at both ends.
    np.testing.assert_allclose(between, np.linspace(between[0], between[-1], 15), atol=0.15)


@pytest.mark.parametrize("steps", [-1, 0, 1, 1001])
def test_other_numbers_of_steps_are_refused(steps):
    with pytest.raises(InputError, match="2 to 1000"):
        Schedule.cosine().levels(steps)
    with pytest.raises(InputError, match="2 to 1000"):
        Schedule.cosine().log_snr_levels(steps)


def test_metadata_name_the_schedule():
    named = {"schedule": {"name": "cosine", "num_steps": 1000, "s": 0.008, "max_beta": 0.999}}
    np.testing.assert_array_equal(
        Schedule.from_metadata(named).alpha_bar, Schedule.cosine().alpha_bar
    )
    with pytest.raises(InputError, match="unknown"):
        Schedule.from_metadata({"schedule": {"name": "sigmoid"}})
    with pytest.raises(InputError, match="unknown"):
        Schedule.from_metadata({})
