"""A bound over processes, against the definition and in simulation."""

from __future__ import annotations

import math
import random

import pytest
from scipy import stats

from dctbench.stats.robust import quantile, quantile_upper_bound
from dctbench.stats.tail import LEAST_PROCESSES, bound_over_processes, tolerance_factor


@pytest.mark.parametrize("count", [30, 60, 200])
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_the_factor_is_that_of_a_normal_tolerance_bound(count: int, confidence: float) -> None:
    """By the noncentral t distribution, which the formula approximates."""
    shift = stats.norm.ppf(0.99) * math.sqrt(count)
    exact = stats.nct.ppf(confidence, count - 1, shift) / math.sqrt(count)
    assert tolerance_factor(count, 0.99, confidence) == pytest.approx(exact, rel=0.02)


def test_few_processes_give_no_bound() -> None:
    assert bound_over_processes([[1.0, 2.0]] * (LEAST_PROCESSES - 1), 0.99) is None
    assert bound_over_processes([[1.0, 2.0]] * LEAST_PROCESSES, 0.99) is not None


def test_where_processes_agree_it_is_the_quantile_of_their_samples() -> None:
    samples = [1.0 + i / 1000 for i in range(1000)]
    assert bound_over_processes([samples] * 30, 0.99) == pytest.approx(quantile(samples, 0.99), rel=1e-3)


def test_where_calls_of_a_process_agree_it_is_a_quantile_of_heavy_tailed_levels() -> None:
    """Of a hundred equally likely levels, Student's t with 4 degrees of freedom has one above its 98.5% quantile."""
    levels = [math.log(1 + (i * 37 % 30) / 100) for i in range(30)]
    sd = stats.tstd(levels) * tolerance_factor(30, 0.99, 0.95) / stats.norm.ppf(0.99)
    expected = math.exp(sum(levels) / 30 + sd * stats.t.ppf(0.985, 4) / math.sqrt(2))
    assert bound_over_processes([[math.exp(level)] * 5 for level in levels], 0.99) == pytest.approx(expected)


def drawn(source: random.Random, processes: int, spread: float) -> list[list[float]]:
    """Draw 20 samples per process: a level, 5% between samples, and a stall of half the time in one of a hundred."""
    found = []
    for _ in range(processes):
        level = source.gauss(0, spread)
        stalls = [source.expovariate(2) if source.random() < 0.01 else 0.0 for _ in range(20)]
        found.append([math.exp(level + source.gauss(0, 0.05) + stall) for stall in stalls])
    return found


@pytest.mark.parametrize("spread", [0.02, 0.3])
def test_it_holds_as_often_as_it_says_where_pooled_samples_hold_less_often(spread: float) -> None:
    source = random.Random(1)
    truth = quantile([sample for process in drawn(source, 20_000, spread) for sample in process], 0.99)
    held = pooled = 0
    for _ in range(100):
        processes = drawn(source, LEAST_PROCESSES, spread)
        every = [sample for process in processes for sample in process]
        order = quantile_upper_bound(every, 0.99)
        bound = bound_over_processes(processes, 0.99)
        assert order is not None
        assert bound is not None
        held += max(bound, order) >= truth
        pooled += order >= truth
    assert held >= 90  # of a true 95, fewer than 90 have a probability of 1%
    if spread == 0.3:
        assert pooled < 90
