"""Every schedule stays within (0, 1]; the split and the restarts are where they were asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.training.schedules import Shape, schedules

NAMES = ["constant", "cosine", "linear", "trapezoid", "warm-restarts"]
lengths = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)


def test_all_are_registered():
    assert schedules.names() == NAMES


@given(st.sampled_from(NAMES), st.integers(1, 300), st.floats(0, 1), st.floats(0, 1), lengths)
def test_a_rate_is_above_zero_and_at_most_full(name, steps, warmup, decay, cycles):
    rates = [schedules.get(name)(step, steps, Shape(warmup, decay, cycles)) for step in range(steps)]
    assert all(0 < rate <= 1 + 1e-9 for rate in rates)


def test_the_split_of_a_linear_schedule():
    rates = [schedules.get("linear")(step, 100, Shape(warmup=0.1)) for step in range(100)]
    assert rates.index(max(rates)) == 9
    assert rates[-1] == pytest.approx(1 / 90)


def test_restarts_of_eight_and_four():
    rates = [schedules.get("warm-restarts")(step, 120, Shape(warmup=0.1, cycles=(8, 4))) for step in range(120)]
    assert rates[80] < rates[81] > 2 * rates[79], "the second cycle begins after 80 steps"
    assert [step for step, rate in enumerate(rates) if rate == 1] == [7, 8, 83, 84]
