"""A comparison in the terminal: whole numbers at any width, colours only where they are wanted, every form."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.cli.tables.comparison import print_outcome, text_lines
from dctbench.compare import Difference
from dctbench.model import Reason, ReasonCode, VerdictKind
from tests.support.outcomes import FAILING, MIXED, PASSED, SLOWER, X, outcome

OUTCOME = outcome(*MIXED, differences=[Difference("torch", "2.12.0", "2.13.0")])


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_STEP_SUMMARY", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")


def text(width: int, *, by_words: bool = False, everything: bool = False) -> list[str]:
    return [str(line) for line in text_lines(OUTCOME, width, everything=everything, by_words=by_words)]


def test_a_hundred_columns_hold_the_table_and_the_sentences_below_it() -> None:
    assert text(100) == [
        "3 regressions, 1 improvement, 1 unchanged, 1 inconclusive, runner drift 1.00x",
        "",
        "verdict        case              n  metric                     base         head             change",
        "SLOWER         dct-x r=8      1024  latency                 2.31 ms      3.28 ms  1.42x (1.37-1.48)",
        "WORSE          dct-x r=8      2048  memory.tensor       1,048,576 B  1,048,640 B              +64 B",
        "OVER_BUDGET    dct-x r=8      1024  budget.latency.p99            -      6.10 ms                  -",
        "NEWLY_FAILING  full           4096  ran in base, head ended: error: SIGSEGV",
        "INCONCLUSIVE   linformer r=4   512  latency                 1.00 ms      1.40 ms  1.40x (0.90-2.10)",
        "FASTER         dct-x r=16     1024  latency                 2.00 ms      1.00 ms  0.50x (0.48-0.52)",
        "not shown: 1 case without a change and 1 unchanged figure of the cases above (--all shows them)",
        "",
        "- dct-x r=8 at n = 1024 takes 1.42x (1.37-1.48) the time of base (2.31 ms -> 3.28 ms)",
        "- dct-x r=8 at n = 2048 allocates 1,048,640 B of tensors where base allocates 1,048,576 B (+64 B)",
        "- dct-x r=8 at n = 1024: the p99 latency of its processes is 6.10 ms, over the limit of 5.00 ms",
        "- full at n = 4096: ran in base, head ended: error: SIGSEGV",
        "",
        "- INCONCLUSIVE, linformer r=4 at n = 512: latency, the raw change and the change against the references "
        "disagree; allow more processes than --max-pairs 15, or measure where less else runs",
        "",
        "base: main, run bbbbbbbb of 2026-01-01 10:20 UTC, dctbench 0.1.0",
        "head: run aaaaaaaa of 2026-01-02 10:20 UTC, dctbench 0.1.0",
        "they differ in:",
        "  torch 2.12.0 -> 2.13.0",
        "exit 1: head is worse than base",
    ]


def test_a_wide_terminal_shows_the_raw_change_and_the_tolerance_too() -> None:
    head, first, *_ = text(160)[2:]
    assert head.split()[-3:] == ["change", "raw", "tolerance"]
    assert first.split()[-2:] == ["1.42x", "25%"]


def test_a_narrow_terminal_gets_two_lines_a_row_and_every_figure() -> None:
    assert text(60)[2:10] == [
        "SLOWER  dct-x r=8  n = 1024",
        "  latency  2.31 ms -> 3.28 ms  1.42x (1.37-1.48)  raw 1.42x",
        "    tolerance 25%",
        "WORSE  dct-x r=8  n = 2048",
        "  memory.tensor  1,048,576 B -> 1,048,640 B  +64 B",
        "    tolerance exact",
        "OVER_BUDGET  dct-x r=8  n = 1024",
        "  budget.latency.p99  6.10 ms  tolerance ≤ 5.00 ms",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_no_width_cuts_a_figure_and_folded_text_keeps_within_it(width: int) -> None:
    whole = " ".join(" ".join(text(width)).split())
    for figure in ("1.42x (1.37-1.48)", "1,048,640 B", "6.10 ms", "1.40x (0.90-2.10)"):
        assert figure in whole
    assert max(map(len, text(width, by_words=True))) <= max(
        width, 56
    )  # a row of two lines may be as long as its figures


def test_many_regressions_have_ten_sentences_and_a_count() -> None:
    many = outcome(*(replace(SLOWER, case=replace(X, seq_len=64 * n)) for n in range(1, 14)))
    lines = [str(line) for line in text_lines(many, 100, everything=False, by_words=False)]
    assert sum(" takes 1.42x" in line for line in lines) == 10
    assert "- and 3 more in the table above" in lines


def test_without_a_change_a_sentence_stands_in_place_of_the_table() -> None:
    lines = [str(x) for x in text_lines(outcome(PASSED, exit_code=0), 100, everything=False, by_words=False)]
    assert lines[:3] == [
        "0 regressions, 0 improvements, 1 unchanged, 0 inconclusive, runner drift 1.00x",
        "",
        "Nothing changed beyond its tolerance: 1 case, 1 figure.",
    ]
    assert lines[-1] == "exit 0: nothing is worse than base"


def test_a_reason_that_no_figure_tells_is_said() -> None:
    verdict = replace(PASSED, reason=Reason(ReasonCode.NOT_CONFIRMED, {"then": None}))
    lines = [str(x) for x in text_lines(outcome(verdict, exit_code=0), 100, everything=True, by_words=False)]
    assert "- pool r=4 at n = 512: slower at first, but fresh processes did not confirm it" in lines


def test_only_the_verdict_is_coloured_and_no_color_is_honoured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    print_outcome(OUTCOME, "table", everything=False)
    coloured = capsys.readouterr().out
    assert "\x1b[31mSLOWER\x1b[0m" in coloured
    assert "\x1b[32mFASTER\x1b[0m" in coloured
    assert "\x1b[33mINCONCLUSIVE\x1b[0m" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    print_outcome(OUTCOME, "table", everything=False)
    assert not re.search(r"\x1b\[3\dm", capsys.readouterr().out)


def test_control_codes_in_a_message_never_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    made = outcome(replace(FAILING, reason=Reason(ReasonCode.HEAD_FAILED, {"head": "\x1b[2J[/oops]\r\nhere"})))
    print_outcome(made, "table", everything=False)
    assert "\x1b" not in (said := capsys.readouterr().out)
    assert "NEWLY_FAILING  full  4096  ran in base, head ended: [2J[/oops] here" in said


def test_every_form_is_one_document_and_the_step_summary_gets_markdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    said = {}
    for form in ("json", "csv", "md"):
        print_outcome(OUTCOME, form, everything=False)
        said[form] = capfdbinary.readouterr().out.decode()
    assert [one["kind"] for one in json.loads(said["json"])["verdicts"]] == [v.kind.value for v in MIXED]
    assert len(list(csv.DictReader(io.StringIO(said["csv"])))) == len(MIXED)
    assert said["md"].startswith("<!-- dctbench: verdicts -->\n### dctbench: 3 regressions")
    assert (tmp_path / "summary.md").read_text(encoding="utf-8") == 3 * said["md"]
    assert VerdictKind.PASS.value not in said["md"]
