"""Verdicts as lines, rows, sentences and documents; the expected texts are written by hand."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dctbench.analysis import Budgets
from dctbench.cli.tables.comparison import text_lines
from dctbench.compare import ComparisonOutcome, Difference, Rules
from dctbench.compare.check_settings import Against, check_settings
from dctbench.compare.detectability import Detectability
from dctbench.compare.outcome import forwarded
from dctbench.exporters.json_document import dumps
from dctbench.exporters.junit import junit_xml
from dctbench.exporters.verdicts import check_document, verdicts_csv
from dctbench.machine.disclosure import Disclosure
from dctbench.model import Case, CaseWarning, Reason, ReasonCode, RunSettings, Verdict, VerdictKind, WarningCode
from dctbench.page.regressions import section
from dctbench.wording import verdict_sentences
from dctbench.wording.markdown import LONGEST, escape
from dctbench.wording.verdict_cells import labels_of, opening, relevant
from dctbench.wording.verdict_markdown import MARKER, verdicts_markdown
from tests.support.made import result
from tests.support.outcomes import (
    BASE,
    FAILING,
    FASTER,
    FLOPS,
    HEAD,
    MIB,
    MIXED,
    OPEN,
    OVER,
    PASSED,
    SLOWER,
    WORSE,
    X,
    in_rounds,
    judged,
    outcome,
)


def beside_base(about: Against) -> Against:
    return {**about, "base": BASE.id}


MISSED = Verdict(Case("pool", 64), "status", VerdictKind.MISSING)


def test_the_opening_counts_cases_by_their_gravest_verdict() -> None:
    assert opening(outcome(*MIXED)) == ("3 regressions, 1 improvement, 1 unchanged, 1 inconclusive, runner drift 1.00x")
    assert opening(outcome(SLOWER, drift={"sdpa": 1.031, "none": 0.98})) == (
        "1 regression, 0 improvements, 0 unchanged, 0 inconclusive, runner drift 1.03x (sdpa), 0.98x (none)"
    )
    apart = replace(PASSED, kind=VerdictKind.INCOMPARABLE, reason=Reason(ReasonCode.OTHER_ENVIRONMENT))
    new = Verdict(Case("pool", 64), "status", VerdictKind.NEW)
    assert opening(outcome(apart, new, drift={})) == (
        "0 regressions, 0 improvements, 0 unchanged, 0 inconclusive, 1 incomparable, 1 new, runner drift unknown"
    )


def test_cases_of_one_side_alone_are_no_regressions_in_the_opening() -> None:
    missing = [Verdict(Case("pool", n), "status", VerdictKind.MISSING) for n in (64, 128)]
    new = Verdict(Case("none", 64), "status", VerdictKind.NEW)
    assert opening(outcome(*missing, new, drift={})) == "2 only in base, 1 only in head; nothing could be compared"
    assert opening(outcome(new, drift={})) == "1 only in head; nothing could be compared"
    assert opening(outcome(SLOWER, *missing)) == (
        "1 regression, 0 improvements, 0 unchanged, 0 inconclusive, 2 missing, runner drift 1.00x"
    )


def test_rows_come_gravest_first_and_what_did_not_change_is_counted() -> None:
    found = relevant(outcome(*MIXED))
    assert [(row.kind, row.metric) for row in found.rows] == [
        ("SLOWER", "latency"), ("WORSE", "memory.tensor"), ("OVER_BUDGET", "budget.latency.p99"),
        ("NEWLY_FAILING", "status"), ("INCONCLUSIVE", "latency"), ("FASTER", "latency"),
    ]  # fmt: skip
    assert (found.hidden_cases, found.hidden_verdicts) == (1, 1)
    assert verdict_sentences.left_out(found) == (
        "not shown: 1 case without a change and 1 unchanged figure of the cases above (--all shows them)"
    )
    everything = relevant(outcome(*MIXED), everything=True)
    assert [row.kind for row in everything.rows[6:]] == ["PASS", "PASS"]
    assert (everything.hidden_cases, everything.hidden_verdicts, verdict_sentences.left_out(everything)) == (0, 0, None)
    worst = [replace(SLOWER, effect=effect) for effect in (1.3, 2.5, 1.7)]
    assert [row.verdict.effect for row in relevant(outcome(*worst)).rows] == [2.5, 1.7, 1.3]


def test_the_figures_of_a_row_always_show_the_change() -> None:
    def cells(verdict: Verdict) -> tuple[str, ...]:
        [row] = relevant(outcome(verdict), everything=True).rows
        return row.base, row.head, row.change, row.raw, row.tolerance

    assert cells(replace(SLOWER, raw=1.9)) == ("2.31 ms", "3.28 ms", "1.42x (1.37-1.48)", "1.90x", "25%")
    assert cells(WORSE) == ("1,048,576 B", "1,048,640 B", "+64 B", "-", "exact")
    half_more = replace(WORSE, head=1.5 * MIB, effect=1.5)
    assert cells(half_more) == ("1.00 MiB", "1.50 MiB", "1.50x", "-", "exact")
    assert cells(replace(WORSE, base=0.0, head=64.0, effect=None)) == ("0 B", "64 B", "from zero", "-", "exact")
    assert cells(replace(FLOPS, head=1e9 - 2, effect=1 - 2e-9))[2] == "-2 FLOP"
    single = replace(SLOWER, head=2.3108e-3, effect=1.0003, low=None, high=None, raw=1.08)
    assert cells(single) == ("2.31 ms", "2.31 ms", "1.00x", "1.08x", "25%")  # a latency of one process has no interval
    far = Verdict(X, "error.smooth", VerdictKind.WORSE, 2e-7, 2.94, 2.94 / 2e-7, tolerance=0.01)
    assert cells(far)[:3] == ("2e-07", "2.94", ">1000x")
    assert cells(replace(far, kind=VerdictKind.BETTER, base=2.94, head=2e-7, effect=2e-7 / 2.94))[2] == "<1/1000"
    assert cells(OVER) == ("-", "6.10 ms", "-", "-", "≤ 5.00 ms")
    assert cells(FAILING) == ("-",) * 5


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (SLOWER, "dct-x r=8 at n = 1024 takes 1.42x (1.37-1.48) the time of base (2.31 ms -> 3.28 ms)"),
        (
            replace(SLOWER, raw=2.0),
            "dct-x r=8 at n = 1024 takes 1.42x (1.37-1.48) the time of base (2.31 ms -> 3.28 ms); raw 2.00x, of which "
            "the references' drift was taken out",
        ),
        (WORSE, "dct-x r=8 at n = 2048 allocates 1,048,640 B of tensors where base allocates 1,048,576 B (+64 B)"),
        (
            Verdict(X, "flops", VerdictKind.WORSE, 1_000_000_000.0, 2_100_000_000.0, 2.1, tolerance=0.0),
            "dct-x r=8 at n = 1024 computes 2,100,000,000 FLOP where base computes 1,000,000,000 FLOP (2.10x)",
        ),
        (
            Verdict(X, "error.smooth", VerdictKind.WORSE, 0.85, 0.912, 0.912 / 0.85, tolerance=0.01),
            "dct-x r=8 at n = 1024 has a relative error of 0.912 on the smooth input, 0.850 in base",
        ),
        (
            OVER,
            "dct-x r=8 at n = 1024: the p99 latency of its processes is 6.10 ms, over the limit of 5.00 ms",
        ),
        (
            replace(OVER, reason=Reason(ReasonCode.TOOK_TURNS)),
            "dct-x r=8 at n = 1024: the p99 latency of its processes is 6.10 ms, over the limit of 5.00 ms "
            "(in turns with base; by itself it may be faster)",
        ),
        (
            Verdict(
                X, "budget.memory", VerdictKind.OVER_BUDGET, head=64 * MIB + 8, tolerance=64 * MIB, budget="memory"
            ),
            "dct-x r=8 at n = 1024: its memory is 67,108,872 B, over the limit of 67,108,864 B",
        ),
        (FAILING, "full at n = 4096: ran in base, head ended: error: SIGSEGV"),
    ],
)
def test_what_is_worse_is_a_sentence_with_its_figures(verdict: Verdict, told: str) -> None:
    made = outcome(verdict)
    assert verdict_sentences.regressions(relevant(made).rows, labels_of(made)) == [told]


CASE = {"ratio": 8, "values": {"flops": ("FLOP", 1e9)}}
BESIDE = in_rounds("sdpa", [1e-3] * 5)
ELSEWHERE = "measured in another environment, and latencies compare only within one"


def doubted(head: list[float], rules: Rules | None = None, **comparison: object) -> ComparisonOutcome:
    base = [*BESIDE, *in_rounds("dct-x", [2e-3] * 5, **CASE)]  # type: ignore[arg-type]
    return judged(base, [*BESIDE, *in_rounds("dct-x", head, **CASE)], rules, **comparison)  # type: ignore[arg-type]


BUDGET = Rules(budgets=Budgets(latency_p99=1.0, memory=2.0**40))
LONE = in_rounds("dct-x", [2e-3] * 5, ratio=8)
FAILED = [result("full", 1024, None, status="error", message="boom")]
AT = "dct-x r=8 at n = 1024"


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            doubted([2e-3, 4e-3, 4e-3, 2e-3, 4e-3], Rules(max_pairs=5)),
            [f"INCONCLUSIVE, {AT}: latency, beyond the tolerance, but not in enough of the processes; "
             "allow more processes than --max-pairs 5, or measure where less else runs"],
        ),
        (
            doubted([2e-3] * 5, incomparable_because=Reason(ReasonCode.OTHER_ENVIRONMENT)),
            [f"INCOMPARABLE, {AT}: latency, {ELSEWHERE}; measure both sides here and now: dctbench check --base-python "
             "or --base-impl"],
        ),
        (
            doubted([2e-3] * 5, BUDGET),
            [f"INCONCLUSIVE, {AT}: budget.latency.p99, not measured; a p99 takes 299 samples of head, 459 at 99% "
             "confidence: hold the budget against fewer cases with --at",
             f"INCONCLUSIVE, {AT}: budget.memory, not measured; name with --at the cases that the budget is meant for"],
        ),
        (
            judged(LONE, LONE),
            [f"INCOMPARABLE, {AT}: latency, the reference sdpa was not measured with it on both sides; measure sdpa "
             "at that shape on both sides, or name another with --reference"],
        ),
        (
            judged([*BESIDE, *LONE], [*BESIDE, *in_rounds("dct-x", [2e-3] * 5, **CASE)]),  # type: ignore[arg-type]
            [f"INCOMPARABLE, {AT}: flops, not measured in base; measure both sides with one version of dctbench"],
        ),
        (
            judged(FAILED, FAILED),
            ["INCOMPARABLE, full at n = 1024: fails on both sides (base ended: error: boom; head: error: boom); fix "
             "it, or leave it out of the comparison"],
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_told_has_its_reason_and_a_remedy(made: ComparisonOutcome, told: list[str]) -> None:
    assert verdict_sentences.remedies(made) == told


UNSURE = Verdict(
    Case("dct-x", 64, 4, task="recall"), "accuracy", VerdictKind.INCONCLUSIVE, 0.8, 0.79, tolerance=0.01,
    reason=Reason(ReasonCode.SEEDS_DO_NOT_TELL),
)  # fmt: skip


@pytest.mark.parametrize(
    ("about", "remedy"),
    [
        ({"base_impl": ""}, "allow more seeds than --max-pairs 15"),
        ({}, "train a baseline of more seeds with dctbench run --rounds, and allow as many with --max-pairs"),
        (None, "train more seeds in both runs with --rounds, the same seeds in each"),
    ],
)
def test_an_undecided_accuracy_needs_seeds(about: Against | None, remedy: str) -> None:
    """In pairs both sides train more, a stored run must have them already, and two stored runs are measured again."""
    check = None if about is None else check_settings("head", ["dct-x"], Rules(), **beside_base(about))
    head = replace(HEAD, settings=RunSettings(check=check))
    [line] = verdict_sentences.remedies(outcome(UNSURE, head=head, informs=about is None))
    assert line == (
        "INCONCLUSIVE, dct-x r=4 at n = 64: accuracy, it may have fallen by more than is allowed: more seeds are "
        f"needed; {remedy}"
    )
    few = replace(UNSURE, base=None, head=None, reason=Reason(ReasonCode.TOO_FEW_SEEDS))
    [line] = verdict_sentences.remedies(outcome(few, head=head, informs=about is None))
    assert line.endswith(f"fewer than two seeds were trained on both sides; {remedy}")


def test_doubts_of_one_kind_are_told_once_with_their_number() -> None:
    [line] = verdict_sentences.remedies(outcome(OPEN, replace(OPEN, case=X), informs=True))
    assert line == (
        "INCONCLUSIVE, 2 cases, such as linformer r=4 at n = 512: latency, the raw change and the change against the "
        "references disagree; measure both runs again with more --rounds, or in turn with dctbench check --base-python"
    )


APART = replace(PASSED, kind=VerdictKind.INCOMPARABLE, reason=Reason(ReasonCode.OTHER_ENVIRONMENT))
FEW = replace(UNSURE, reason=Reason(ReasonCode.TOO_FEW_SEEDS))
BLIND = outcome(OPEN, exit_code=3)
BLIND = replace(BLIND, judgement=replace(BLIND.judgement, blind=Detectability(10, None, 2)))


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (outcome(SLOWER), "exit 1: head is worse than base"),
        (outcome(OVER), "exit 1: head is over its budget"),
        (outcome(MISSED, PASSED), "exit 1: cases of base are missing in head"),
        (outcome(MISSED, SLOWER), "exit 1: head is worse than base"),
        (outcome(OPEN), "exit 1: some cases are undecided (--inconclusive fail)"),
        (outcome(PASSED, exit_code=0), "exit 0: nothing is worse than base"),
        (outcome(OPEN, exit_code=0), "exit 0: nothing is known to be worse (--inconclusive pass)"),
        (
            outcome(SLOWER, exit_code=0, informs=True),
            "exit 0: two stored runs were compared; only dctbench check fails on what is worse",
        ),
        (outcome(OPEN, exit_code=3), "exit 3: cannot judge: some cases are undecided"),
        (outcome(OPEN, APART, exit_code=3), "exit 3: cannot judge: some cases are incomparable and some cases are "
         "undecided"),
        (outcome(APART, exit_code=3), "exit 3: cannot judge: some cases are incomparable"),
        (BLIND, "exit 3: cannot judge: no slowdown could be proven"),
        (outcome(FEW, exit_code=3), "exit 3: cannot judge: there are too few seeds"),
        (outcome(exit_code=3), "exit 3: cannot judge: there is nothing to compare with"),
    ],
)  # fmt: skip
def test_the_last_line_says_what_the_exit_code_means(made: ComparisonOutcome, told: str) -> None:
    assert verdict_sentences.closing(made) == told


def test_a_check_without_a_change_says_so() -> None:
    assert (
        verdict_sentences.nothing_changed(outcome(PASSED, FLOPS))
        == "Nothing changed beyond its tolerance: 2 cases, 2 figures."
    )
    assert verdict_sentences.nothing_changed(outcome()) == "Nothing was compared: there is no case to judge."


def test_a_method_that_stands_for_every_base_is_named() -> None:
    settings = {"check": {"side": "head", "base": BASE.id, "base_impl": "full"}}
    assert verdict_sentences.sides(outcome(SLOWER, head=replace(HEAD, settings=RunSettings.from_json(settings))))[
        0
    ] == ("base: full at each shape, main, run bbbbbbbb of 2026-01-01 10:20 UTC, dctbench 0.1.0")


def test_every_run_of_base_is_named_in_every_form() -> None:
    again = replace(BASE, id="c" * 16, label="main-again")
    made = replace(outcome(SLOWER), further=(again,))
    line = "main-again, run cccccccc of 2026-01-01 10:20 UTC, dctbench 0.1.0"
    assert verdict_sentences.sides(made)[1] == f"base: {line}"
    assert f"base: {line}" in list(text_lines(made, 120, everything=False, by_words=False))
    assert f"base: {line}" in shown(verdicts_markdown(made))
    assert f'name="base.2" value="{line}"' in junit_xml(made)
    assert f"base: {line}" in section(made).sides
    assert [run["id"] for run in check_document(made)["further"]] == [again.id]
    secret = replace(again, label="of bench-1")
    told = forwarded(replace(made, further=(secret,)), Disclosure(words={"bench-1": "(host)"}))
    assert [run.label for run in told.further] == ["of (host)"]


ADVISED = "or measure in turn with dctbench check --base-python"


def test_an_advisory_latency_is_told_once_with_what_would_decide_it() -> None:
    unsure = replace(OPEN, case=X, reason=Reason(ReasonCode.RUN_TO_RUN, {"first": "slower"}))
    made = outcome(unsure, FASTER, exit_code=3)
    made = replace(made, judgement=replace(made.judgement, advisory=(X, FASTER.case)))
    assert verdict_sentences.remedies(made) == [
        "latencies are advisory: one stored run does not show how much runs of the same code differ, so none is called "
        f"SLOWER; name a second run of base with another --baseline, {ADVISED}",
        "INCONCLUSIVE, dct-x r=8 at n = 1024: latency, slower than the stored run, but two runs of the same code may "
        "differ as much",
    ]
    several = replace(made, further=(BASE,))
    assert verdict_sentences.warnings(several) == [
        "the latencies of 2 cases, such as dct-x r=8 n=1024, are advisory: no second run of base has them with their "
        f"reference, so none of them is called SLOWER; name further runs of base with --baseline, {ADVISED}"
    ]
    one = replace(several, judgement=replace(made.judgement, advisory=(X,)))
    assert verdict_sentences.warnings(one) == [
        "the latency of dct-x r=8 n=1024 is advisory: no second run of base has it with its reference, so it is not "
        f"called SLOWER; name further runs of base with --baseline, {ADVISED}"
    ]


@pytest.mark.parametrize(
    ("reason", "about", "several", "remedy"),
    [
        (ReasonCode.PROCESSES_DISAGREE, {"base_impl": None}, False,
         "allow more processes than --max-pairs 15, or measure where less else runs"),
        (ReasonCode.PROCESSES_DISAGREE, {}, False, f"name a second run of base with another --baseline, {ADVISED}"),
        (ReasonCode.TOO_FEW_RUNS, {}, True, f"name further runs of base with --baseline, {ADVISED}"),
        (ReasonCode.MAY_BE_DRIFT, None, False,
         "measure none beside it in both runs, or measure both in turn with dctbench check --base-python"),
    ],
)  # fmt: skip
def test_what_would_decide_a_latency_depends_on_what_can_be_measured_again(
    reason: ReasonCode, about: Against | None, several: bool, remedy: str
) -> None:
    check = None if about is None else check_settings("head", ["dct-x"], Rules(), **beside_base(about))
    made = outcome(
        replace(OPEN, reason=Reason(reason)), head=replace(HEAD, settings=RunSettings(check=check)), informs=not check
    )
    [line] = verdict_sentences.remedies(replace(made, further=(BASE,) if several else ()))
    assert line.endswith(f"; {remedy}")


def test_a_gate_that_can_prove_nothing_says_so_in_every_form() -> None:
    seeing = outcome(PASSED, exit_code=0)
    blind = replace(seeing, judgement=replace(seeing.judgement, blind=Detectability(10, None, 2)))
    said = "no slowdown can be called SLOWER, however large: 2 pairs cannot prove it among 10 cases; --max-pairs 8 can"
    for shown in (blind, seeing):
        texts = [
            "\n".join(map(str, text_lines(shown, 100, everything=False, by_words=False))),
            verdicts_markdown(shown).replace("\\", ""), junit_xml(shown),
            *section(shown).doubts, *check_document(shown)["warnings"],
        ]  # fmt: skip
        assert [said in text for text in texts] == ([True] * 5 if shown is blind else [False] * 3)


def test_what_makes_a_check_worth_little_is_said_in_every_form() -> None:
    settings = {"check": {"side": "head", "base": BASE.id, "base_impl": None, "warnings": ["both are one file"]}}
    made = outcome(PASSED, exit_code=0, head=replace(HEAD, settings=RunSettings.from_json(settings)))
    assert check_document(made)["warnings"] == ["both are one file"]
    assert "- both are one file\n" in verdicts_markdown(made)
    assert "- both are one file" in list(text_lines(made, 120, everything=False, by_words=False))
    assert 'name="warning.1" value="both are one file"' in junit_xml(made)
    assert list(section(made).doubts) == ["both are one file"]
    other = replace(HEAD, settings=RunSettings.from_json({"check": {**settings["check"], "base": "c" * 16}}))
    assert (
        verdict_sentences.warnings(outcome(PASSED, head=other)) == []
    )  # compared with another run than the check's base


def test_the_document_is_the_one_that_programs_were_promised() -> None:
    made = check_document(outcome(SLOWER, FAILING, differences=[Difference("torch", "2.12.0", "2.13.0")]))
    assert json.loads(dumps(made)) == made
    assert list(made) == ["schema_version", "exit_code", "summary", "base", "head", "further", "drift",
                          "verdicts", "environment_differences", "warnings"]  # fmt: skip
    assert (made["schema_version"], made["exit_code"], made["drift"]) == (1, 1, {"sdpa": 1.0, "none": 1.0})
    assert (made["base"]["id"], made["base"]["label"], made["head"]["id"]) == (BASE.id, "main", HEAD.id)
    slower, failing = made["verdicts"]
    assert slower == {
        "case_id": X.id, "case": X.to_json(), "metric": "latency", "kind": "SLOWER", "base": 2.31e-3, "head": 3.28e-3,
        "effect": 1.42, "low": 1.37, "high": 1.48, "raw": 1.42, "tolerance": 0.25, "reason": "",
    }  # fmt: skip
    assert (failing["kind"], failing["effect"], failing["head"]) == ("NEWLY_FAILING", None, None)
    assert made["environment_differences"] == [{"fact": "torch", "base": "2.12.0", "head": "2.13.0"}]


def test_csv_has_a_row_per_verdict_and_no_cell_that_a_spreadsheet_runs() -> None:
    rows = list(csv.DictReader(io.StringIO(verdicts_csv(outcome(SLOWER, replace(FAILING, case=Case("=1+1", 4096)))))))
    assert [(row["implementation"], row["n_kept"], row["kind"], row["effect"]) for row in rows] == [
        ("dct-x", "128", "SLOWER", "1.42"), ("'=1+1", "", "NEWLY_FAILING", ""),
    ]  # fmt: skip
    assert {(row["base_run"], row["head_run"]) for row in rows} == {(BASE.id, HEAD.id)}
    assert rows[1]["reason"] == "ran in base, head ended: error: SIGSEGV"


def shown(markdown: str) -> str:
    """The text that a reader of the Markdown sees."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        found += [child.content for child in token.children or () if child.type in ("text", "softbreak", "html_inline")]
    return "\n".join(found)


