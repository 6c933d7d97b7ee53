"""A case that two processes measured, each by its protocol."""

from __future__ import annotations

import pytest

from dctbench.protocol import CaseReply, Failure, Figures
from dctbench.runners.by_protocol import joined
from dctbench.runners.exchange import Exchange

OURS = CaseReply("ok", [Figures("latency", "s", [1.0])], details={"stop_reason": "precise"})
THEIRS = CaseReply("ok", [Figures("authors.latency", "s", [2.0])], details={"authors.memory.absent": "no profiler"})


def join(other: CaseReply | Failure) -> CaseReply:
    reply = joined(Exchange(OURS, 0, "zygote", 1), Exchange(other, 0, "zygote", 1)).reply
    assert isinstance(reply, CaseReply)
    return reply


def test_a_case_has_the_figures_of_both_and_the_details_of_both() -> None:
    reply = join(THEIRS)
    assert [one.metric for one in reply.measurements] == ["latency", "authors.latency"]
    assert reply.details == {"stop_reason": "precise", "authors.memory.absent": "no profiler"}


def test_what_either_process_left_behind_is_counted() -> None:
    assert joined(Exchange(OURS, 1, "zygote", 1), Exchange(THEIRS, 2, "zygote", 1)).left == 3


def test_a_case_that_fits_by_one_protocol_alone_keeps_its_figures_and_says_why() -> None:
    reply = join(CaseReply("oom", message="needs about 20.0 GiB of 16.0 GiB (estimate)"))
    assert (reply.status, reply.measurements, reply.warnings) == ("ok", OURS.measurements, [])
    assert reply.details["authors.latency.absent"] == "needs about 20.0 GiB of 16.0 GiB (estimate)"


@pytest.mark.parametrize("other", [Failure("killed by SIGKILL"), CaseReply("error", message="killed by SIGKILL")])
def test_a_second_process_that_fails_is_a_warning(other: CaseReply | Failure) -> None:
    reply = join(other)
    assert (reply.status, reply.measurements) == ("ok", OURS.measurements)
    [warning] = reply.warnings
    assert not isinstance(warning, str)
    assert warning.values == {"metric": "authors.latency", "reason": "killed by SIGKILL"}
