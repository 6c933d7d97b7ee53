"""What a person sees: the screen of a terminal on which the real command has drawn."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from dctbench.runners.locks import Lock
from tests.support import ROOT
from tests.support.command import TINY, Cli
from tests.support.screen import Shown, on_terminal
from tests.support.warm import UNHURRIED

SWEEP = ("run", "--impl", "sdpa,dct-x", "--ratio", "2", *TINY)
GATE = ("check", "--impl", "dct-x", "--base-impl", "dct-x", "--ratio", "2", "--seq", "64", "--heads", "2",
        "--head-dim", "8", "--tolerance", "900%", "--pairs", "2", "--max-pairs", "2")  # fmt: skip


def fits(shown: Shown, columns: int) -> bool:
    """Whether no line was broken by the terminal itself, which leaves the last column empty only by chance."""
    return all(len(line) < columns for line in shown.lines)


@pytest.mark.parametrize(("columns", "bar"), [(120, True), (60, False)])
def test_a_row_stays_for_every_case_and_the_live_line_goes(
    tmp_path: Path, environ: dict[str, str], columns: int, bar: bool
) -> None:
    shown = on_terminal(*SWEEP, folder=tmp_path, environ=environ, columns=columns)
    assert shown.code == 0, shown.text
    rows = [line.split() for line in shown.lines if line.startswith("   ")]
    assert [row[0] for row in rows].count("case") == 2  # what scrolled by, and the whole at the end
    assert sum(row[0] == "sdpa" for row in rows) == sum(row[:2] == ["dct-x", "r=2"] for row in rows) == 4
    assert "ETA" not in shown.text
    assert fits(shown, columns), shown.text
    told = [line for line in shown.drawn if "ETA" in line]
    assert any("0/8" in line for line in told)
    assert any("8/8" in line for line in told)
    assert any("dct-x r=2 n=128" in line for line in told)
    assert all(("━" in line) is bar for line in told)
    assert shown.cursor


def ctrl_c(words: str) -> Callable[[str, int], None]:
    """Return what types Ctrl-C, once, when these words are on the screen."""
    typed: list[int] = []

    def watch(text: str, group: int) -> None:
        if words in text and not typed:
            typed.append(group)
            with suppress(ProcessLookupError):  # it has ended by itself, which its exit code tells
                os.killpg(group, signal.SIGINT)

    return watch


def test_ctrl_c_leaves_a_clean_terminal_and_the_way_on(tmp_path: Path, environ: dict[str, str]) -> None:
    shown = on_terminal(*SWEEP, folder=tmp_path, environ=environ | {UNHURRIED: "1"}, watch=ctrl_c("2/8"))
    assert shown.code == 130, shown.text
    assert "ETA" not in shown.text
    assert "resume it with: dctbench run --resume" in shown.text
    assert shown.cursor


@pytest.mark.parametrize("command", [SWEEP, GATE])
def test_why_it_waits_is_said_above_the_live_line(
    tmp_path: Path, environ: dict[str, str], command: tuple[str, ...]
) -> None:
    lock = Lock("cpu")
    assert lock.take()

    def end_when_told(text: str, group: int) -> None:
        if "waiting for cpu" in text:
            lock.release()

    try:
        shown = on_terminal(*command, folder=tmp_path, environ=environ, watch=end_when_told)
    finally:
        lock.release()
    assert shown.code == 0, shown.text
    [line] = [line for line in shown.lines if "waiting for cpu" in line]
    assert re.fullmatch(
        rf"waiting for cpu: process {os.getpid()} \(\S+, \S+\) is measuring on it; press Ctrl-C to stop this run", line
    )
    assert not any("ETA" in line or "(at most 2)" in line for line in shown.lines), shown.text


def test_a_check_says_at_once_that_it_works_and_leaves_its_verdicts(tmp_path: Path, environ: dict[str, str]) -> None:
    shown = on_terminal(*GATE, folder=tmp_path, environ=environ, columns=80)
    assert shown.code == 0, shown.text
    assert "ETA" not in shown.text
    assert "pair 2" not in shown.text
    assert "exit 0: nothing is worse than base" in shown.text
    assert fits(shown, 80), shown.text
    pairs = [line for line in shown.drawn if "(at most 2)" in line]
    assert pairs[0].endswith("pair 1 (at most 2) of 1 case  starting both")
    assert any("pair 2 (at most 2) of 1 case  6/6" in line for line in pairs)


def test_what_is_drawn_fits_its_terminal_though_results_go_to_a_file(tmp_path: Path, environ: dict[str, str]) -> None:
    out = tmp_path / "out.json"
    shown = on_terminal(*SWEEP, "--format", "json", folder=tmp_path, environ=environ, columns=50, out=out)
    assert shown.code == 0, shown.text
    assert len(json.loads(out.read_text(encoding="utf-8"))["results"]) == 4
    assert fits(shown, 50), shown.text


@pytest.mark.parametrize("command", [SWEEP, GATE])
def test_a_terminal_that_takes_nothing_back_gets_plain_lines(
    tmp_path: Path, environ: dict[str, str], command: tuple[str, ...]
) -> None:
    for style in ("auto", "live"):
        shown = on_terminal(*command, "--progress", style, folder=tmp_path, environ=environ, term="dumb")
        assert shown.code == 0, shown.text
        assert any(line.startswith("[8/8] round 2") or "] pair 2" in line for line in shown.lines), shown.text
        assert "[K" not in shown.text
        assert "━" not in shown.text


def test_a_resumed_run_shows_what_is_left_against_what_was_there(tmp_path: Path, environ: dict[str, str]) -> None:
    sweep = (*SWEEP[:-1], "1")
    stopped = on_terminal(*sweep, folder=tmp_path, environ=environ | {UNHURRIED: "1"}, watch=ctrl_c("1/4"))
    assert stopped.code == 130, stopped.text
    shown = on_terminal("run", "--resume", folder=tmp_path, environ=environ)
    assert shown.code == 0, shown.text
    *_, full = [line for line in shown.drawn if "4/4" in line]
    assert "ETA 0s" in full
    rows = [line for line in shown.lines if line.startswith("   dct-x r=2")]
    assert len(rows) == 4  # as measured now, and in the table of all at the end
    assert all(re.search(r" \d+\.\d+x ", row) for row in rows), shown.text
    assert sum(line.startswith("   sdpa ") for line in shown.lines) >= 3  # one of them measured before


def test_a_case_that_fails_is_told_above_the_live_line(tmp_path: Path, environ: dict[str, str]) -> None:
    gate = [word if word != "dct-x" else "tests.support.hostile:Raises" for word in GATE]
    shown = on_terminal(*gate, folder=tmp_path, environ={**environ, "PYTHONPATH": str(ROOT)}, columns=100)
    assert any(line.startswith(("base: ", "head: ")) and " error" in line for line in shown.lines), shown.text
    assert "pair 1" not in shown.text


def test_sentences_are_folded_for_a_person_and_whole_for_a_program(
    tmp_path: Path, environ: dict[str, str], cli: Cli
) -> None:
    assert cli(*SWEEP).code == 0
    for command in (("choose", "--seq", "128"), ("doctor",), ("list", "impls"), ("list", "metrics"), ("list", "cases"),
                    ("compare", "latest", "latest")):  # fmt: skip
        shown = on_terminal(*command, folder=tmp_path, environ=environ, columns=64)
        assert shown.code == 0, shown.text
        assert fits(shown, 64), shown.text
    whole = cli("choose", "--seq", "128", COLUMNS="40").out.splitlines()
    [basis] = [line for line in whole if "rests on run" in line]
    assert "latencies over 2 processes per case" in basis
