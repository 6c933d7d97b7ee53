"""`check --baseline` without a suite and axis flags: the baseline's own cases, under its own settings."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.app.check_baseline import suite_of_baseline
from dctbench.errors import UsageError
from dctbench.exporters.json_document import document, dumps
from dctbench.runs.lookup import RecordedRun
from tests.support.command import Cli
from tests.support.made import ENVIRONMENT, RUN, result

TINY = ("--heads", "2", "--head-dim", "8")
EASY = ("--tolerance", "900%", "--pairs", "2", "--max-pairs", "2", "--format", "json")


def test_a_baseline_is_measured_again_as_it_was(cli: Cli) -> None:
    flags = ("--impl", "dct-x,sdpa", "--seq", "96", "--ratio", "2", *TINY, "--cache", "cold", "--isolation", "zygote")
    taken = cli("run", *flags, "--rounds", "2", "-q")
    assert taken.code == 0, taken.err
    assert cli("export", "json", "-o", "main.json").code == 0
    done = cli("check", "--baseline", "main.json", *EASY)
    assert done.code == 0, done.err
    found = done.json()
    judged = {(v["case"]["implementation"], v["case"]["seq_len"], v["case"]["ratio"]) for v in found["verdicts"]}
    assert judged == {("dct-x", 96, 2), ("sdpa", 96, None)}
    assert {v["kind"] for v in found["verdicts"]} <= {"PASS", "FASTER"}  # nothing missing, new or incomparable
    assert set(found["drift"]) == {"sdpa"}  # the other reference has no latency in the baseline


def test_a_passed_check_is_a_baseline_whose_added_references_get_no_verdict(cli: Cli) -> None:
    flags = ("--impl", "dct-x,sdpa", "--seq", "64", "--ratio", "8", *TINY)
    assert cli("run", *flags, "--rounds", "2", "-q", "--save-baseline", "old").code == 0
    first = cli("check", "--baseline", "old", *EASY, "--save-baseline", "main")
    assert first.code == 0, first.err
    done = cli("check", "--baseline", "main", *EASY)
    assert done.code == 0, done.err
    assert {v["case"]["implementation"] for v in done.json()["verdicts"]} == {"dct-x", "sdpa"}
    assert set(done.json()["drift"]) == {"sdpa", "none"}


def test_a_run_in_turns_is_no_baseline_of_latencies(cli: Cli) -> None:
    flags = ("--impl", "dct-x", "--seq", "64", "--ratio", "8", *TINY)
    assert cli("check", *flags, "--base-impl", "dct-x", *EASY, "--label", "turns").code == 0
    done = cli("check", "--baseline", "turns", *EASY)
    assert done.code == 3, done.err
    found = {v["metric"]: (v["kind"], v["reason"]) for v in done.json()["verdicts"]}
    said = "measured in turns with another process, here by itself, and that alone changes latencies"
    assert found["latency"] == ("INCOMPARABLE", said)
    assert found["flops"] == ("PASS", "")


def test_a_baseline_of_a_suite_file_needs_that_file_named(cli: Cli, tmp_path: Path) -> None:
    axes = 'impl = "none"\nseq = 64\nheads = 2\nhead_dim = 8\n'
    (tmp_path / "mine.toml").write_text(f'[axes]\n{axes}[settings]\nrounds = 2\n[gate]\nmax_memory = "1B"\n')
    assert cli("run", "--suite", "mine.toml", "--save-baseline", "main", "-q").code == 0
    for more in ((), ("--seq", "64")):
        done = cli("check", "--baseline", "main", *more, *EASY)
        assert done.code == 2, done.err
        assert "the baseline was measured with suite 'mine', which is not one of dctbench: name its file" in done.err
        assert "axis flags" in done.err
    done = cli("check", "--baseline", "main", "--suite", "mine.toml", *EASY)
    assert done.code == 1, done.err
    assert [v["kind"] for v in done.json()["verdicts"] if v["metric"] == "budget.memory"] == ["OVER_BUDGET"]


def test_a_suite_file_that_is_called_like_a_shipped_one_is_never_taken_for_it(cli: Cli, tmp_path: Path) -> None:
    axes = 'impl = "none"\nseq = 64\nheads = 2\nhead_dim = 8\n'
    (tmp_path / "ci.toml").write_text(f'[axes]\n{axes}[gate]\nmax_memory = "1B"\n')
    done = cli("run", "--suite", "ci.toml", "--save-baseline", "main", "-q")
    assert done.code == 2, done.err
    assert 'give it another name: name = "my-ci"' in done.err
    assert not list(tmp_path.glob(".dctbench/*.sqlite"))


def test_a_baseline_of_the_suite_ci_is_planned_from_its_own_cases_and_at_names_only_fields_of_a_case(
    cli: Cli, tmp_path: Path
) -> None:
    run = replace(RUN, id="fedcba9876543210", suite="ci")
    held = document(run, {ENVIRONMENT.fingerprint: ENVIRONMENT}, [result("none", 64, heads=2, head_dim=8)])
    (tmp_path / "main.json").write_text(dumps(held))
    done = cli("check", "--baseline", "main.json", *EASY)
    assert done.code == 3, done.err  # of another machine
    assert {v["case"]["implementation"] for v in done.json()["verdicts"]} == {"none"}
    refused = cli("check", "--baseline", "main.json", *EASY, "--max-memory", "1GiB", "--at", "keep_first=2")
    assert refused.code == 2, refused.err
    assert "--at 'keep_first=2': not AXIS=VALUE" in refused.err


@pytest.mark.parametrize("limit", [-1.0, 0.0, 1e9, math.nan, math.inf])
def test_a_time_limit_that_no_flag_accepts_is_no_limit_of_a_check(limit: float) -> None:
    run = replace(RUN, suite="ci", settings=replace(RUN.settings, case_timeout=limit))
    one = result("none", 64)
    found = RecordedRun(run, {ENVIRONMENT.fingerprint: ENVIRONMENT}, [one], [one.case])
    with pytest.raises(UsageError, match=r"the baseline has a time limit of .* s for a case") as refused:
        suite_of_baseline(found)
    assert refused.value.hint == "measure the baseline again, or name the suite: --suite ci"


def test_a_file_without_environments_is_a_baseline_of_what_does_not_depend_on_them(cli: Cli, tmp_path: Path) -> None:
    run = replace(RUN, id="fedcba9876543210", suite="ci")
    held = replace(result("none", 64, heads=2, head_dim=8, values={"flops": ("FLOP", 1e12)}), fingerprint="")
    (tmp_path / "main.json").write_text(dumps(document(run, {}, [held])))
    done = cli("check", "--baseline", "main.json", *EASY)
    assert done.code == 3, done.err
    found = {v["metric"]: v["kind"] for v in done.json()["verdicts"]}
    assert (found["latency"], found["flops"]) == ("INCOMPARABLE", "BETTER")


def test_what_is_not_known_here_any_more_is_missing(cli: Cli, tmp_path: Path) -> None:
    results = [result(name, 64, heads=2, head_dim=8) for name in ("none", "withdrawn")]
    run = replace(RUN, id="fedcba9876543210")
    (tmp_path / "main.json").write_text(dumps(document(run, {ENVIRONMENT.fingerprint: ENVIRONMENT}, results)))
    done = cli("check", "--baseline", "main.json", *EASY)
    assert done.code == 1, done.err
    kinds = {(v["case"]["implementation"], v["metric"]): v["kind"] for v in done.json()["verdicts"]}
    assert kinds["withdrawn", "status"] == "MISSING"
    assert kinds["none", "latency"] == "INCOMPARABLE"
    (tmp_path / "main.json").write_text(dumps(document(run, {ENVIRONMENT.fingerprint: ENVIRONMENT}, results[1:])))
    done = cli("check", "--baseline", "main.json", *EASY)
    assert done.code == 2, done.err
    assert "no implementation of the baseline is known here: withdrawn" in done.err


def test_two_runs_of_base_are_needed_for_a_latency_to_fail(cli: Cli, tmp_path: Path) -> None:
    flags = ("--impl", "dct-x,sdpa", "--seq", "64", "--ratio", "8", *TINY, "--rounds", "2", "-q")
    for name in ("main", "again"):
        assert cli("run", *flags, "--save-baseline", name).code == 0
    advisory = "latencies are advisory: one stored run does not show how much runs of the same code differ"
    easy = EASY[:-2]
    assert advisory in cli("check", "--baseline", "main", *easy).out.replace("\n", " ")
    both = cli("check", "--baseline", "main", "--baseline", "again", *easy)
    assert both.code in (0, 3), both.err  # a change of tenfold is not seen, but two processes may not prove that
    assert "advisory" not in both.out
    named = [line.split(" of ")[0] for line in both.out.splitlines() if line.startswith("base: run ")]
    assert cli("export", "json", "-o", "head.json").code == 0
    of = json.loads((tmp_path / "head.json").read_text())["run"]["settings"]["check"]
    assert named == [f"base: run {run[:8]}" for run in (of["base"], *of["further"])]
    assert len(set(named)) == 2
    twice = cli("check", "--baseline", "main", "--baseline", "main", *easy)
    assert twice.code == 2
    assert "twice" in twice.err
    other = cli("run", *flags, "--cache", "cold", "--save-baseline", "cold")
    assert other.code == 0, other.err
    refused = cli("check", "--baseline", "main", "--baseline", "cold", *easy)
    assert refused.code == 2
    assert "does not compare with run" in refused.err
    assert "another setting of cache" in refused.err
