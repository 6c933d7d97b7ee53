"""Intervals over inputs, against SciPy and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dctbench.stats.over_inputs import difference_interval, mean_interval
from tests.support.intervals import agresti_min


@pytest.mark.parametrize(("right", "of"), [(0, 20), (1, 20), (13, 20), (20, 20), (70, 100)])
def test_right_answers_have_wilson_s_interval(right: int, of: int) -> None:
    found = mean_interval([1.0] * right + [0.0] * (of - right))
    expected = stats.binomtest(right, of).proportion_ci(method="wilson")
    assert found is not None
    np.testing.assert_allclose(
        [found.value, found.low, found.high], [right / of, expected.low, expected.high], atol=1e-9
    )


def test_other_figures_have_student_s_interval() -> None:
    figures = np.random.default_rng(1).normal(0.8, 0.1, 15)
    low, high = stats.t.interval(0.95, 14, figures.mean(), stats.sem(figures))
    found = mean_interval(figures.tolist())
    assert found is not None
    np.testing.assert_allclose([found.low, found.high], [low, high], rtol=1e-9)


@pytest.mark.parametrize("confidence", [0.95, 0.975])
@pytest.mark.parametrize(
    ("both", "gained", "lost", "neither"),
    [(60, 3, 0, 37), (20, 0, 0, 0), (30, 12, 4, 4), (4, 1, 9, 6), (0, 0, 20, 0), (0, 3, 0, 0), (700, 40, 90, 170)],
)
def test_differences_of_answers_have_agresti_and_min_s_interval(
    both: int, gained: int, lost: int, neither: int, confidence: float
) -> None:
    after = [1.0] * (both + gained) + [0.0] * (lost + neither)
    before = [1.0] * both + [0.0] * gained + [1.0] * lost + [0.0] * neither
    found = difference_interval(after, before, confidence)
    assert found is not None
    assert found.value == pytest.approx((gained - lost) / len(after))
    np.testing.assert_allclose([found.low, found.high], agresti_min(after, before, confidence), rtol=1e-9)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.975])
def test_differences_of_other_figures_have_student_s_interval_at_the_confidence_asked_for(confidence: float) -> None:
    source = np.random.default_rng(4)
    after, before = source.normal(0.8, 0.1, (2, 12))
    low, high = stats.t.interval(confidence, 11, (after - before).mean(), stats.sem(after - before))
    found = difference_interval(after.tolist(), before.tolist(), confidence)
    assert found is not None
    np.testing.assert_allclose([found.low, found.high], [low, high], rtol=1e-9)


def test_differences_are_paired() -> None:
    source = np.random.default_rng(2)
    before = source.normal(0, 1, 30)
    after = before + source.normal(0.1, 0.01, 30)
    low, high = stats.t.interval(0.95, 29, (after - before).mean(), stats.sem(after - before))
    found = difference_interval(after.tolist(), before.tolist())
    assert found is not None
    np.testing.assert_allclose([found.low, found.high], [low, high], rtol=1e-9)


def test_equal_answers_of_few_inputs_do_not_prove_equality() -> None:
    """A bootstrap would give the interval from 0 to 0."""
    found = difference_interval([1.0] * 20, [1.0] * 20)
    assert found is not None
    assert found.value == 0
    assert found.low < -0.05
    assert found.high > 0.05


@pytest.mark.parametrize(("gained", "lost"), [(0.05, 0.05), (0.1, 0.3), (0.0, 0.1)])
def test_intervals_of_differences_of_answers_hold_the_truth(gained: float, lost: float) -> None:
    source = np.random.default_rng(3)
    held, runs, n = 0, 1000, 50
    for _ in range(runs):
        draw = source.random(n)
        before = np.where(draw < gained, 0.0, 1.0)
        after = np.where((draw >= gained) & (draw < gained + lost), 0.0, 1.0)
        found = difference_interval(after.tolist(), before.tolist())
        assert found is not None
        held += found.low <= gained - lost <= found.high
    assert 0.93 <= held / runs <= 0.99  # wider intervals would hold it more often and tell less


def test_one_input_and_other_inputs_have_no_interval() -> None:
    assert mean_interval([1.0]) is None
    assert difference_interval([1.0, 0.0], [1.0]) is None
    assert difference_interval([1.0], [1.0]) is None


@pytest.mark.parametrize("by", [0.0, -0.04])
def test_equal_changes_of_figures_that_move_in_steps_are_known_to_one_step(by: float) -> None:
    """Accuracies over batches of 25: four equal differences may be chance."""
    before = [0.80, 0.84, 0.84, 0.92]
    found = difference_interval([figure + by for figure in before], before)
    half = stats.t.ppf(0.975, 3) * 0.04 / 2
    assert found is not None
    np.testing.assert_allclose([found.value, found.low, found.high], [by, by - half, by + half], atol=1e-9)


def test_figures_that_are_all_equal_tell_nothing_of_how_they_vary() -> None:
    assert difference_interval([0.9] * 4, [0.9] * 4) is None
    assert mean_interval([0.9] * 4) is None
