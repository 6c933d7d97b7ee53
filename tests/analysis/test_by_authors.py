"""Cases by both protocols, each for one sequence of its batch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dctbench.analysis import summarise
from dctbench.analysis.by_authors import by_both_protocols
from dctbench.model import Measurement, Result
from tests.support.made import result


def measured(theirs: tuple[float, ...] | None, memory: float | None, ours: float | None = 0.008) -> Result:
    counted = (
        {}
        if memory is None
        else {"memory.tensor": ("B", memory), "memory.state": ("B", 0.0), "authors.memory": ("B", 9e6)}
    )
    one = result("full", 128, ours, batch=4, values=counted)
    more = () if theirs is None else (Measurement("authors.latency", "s", theirs),)
    return replace(one, measurements=(*one.measurements, *more))


def test_a_case_has_the_figures_of_both_for_one_sequence() -> None:
    [found] = by_both_protocols(summarise([measured((0.002, 0.004, 0.006), 8e6)]))
    assert (found.ours, found.theirs, found.calls) == pytest.approx((0.002, 0.004, 3))
    assert (found.our_memory, found.their_memory) == (2e6, 9e6)
    assert (found.latency_ratio, found.memory_ratio) == pytest.approx((2.0, 4.5))


def test_memory_that_was_not_measured_has_no_ratio() -> None:
    [found] = by_both_protocols(summarise([measured((0.002,), None)]))
    assert (found.our_memory, found.their_memory, found.memory_ratio) == (None, None, None)


def test_what_one_protocol_did_not_time_is_left_out() -> None:
    for one in (measured(None, 8e6), measured((0.002,), 8e6, None)):
        assert by_both_protocols(summarise([one])) == []
