"""JUnit XML as CI servers read it: by ElementTree, and against the structure that all of them share."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench.exporters.junit import junit_xml
from dctbench.exporters.registry import FORMATS
from dctbench.model import Case, Reason, ReasonCode, Verdict, VerdictKind
from dctbench.runs.lookup import RecordedRun
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.outcomes import FAILING, HEAD, MIXED, SLOWER, X, outcome

CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "testcase": {"properties", "failure", "error", "skipped"},
    "properties": {"property"},
    "property": set(),
    "failure": set(),
    "error": set(),
    "skipped": set(),
}
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "testcase": {"classname", "name", "time"},
    "property": {"name", "value"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message", "type"},
}


def parsed(text: str) -> ET.Element:
    """The tree, once it is what GitHub's reporters, GitLab and Jenkins all read."""
    root = ET.fromstring(text.encode())
    assert root.tag == "testsuites"
    for element in root.iter():
        assert {child.tag for child in element} <= CHILDREN[element.tag]
        assert set(element.attrib) == ATTRIBUTES.get(element.tag, set())
    for counted in (root, *root):
        cases = list(counted.iter("testcase"))
        assert int(counted.attrib["tests"]) == len(cases)
        for tag, plural in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(counted.attrib[plural]) == sum(case.find(tag) is not None for case in cases)
    for case in root.iter("testcase"):
        assert sum(child.tag != "properties" for child in case) <= 1
        assert float(case.attrib["time"]) >= 0
    names = [(case.attrib["classname"], case.attrib["name"]) for case in root.iter("testcase")]
    assert len(set(names)) == len(names)
    return root


def test_a_comparison_has_a_test_case_per_case_with_its_gravest_verdict() -> None:
    root = parsed(junit_xml(outcome(*MIXED)))
    assert (root.attrib["tests"], root.attrib["failures"], root.attrib["skipped"]) == ("6", "3", "1")
    cases = {case.attrib["name"]: case for case in root.iter("testcase")}
    slow = cases["dct-x r=8 n=1024 layer forward float32 cpu eager b1 h8x64"]
    assert (slow.attrib["classname"], slow.attrib["time"]) == ("dctbench.dct-x", "0.003280000")
    [failure] = slow.findall("failure")
    sentence = "dct-x r=8 at n = 1024 takes 1.42x (1.37-1.48) the time of base (2.31 ms -> 3.28 ms)"
    assert failure.attrib == {"message": f"{sentence} (and 1 more)", "type": "SLOWER"}
    assert str(failure.text).splitlines() == [
        sentence,
        "dct-x r=8 at n = 1024: the p99 latency of its processes is 6.10 ms, over the limit of 5.00 ms",
    ]
    figures = {one.attrib["name"]: one.attrib["value"] for one in slow.iter("property")}
    assert (figures["latency.effect"], figures["flops.verdict"]) == ("1.42", "PASS")
    skipped = cases["linformer r=4 n=512 layer forward float32 cpu eager b1 h8x64"].find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == (
        "linformer r=4 at n = 512: the raw change and the change against the references disagree"
    )
    assert cases["pool r=4 n=512 layer forward float32 cpu eager b1 h8x64"].find("failure") is None
    assert cases["dct-x r=16 n=1024 layer forward float32 cpu eager b1 h8x64"].find("skipped") is None


def verdict_of(kind: VerdictKind) -> Verdict:
    metric = {"OVER_BUDGET": "budget.memory", "WORSE": "flops", "SLOWER": "latency", "INCONCLUSIVE": "latency"}
    budget = "memory" if kind is VerdictKind.OVER_BUDGET else None
    figures = (1.0, 2.0, 2.0, 1.9, 2.1, 2.0, 1.5)
    return Verdict(
        X,
        metric.get(kind.value, "status"),
        kind,
        *figures,
        reason=Reason(ReasonCode.RUNS_NOW, {"base": "why"}),
        budget=budget,
    )


