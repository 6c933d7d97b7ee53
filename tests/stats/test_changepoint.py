"""Changes of level: planted ones are found in place, noise shows as few as stated, and outliers show none."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dctbench.stats.changepoint import LEAST_LEVEL, LEAST_POINTS, level_starts

NOISES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "cauchy": lambda rng, n: rng.standard_cauchy(size=n),
    "lognormal": lambda rng, n: rng.lognormal(size=n),
    "four values": lambda rng, n: rng.integers(0, 4, size=n).astype(float),
}


@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=100)
def test_a_shift_well_above_the_noise_is_found_where_it_was_planted(data: st.DataObject, seed: int) -> None:
    count = data.draw(st.integers(20, 200))
    place = data.draw(st.integers(count // 3, count - count // 3))
    size = data.draw(st.floats(12, 1e6)) * data.draw(st.sampled_from([1, -1]))
    # The noise is bounded and twelve times narrower than the least shift, so no other position fits as well.
    values = np.random.default_rng(seed).uniform(-0.5, 0.5, count)
    values[place:] += size
    assert place in level_starts(list(values))


@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_several_levels_are_found_and_nothing_starts_outside_the_data(data: st.DataObject, seed: int) -> None:
    lengths = data.draw(st.lists(st.integers(15, 40), min_size=3, max_size=5))
    rng = np.random.default_rng(seed)
    heights = np.cumsum([0, *(data.draw(st.sampled_from([-30.0, 30.0])) for _ in lengths[1:])])
    values = np.concatenate([h + rng.uniform(-0.5, 0.5, n) for h, n in zip(heights, lengths, strict=True)])
    planted = {int(edge) for edge in np.cumsum(lengths)[:-1]}
    found = level_starts(list(values))
    assert planted <= set(found)
    edges = [0, *found, len(values)]
    assert found == sorted(set(found))
    assert min(np.diff(edges)) >= LEAST_LEVEL


@given(values=st.lists(st.floats(-1e9, 1e9), max_size=60))
@settings(max_examples=100)
def test_any_series_has_its_levels_inside_and_long_enough(values: list[float]) -> None:
    found = level_starts(values)
    assert found == [] or min(np.diff([0, *found, len(values)])) >= LEAST_LEVEL


@pytest.mark.parametrize("noise", NOISES)
def test_of_two_hundred_series_of_pure_noise_at_most_ten_show_a_change(noise: str) -> None:
    """The rate was 0.5 to 1.7% over 2,000 or 3,000 series of each kind and length from 10 to 100.

    Binomial(200, 0.017) exceeds 10 less than once in 1,000 times, and the seed is fixed.
    """
    rng = np.random.default_rng(20260102)
    for count in (10, 20, 50, 100):
        false = sum(bool(level_starts(list(NOISES[noise](rng, count)))) for _ in range(200))
        assert false <= 10, f"{false} of 200 series of {count}"


@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_a_bump_in_the_middle_is_found_on_both_sides(data: st.DataObject, seed: int) -> None:
    count = data.draw(st.integers(24, 150))
    width = data.draw(st.integers(count // 3, count // 2))
    start = data.draw(st.integers(6, count - width - 6))
    values = np.random.default_rng(seed).uniform(-0.5, 0.5, count)
    values[start : start + width] += data.draw(st.sampled_from([-20.0, 20.0]))
    assert {start, start + width} <= set(level_starts(list(values)))


def test_ten_values_are_the_fewest_that_show_a_change() -> None:
    step = [1.0, 1.1, 1.2, 1.05, 1.15, 9.0, 9.1, 9.2, 9.05, 9.15]
    assert level_starts(step) == [5]
    assert level_starts(step[1:]) == []
    assert len(step) == LEAST_POINTS


@pytest.mark.parametrize("height", [1e3, 1e12])
def test_outliers_and_equal_values_make_no_level(height: float) -> None:
    values = list(np.random.default_rng(0).normal(size=40))
    for place in (7, 20, 21, 33):
        values[place] += height
    assert level_starts(values) == []
    assert level_starts([2.5] * 40) == []


def test_without_the_extra_the_error_names_it_and_short_series_do_not_need_it() -> None:
    code = """
import sys
sys.modules["ruptures"] = None  # as where it is not installed
from dctbench.errors import UnavailableError
from dctbench.stats.changepoint import level_starts
assert level_starts([1.0] * 9) == []
try:
    level_starts([1.0] * 10)
except UnavailableError as error:
    print(error.exit_code, error.hint)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "6 pip install 'dctbench[history]'\n"
