"""A case that two processes measured, each by its protocol."""

from __future__ import annotations

from pathlib import Path

import pytest

from dctbench.model import Case
from dctbench.protocol import CaseReply, Failure, Figures
from dctbench.runners import result_from_reply
from dctbench.runners.by_protocol import joined
from dctbench.runners.exchange import Exchange
from dctbench.store import open_store
from dctbench.store.checking import find_damage
from dctbench.text.untrusted import MAX_METRICS, MAX_WARNINGS
from tests.support.made import ENVIRONMENT, RUN

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


def test_of_each_process_only_the_figures_of_its_own_protocol_count() -> None:
    figures = [Figures("latency", "s", [9.0]), Figures("authors.latency", "s", [2.0]), Figures("flops", "FLOP", [1.0])]
    reply = join(CaseReply("ok", figures, details={"stop_reason": "never", "authors.memory.absent": "no profiler"}))
    assert reply.measurements == [*OURS.measurements, figures[1]]
    assert reply.details == {"stop_reason": "precise", "authors.memory.absent": "no profiler"}


def test_what_both_say_together_keeps_to_the_limits_and_can_be_stored(tmp_path: Path) -> None:
    many = [f"warning {number}" for number in range(MAX_WARNINGS)]
    more = [Figures(f"evaluate.{number}", "1", [1.0]) for number in range(MAX_METRICS - 1)]
    words = {f"word {number}": 1 for number in range(1000)}
    ours = CaseReply("ok", [*OURS.measurements, *more], warnings=list(many), details=words)
    others: tuple[CaseReply | Failure, ...] = (
        CaseReply("ok", THEIRS.measurements * 2, warnings=list(many), details=THEIRS.details),
        Failure("killed by SIGKILL"),
        CaseReply("oom", message="too large"),
    )
    with open_store(str(tmp_path / "s.sqlite"), create=True) as store:
        store.add_run(RUN, [Case("sdpa", 512)], rounds=len(others))
        for round, other in enumerate(others, 1):
            reply = joined(Exchange(ours, 0, "zygote", 1), Exchange(other, 0, "zygote", 1)).reply
            assert isinstance(reply, CaseReply)
            assert (len(reply.measurements), len(reply.warnings)) == (MAX_METRICS, MAX_WARNINGS)
            store.add_result(RUN.id, result_from_reply(Case("sdpa", 512), round, reply, ENVIRONMENT))
        assert find_damage(store) == []
        assert len(store.results(RUN.id)) == len(others)


@pytest.mark.parametrize("other", [Failure("killed by SIGKILL"), CaseReply("error", message="killed by SIGKILL")])
def test_a_second_process_that_fails_is_a_warning(other: CaseReply | Failure) -> None:
    reply = join(other)
    assert (reply.status, reply.measurements) == ("ok", OURS.measurements)
    [warning] = reply.warnings
    assert not isinstance(warning, str)
    assert warning.values == {"metric": "authors.latency", "reason": "killed by SIGKILL"}