@pytest.mark.parametrize("kind", list(VerdictKind))
def test_what_exits_1_fails_and_what_cannot_be_told_or_is_new_is_skipped(kind: VerdictKind) -> None:
    fails = {"SLOWER", "WORSE", "OVER_BUDGET", "MISSING", "NEWLY_FAILING"}
    skips = {"INCONCLUSIVE", "INCOMPARABLE", "NEW"}
    root = parsed(junit_xml(outcome(verdict_of(kind), exit_code=1 if kind.value in fails else 3)))
    assert root.attrib["failures"] == str(int(kind.value in fails))
    assert root.attrib["skipped"] == str(int(kind.value in skips))


@pytest.mark.parametrize("inconclusive", [None, "pass", "fail"])
@pytest.mark.parametrize(
    "kinds", [(), *((kind,) for kind in VerdictKind), (VerdictKind.INCONCLUSIVE, VerdictKind.PASS)]
)
def test_it_is_green_only_where_the_check_is(kinds: tuple[VerdictKind, ...], inconclusive: str | None) -> None:
    made = outcome(*map(verdict_of, kinds))
    code = made.judgement.exit_code(inconclusive)
    root = parsed(junit_xml(replace(made, exit_code=code)))
    shown = [int(root.attrib[state]) for state in ("failures", "errors", "skipped")]
    assert (sum(shown) > 0) is (code != 0) or (inconclusive, kinds[0]) == ("pass", VerdictKind.INCONCLUSIVE)
    assert (shown[0] > 0) is (code == 1)


def test_a_check_that_fails_without_a_case_to_show_it_has_a_test_case_of_its_own() -> None:
    [fixed, gate] = parsed(junit_xml(outcome(verdict_of(VerdictKind.FIXED), exit_code=3))).iter("testcase")
    assert (fixed.find("error"), gate.attrib["classname"], gate.attrib["name"]) == (None, "dctbench", "gate")
    [error] = gate.findall("error")
    assert error.attrib["message"] == "exit 3: cannot judge: there is nothing to compare with"


@given(st.text(st.characters(exclude_categories=[]), max_size=40), st.text(max_size=20))
def test_any_text_makes_xml_that_is_read_back(reason: str, label: str) -> None:
    made = outcome(
        replace(FAILING, reason=Reason(ReasonCode.HEAD_FAILED, {"head": reason})), head=replace(HEAD, label=label)
    )
    text = junit_xml(made)
    text.encode("utf-8")
    parsed(text)


def test_a_stored_run_has_errors_for_what_failed_and_skips_what_is_a_result_of_its_own() -> None:
    results = [
        result("sdpa", 512, 2e-3),
        result("full", 512, None, status="oom", message="needs 1 TiB"),
        result("dct-x", 512, None, ratio=8, status="error", message="SIGSEGV \x1b[2J"),
        result("dct-x", 1024, None, ratio=8, status="timeout", message="after 120 s"),
    ]
    plan = [*(one.case for one in results), Case("pool", 512, 4)]
    written = FORMATS["junit"].write(RecordedRun(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, results, plan))
    root = parsed(str(written))
    states = [[(c.tag, c.attrib["type"]) for c in case if c.tag != "properties"] for case in root.iter("testcase")]
    assert states == [[], [("skipped", "oom")], [("error", "error")], [("error", "timeout")], [("skipped", "missing")]]
    [crash] = [element for element in root.iter("error") if element.attrib["type"] == "error"]
    assert crash.text == "error (SIGSEGV [2J)"


def test_the_name_of_a_test_case_does_not_depend_on_what_else_was_compared() -> None:
    alone, together = (parsed(junit_xml(outcome(*verdicts))) for verdicts in ((SLOWER,), MIXED))
    [name] = [case.attrib["name"] for case in alone.iter("testcase")]
    assert name in [case.attrib["name"] for case in together.iter("testcase")]