def test_markdown_has_the_verdict_first_ten_rows_and_the_rest_folded() -> None:
    many = [replace(SLOWER, case=replace(X, seq_len=64 * n), effect=3 - n / 100) for n in range(1, 31)]
    text = verdicts_markdown(outcome(*many, PASSED, differences=[Difference("torch", "2.12.0", "2.13.0")]))
    lines = text.splitlines()
    assert lines[0] == MARKER
    assert lines[1] == ("### dctbench: 30 regressions, 0 improvements, 1 unchanged, 0 inconclusive, runner drift 1.00x")
    assert lines[5] == (
        "| SLOWER | dct-x r=8 | 64 | latency | 2.31 ms | 3.28 ms | 2.99x (1.37-1.48) | 1.42x | 25% |  |"
    )
    fold = lines.index("<details><summary>20 more rows</summary>")
    assert sum(line.startswith("| SLOWER") for line in lines[:fold]) == 10
    assert sum(line.startswith("| SLOWER") for line in lines[fold : lines.index("</details>")]) == 20
    assert "base: main, run bbbbbbbb of 2026-01-01 10:20 UTC, dctbench 0.1.0" in shown(text)
    assert "differs: torch 2.12.0 -> 2.13.0" in shown(text)


@given(st.integers(0, 700), st.integers(0, 3000), st.booleans())
def test_markdown_is_never_too_long_and_counts_what_it_leaves_out(number: int, length: int, everything: bool) -> None:
    many = [
        replace(FAILING, case=Case("full", n + 1), reason=Reason(ReasonCode.HEAD_FAILED, {"head": "x" * length}))
        for n in range(number)
    ]
    text = verdicts_markdown(
        outcome(*many, differences=[Difference("cpu", "y" * length, "z")] * 5), everything=everything
    )
    assert len(text) < LONGEST
    said = re.search(r"(\d+) rows? left out", text)
    rows = [line for line in text.splitlines() if line.startswith("| NEWLY")]
    assert len(rows) + (int(said[1]) if said else 0) == number
    assert all(line.endswith(" |") for line in rows)
    assert text.count("<details>") == text.count("</details>")


