"""Predicted durations."""

from __future__ import annotations

import pytest

from dctbench.estimate import achieved_rates, estimate, exact_flops
from dctbench.model import Case
from tests.made import result


def test_exact_flops_is_the_textbook_count() -> None:
    n, d = 1024, 512
    assert exact_flops(Case("sdpa", n)) == 8 * n * d * d + 4 * n * n * d


def test_a_measured_rate_replaces_the_default_and_is_said() -> None:
    case = Case("sdpa", 4096)
    flops = {case: 10**12}
    rough = estimate([case], flops)
    known = estimate([case], flops, [result("sdpa", 1024, 0.5, values={"flops": ("FLOP", 1e11)})])
    assert not rough.measured
    assert known.measured
    assert achieved_rates([result("sdpa", 1024, 0.5, values={"flops": ("FLOP", 1e11)})]) == {
        ("sdpa", "cpu"): pytest.approx(2e11)
    }
    assert known.seconds[case] < rough.seconds[case]


def test_longer_cases_are_predicted_to_take_longer_even_without_a_formula() -> None:
    cases = [Case("mine:Layer", n) for n in (512, 2048, 8192)]
    found = estimate(cases, dict.fromkeys(cases))
    assert found.seconds[cases[0]] < found.seconds[cases[1]] < found.seconds[cases[2]]
    assert found.total(cases, rounds=2) == pytest.approx(2 * sum(found.seconds.values()))
