"""An exponent is fitted where one power law holds, and refused with the reason where it would mislead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from dctbench import analysis
from dctbench.wording import summary
from dctbench.wording.labels import Labels
from tests.support.made import result

LENGTHS = [2**k for k in range(7, 13)]


def scaling(latencies: dict[int, float]) -> analysis.Scaling:
    [found] = analysis.scalings(analysis.summarise([result(seq_len=n, seconds=t) for n, t in latencies.items()]))
    return found


@given(st.floats(0.5, 3), st.floats(1e-9, 1e-3))
def test_a_power_law_gives_its_exponent(exponent: float, scale: float) -> None:
    found = scaling({n: scale * n**exponent for n in LENGTHS})
    assert found.refused is None
    assert found.exponent is not None
    assert found.exponent.value == pytest.approx(exponent)
    assert [step.exponent for step in found.steps] == pytest.approx([exponent] * 5)
    assert all(step.low is step.high is None for step in found.steps)  # one round says nothing of the next


def test_the_interval_is_that_of_a_regression_on_logarithms() -> None:
    noise = [1.02, 0.97, 1.01, 1.03, 0.98, 1.0]
    times = [factor * n**2 * 1e-9 for factor, n in zip(noise, LENGTHS, strict=True)]
    found = scaling(dict(zip(LENGTHS, times, strict=True))).exponent
    fit = scipy_stats.linregress(np.log(LENGTHS), np.log(times))
    half = scipy_stats.t.ppf(0.975, len(times) - 2) * fit.stderr
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((fit.slope, fit.slope - half, fit.slope + half))


def test_the_growth_between_two_lengths_has_the_interval_of_its_ratio_paired_by_round() -> None:
    level, logs = [1.0, 2.0, 0.5, 1.5], np.array([2.1, 2.0, 1.9, 2.05])
    rounds = range(1, 5)
    made = [result(seq_len=512, seconds=level[n - 1] * 1e-3, round=n) for n in rounds]
    made += [result(seq_len=2048, seconds=level[n - 1] * 1e-3 * float(4 ** logs[n - 1]), round=n) for n in rounds]
    [found] = analysis.scalings(analysis.summarise(made))
    [step] = found.steps
    half = scipy_stats.t.ppf(0.975, 3) * scipy_stats.sem(logs)
    assert (step.exponent, step.low, step.high) == pytest.approx((logs.mean(), logs.mean() - half, logs.mean() + half))
    assert (step.shorter, step.longer) == (512, 2048)


def test_an_exponent_is_said_with_its_interval() -> None:
    noise = [1.02, 0.97, 1.01, 1.03, 0.98, 1.0]
    made = [
        result(seq_len=n, seconds=factor * n**2 * 1e-9 * wobble, round=number)
        for number, wobble in ((1, 0.99), (2, 1.01))
        for factor, n in zip(noise, LENGTHS, strict=True)
    ]
    [found] = analysis.scalings(analysis.summarise(made))
    text = summary.scaling(found, Labels([]))
    assert text == (
        "sdpa: time grows as n^2.00 (1.97 to 2.02) over n = 128 to 4096, not distinguishable from quadratic; "
        "n^2.03 (2.03 to 2.03) from n = 2048 to 4096"
    )


def test_the_overhead_plateau_is_left_out_of_the_fit() -> None:
    times = {n: max(1e-3, 1e-9 * n**2) for n in [64, 128, 256, 512, *(1024 * 2**k for k in range(5))]}
    found = scaling(times)
    assert found.exponent is not None
    assert found.fitted[0] >= 512
    assert found.exponent.value == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    ("latencies", "reason"),
    [
        ({128: 1.0, 256: 2.0, 512: 4.0}, "3 lengths, and a fit needs 4"),
        ({128: 1.0, 256: 1.0, 512: 1.0, 1024: 2.0, 2048: 4.0}, "2 more on the overhead plateau"),
        ({128: 1.0, 256: 1.4, 512: 2.0, 1024: 8.0, 2048: 32.0, 4096: 128.0}, "no single power law"),
    ],
)
def test_a_fit_that_would_mislead_is_refused_with_the_reason(latencies: dict[int, float], reason: str) -> None:
    found = scaling(latencies)
    assert found.exponent is None
    assert reason in summary.scaling(found, Labels([]))


def test_one_length_says_nothing_of_growth() -> None:
    assert analysis.scalings(analysis.summarise([result()])) == []