@pytest.mark.parametrize(
    "text",
    ["</details><img src=x onerror=alert(1)>", "a|b", "`x` **y** _z_", "&copy; &lt;", "[a](https://e.org)", "~~s~~",
     "https://e.org/x", "www.e.org", "-->", "# h", "\\", "$x$ $$y$$"],
)  # fmt: skip
def test_nothing_from_a_label_or_message_is_markup(text: str) -> None:
    made = outcome(
        replace(FAILING, reason=Reason(ReasonCode.HEAD_FAILED, {"head": text})), base=replace(BASE, label=text)
    )
    read = shown(verdicts_markdown(made))
    assert f"base: {text}, run" in read
    assert f"ran in base, head ended: {text}" in read.split("\n")
    assert not re.search(r"https?://|www\.", escape(text))


def test_nobody_is_called_by_a_message() -> None:
    assert escape("by @octocat") == "by @\u200boctocat"
    assert FASTER.kind.value in verdicts_markdown(outcome(FASTER, exit_code=0))


def test_the_gate_says_which_latencies_are_times_of_the_host() -> None:
    waits = (CaseWarning(WarningCode.LAUNCH_BOUND, {"share": 0.6}),)
    sides = []
    for _ in range(2):
        waiting = [replace(one, warnings=waits) for one in in_rounds("dct-x", [1e-3] * 5, ratio=8)]
        sides.append([*waiting, *in_rounds("pool", [1e-3] * 5, ratio=8), *in_rounds("sdpa", [1e-3] * 5)])
    said = verdict_sentences.warnings(judged(sides[0], sides[1]))
    [line] = [line for line in said if line.startswith("launch-bound: ")]
    assert line.startswith("launch-bound: dct-x r=8 n=1024: the GPU waits for the host")
