"""Verdicts on runs that were stored: measured apart, perhaps elsewhere, so that less can be told than of pairs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dctbench.compare import CONFIRMING
from dctbench.model import Reason, ReasonCode, ResultDetails, VerdictKind
from tests.compare.test_judgement import compare, kinds, reasons, side, slow


def test_processes_of_another_environment_are_counted_but_not_timed_against_each_other():
    reason = Reason(ReasonCode.OTHER_ENVIRONMENT)
    judgement = compare(side(range(1, 6)), side(range(1, 2), slow(3.0)), paired=False, incomparable_because=reason)
    assert kinds(judgement) == {"dct-x": VerdictKind.INCOMPARABLE}
    assert kinds(judgement, "flops") == {"dct-x": VerdictKind.PASS}
    assert judgement.open == ()


def test_flops_of_another_transform_plan_compare_on_one_machine_only():
    def planned(name, results):
        return [replace(found, details=ResultDetails(plan=name)) for found in results]

    base, head = planned("fft", side(range(1, 6))), planned("basis", side(range(1, 6)))
    elsewhere = compare(base, head, paired=False, same_machine=False)
    assert kinds(elsewhere, "flops") == {"dct-x": VerdictKind.INCOMPARABLE}
    assert reasons(elsewhere, "flops") == [Reason(ReasonCode.OTHER_PLAN, {"base": "fft", "head": "basis"})]
    assert kinds(compare(base, head), "flops") == {"dct-x": VerdictKind.PASS}


def test_stored_runs_are_compared_by_the_ratio_to_the_reference():
    drifted = lambda name, number: 1.5  # noqa: E731
    judgement = compare(side(range(1, 6), noise=0.01), side(range(1, 6), drifted, 0.01, 1), paired=False)
    assert kinds(judgement) == {"dct-x": VerdictKind.PASS}


BOTH = [*range(1, 16), *range(CONFIRMING + 1, CONFIRMING + 16)]


@pytest.mark.parametrize(("factor", "kind"), [(1.4, VerdictKind.INCONCLUSIVE), (0.6, VerdictKind.PASS)])
def test_beside_a_single_stored_run_latencies_are_advisory(factor, kind):
    judgement = compare(side(range(1, 6), noise=0.01), side(BOTH, slow(factor), 0.01, 1), paired=False)
    assert kinds(judgement) == {"dct-x": kind}
    first = "slower" if factor > 1 else "faster"
    assert reasons(judgement, "latency") == [Reason(ReasonCode.RUN_TO_RUN, {"first": first})]
    assert judgement.advisory
    assert judgement.exit_code() == (3 if factor > 1 else 0)
    assert judgement.exit_code("pass") == 0


def test_a_second_run_of_base_shows_how_much_runs_differ():
    """Student's test with the run as the unit: one degree of freedom from two runs of base."""
    base, head = side(range(1, 6), noise=0.01), side(BOTH, slow(1.4), 0.01, 1)
    known = compare(base, head, paired=False, further=[side(range(1, 6), noise=0.01, seed=2)] * 4)
    assert kinds(known) == {"dct-x": VerdictKind.SLOWER}
    assert not known.advisory
    apart = compare(base, head, paired=False, further=[side(range(1, 6), slow(1.35), 0.01, 3)])
    assert kinds(apart) == {"dct-x": VerdictKind.INCONCLUSIVE}
    assert reasons(apart, "latency") == [Reason(ReasonCode.PROCESSES_DISAGREE)]
