"""The check of timed calls, whatever the number of calls before it."""

from __future__ import annotations

import time

import pytest
import torch

from dctbench.model import Case
from dctbench.worker.metrics import latency
from dctbench.worker.metrics.output import WrongOutputError
from dctbench.worker.passes import Untimed
from dctbench.worker.progress import Progress
from dctbench.worker.timed_calls import check_timed_calls
from dctbench.worker.workload import make_module, make_workload


def check(name: str, before: int) -> None:
    case = Case(f"tests.support.hostile:{name}", 16, heads=2, head_dim=8)
    subject = make_workload(case, make_module(case, "cpu"))

    def stopwatch(run: object) -> float:
        assert callable(run)
        began = time.perf_counter()
        run()
        return time.perf_counter() - began

    timer = latency.Timer(subject.prepare, subject.call, stopwatch, renew=subject.renew)
    with torch.inference_mode():
        first = subject.call(subject.prepare_first())
        assert first is not None
        expected = first.clone()
        timer.time(1)
        timer.calls = before
        check_timed_calls(case, subject, expected, timer, 1, Untimed(1e-4, Progress()))


@pytest.mark.parametrize("before", range(0, 56, 4))
def test_what_is_remembered_by_a_part_of_the_input_is_seen_whichever_rows_are_drawn_anew(before: int) -> None:
    """The rows that are drawn anew depend on the number of the call: of 13 numbers one has the first row among them."""
    with pytest.raises(WrongOutputError):
        check("RemembersByPart", before)


def test_an_honest_method_passes() -> None:
    for before in range(0, 56, 4):
        check("Good", before)
