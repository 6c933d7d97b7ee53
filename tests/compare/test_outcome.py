"""What differs between the environments of two sides, why they cannot be compared, and what is told of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dctbench.compare import Difference, differences, incomparable_because
from dctbench.compare.outcome import forwarded
from dctbench.machine.disclosure import Disclosure
from dctbench.model import Case, Environment, Reason, ReasonCode, RunSettings, VerdictKind
from tests.support.made import ENVIRONMENT, FACTS
from tests.support.outcomes import BASE, HEAD, SLOWER, outcome

GPU = {"name": "Test GPU", "memory_bytes": 1 << 36, "driver": "550", "power_cap_watts": 700.0, "clock_mhz": 1980}


def place(**facts: object) -> Environment:
    return Environment({**FACTS, **facts}, "f" * 16)


def test_facts_that_differ_are_named_with_both_values_and_others_are_not() -> None:
    base, head = place(torch="2.12.0", governor=None), place(governor="powersave", load_average=[9.0])
    assert differences([base], [head]) == (
        Difference("torch", "2.12.0", "2.13.0"),
        Difference("governor", "none", "powersave"),
    )
    assert differences([base], [base]) == ()


def test_a_fact_that_one_side_lacks_is_a_dash_and_several_environments_of_a_side_are_all_named() -> None:
    assert differences([place()], [place(libc="glibc 2.36")]) == (Difference("libc", "-", "glibc 2.36"),)
    assert differences([place()], [place(python="3.12.1"), place()]) == (
        Difference("python", "3.11.7", "3.12.1; 3.11.7"),
    )


def test_mappings_are_written_out_and_an_empty_one_is_none() -> None:
    tuned = {"OMP_PROC_BIND": "true", "OMP_NUM_THREADS": "2"}
    assert differences([place(thread_env={})], [place(thread_env=tuned)]) == (
        Difference("thread_env", "none", "OMP_NUM_THREADS=2, OMP_PROC_BIND=true"),
    )


def test_gpus_differ_by_their_stable_facts_each_under_its_number() -> None:
    one, other = place(gpu=[GPU, GPU]), place(gpu=[GPU, {**GPU, "driver": "560", "clock_mhz": 210}])
    assert differences([one], [other]) == (Difference("gpu 1 driver", "550", "560"),)


def test_another_host_is_told_without_its_name() -> None:
    assert differences([place()], [place(host="bench-2")]) == (Difference("host", "one machine", "another machine"),)


@pytest.mark.parametrize(
    ("settings", "because"),
    [
        ({}, None),
        ({"cache": "cold"}, {"setting": "cache", "base": None, "head": "cold"}),
        ({"env": {"OMP_NUM_THREADS": "1"}}, {"setting": "env", "base": None, "head": {"OMP_NUM_THREADS": "1"}}),
    ],
)
def test_latencies_compare_under_equal_settings(settings: dict[str, object], because: dict[str, object] | None) -> None:
    plain = {"case_timeout": 120.0, "env": {}}
    base = replace(BASE, settings=RunSettings.from_json(plain))
    head = replace(HEAD, settings=RunSettings.from_json({**plain, **settings}))
    found = incomparable_because(base, head)
    assert found == (None if because is None else Reason(ReasonCode.OTHER_SETTING, because))


def test_the_model_of_a_verdict_is_told_as_in_the_results_of_its_run() -> None:
    case = Case("sdpa", 128, scope="model", model="hf:/home/alice/secret/bert")
    found = outcome(replace(SLOWER, case=case))
    found = replace(
        found, judgement=replace(found.judgement, advisory=(case,), launch_bound=(case,), replanned={case: ("a", "b")})
    )
    may = Disclosure(anonymous=True)
    shown = forwarded(found, may).judgement
    assert [one.case for one in shown.verdicts] == [may.case(case)]
    assert shown.advisory == shown.launch_bound == (may.case(case),)
    assert shown.replanned == {may.case(case): ("a", "b")}
    assert "alice" not in str(shown)


def test_a_comparison_that_is_forwarded_tells_no_path_and_no_variable() -> None:
    told = {"setting": "env", "base": {"OMP_NUM_THREADS": "1"}, "head": {"TOKEN": "s3cret"}}
    settings = replace(SLOWER, kind=VerdictKind.INCOMPARABLE, reason=Reason(ReasonCode.OTHER_SETTING, told))
    moved = replace(SLOWER, reason=Reason(ReasonCode.HEAD_FAILED, {"head": "error: /srv/data/model.py is missing"}))
    found = outcome(settings, moved, SLOWER, differences=[Difference("libc", "/srv/data/libc.so", "/srv/new/libc.so")])
    shown = forwarded(found, Disclosure(anonymous=True))
    first, second, third = shown.judgement.verdicts
    assert first.reason is not None
    assert first.reason.code is ReasonCode.OTHER_SETTING
    assert first.reason.values["setting"] == "env"
    assert first.reason.values["base"] == {"OMP_NUM_THREADS": "1"}
    assert "s3cret" not in str(first.reason.values["head"])
    assert second.reason is not None
    assert second.reason.code is ReasonCode.HEAD_FAILED
    assert "/srv/data" not in str(second.reason.values)
    assert third == SLOWER
    assert [(one.fact, "/srv" in one.base + one.head) for one in shown.differences] == [("libc", False)]
    assert (shown.base.id, shown.head.id, shown.exit_code) == (BASE.id, HEAD.id, found.exit_code)
    for side, original in ((shown.base, BASE), (shown.head, HEAD)):
        assert "--seq" in original.argv
        assert "--seq" not in side.argv
    assert ENVIRONMENT.host not in str(shown)
