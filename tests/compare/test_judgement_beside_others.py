"""A case that cannot be judged, for each reason, beside one that can."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dctbench.model import VerdictKind
from tests.compare.test_judgement import compare, kinds, side
from tests.support.made import elsewhere


def failed_once(results):
    return [
        replace(one, status="error", measurements=()) if (one.case.implementation, one.round) == ("dct-x", 1) else one
        for one in results
    ]


def in_another_environment(results):
    return [elsewhere([one])[0] if one.case.implementation == "dct-x" else one for one in results]


def at_another_shape(results):
    """Where no reference ran."""
    return [replace(one, case=replace(one.case, batch=3)) if one.case.ratio else one for one in results]


def in_rounds_of_its_own(results):
    """Never in one process with the reference."""
    return [replace(one, round=one.round + 10) if one.case.implementation == "dct-x" else one for one in results]


@pytest.mark.parametrize(
    ("change", "both", "paired"),
    [
        (failed_once, False, True),
        (in_another_environment, False, False),
        (at_another_shape, True, True),
        (in_rounds_of_its_own, True, False),
    ],
)
def test_a_case_that_cannot_be_judged_leaves_those_after_it(change, both, paired):
    base, head = side(range(1, 6), noise=0.01), side(range(1, 6), noise=0.01, seed=1)
    judged = ("dct-x", "none")
    judgement = compare(change(base), change(head) if both else head, judged=judged, paired=paired)
    assert kinds(judgement) == {"dct-x": VerdictKind.INCOMPARABLE, "none": VerdictKind.PASS}
