"""`dctbench compare`: two stored runs through the real command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dctbench.exporters.json_document import document, dumps
from dctbench.model import Environment, Result, Run, RunSettings
from dctbench.store import open_store
from dctbench.store.importing import import_run
from tests.support.command import Cli
from tests.support.made import ELSEWHERE, ENVIRONMENT, FACTS, elsewhere, result
from tests.support.outcomes import BASE, HEAD, in_rounds

DCT_X = ("dct-x", "latency")
ALIKE = in_rounds("sdpa", [4e-3] * 5)
BEFORE = [
    *ALIKE,
    *in_rounds("dct-x", [2e-3] * 5, ratio=8, values={"flops": ("FLOP", 1e9), "memory.tensor": ("B", 2.0**20)}),
    *in_rounds("pool", [1e-3] * 5, ratio=8),
    *in_rounds("linformer", [1e-3] * 5, ratio=8),
]
AFTER = [
    *ALIKE,
    *in_rounds("dct-x", [3e-3] * 5, ratio=8, values={"flops": ("FLOP", 1e9), "memory.tensor": ("B", 2.0**20 + 64)}),
    *in_rounds("pool", [1e-3] * 5, ratio=8),
    *in_rounds("performer", [1e-3] * 5, ratio=8),
]


def write(path: Path, run: Run, results: Sequence[Result], environment: Environment = ENVIRONMENT) -> None:
    moved = [replace(one, fingerprint=environment.fingerprint) for one in results]
    path.write_text(dumps(document(run, {environment.fingerprint: environment}, moved)), encoding="utf-8")


@pytest.fixture
def files(tmp_path: Path) -> None:
    write(tmp_path / "base.json", BASE, BEFORE)
    write(tmp_path / "head.json", HEAD, AFTER)


FILES = ("compare", "base.json", "head.json")


@pytest.mark.usefixtures("files")
def test_what_changed_is_told_and_the_rest_counted(cli: Cli) -> None:
    done = cli(*FILES)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "1 regression, 0 improvements, 2 unchanged, 0 inconclusive, 1 missing, 1 new, runner drift 1.00x",
        "",
        "verdict  case              n  metric                base         head             change    raw  tolerance",
        "SLOWER   dct-x r=8      1024  latency            2.00 ms      3.00 ms  1.50x (1.50-1.50)  1.50x        25%",
        "WORSE    dct-x r=8      1024  memory.tensor  1,048,576 B  1,048,640 B              +64 B      -      exact",
        "MISSING  linformer r=8  1024  measured in base, not in head",
        "NEW      performer r=8  1024  base has no such case",
        "not shown: 2 cases without a change and 1 unchanged figure of the cases above (--all shows them)",
        "",
        "- dct-x r=8 at n = 1024 takes 1.50x (1.50-1.50) the time of base (2.00 ms -> 3.00 ms)",
        "- dct-x r=8 at n = 1024 allocates 1,048,640 B of tensors where base allocates 1,048,576 B (+64 B)",
        "- linformer r=8 at n = 1024: measured in base, not in head",
        "",
        "- two runs of the same code can differ by more than their processes show: before a change is blamed on the "
        "code, measure both in turn with dctbench check --base-python",
        "",
        "base: main, run bbbbbbbb of 2026-01-01 10:20 UTC, dctbench 0.1.0",
        "head: run aaaaaaaa of 2026-01-02 10:20 UTC, dctbench 0.1.0",
        "exit 0: two stored runs were compared; only dctbench check fails on what is worse",
    ]


@pytest.mark.usefixtures("files")
def test_every_form_and_the_flags(cli: Cli, tmp_path: Path) -> None:
    found = cli(*FILES, "--format", "json", GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md")).json()
    assert (found["exit_code"], found["base"]["id"], found["head"]["id"]) == (0, BASE.id, HEAD.id)
    kinds = {(v["case"]["implementation"], v["metric"]): v["kind"] for v in found["verdicts"]}
    assert kinds["dct-x", "latency"] == "SLOWER"
    assert kinds["sdpa", "latency"] == kinds["dct-x", "flops"] == "PASS"
    assert (tmp_path / "summary.md").read_text(encoding="utf-8") == cli(*FILES, "--format", "md").out
    allowed = cli(*FILES, "--tolerance", "60%", "--format", "json").json()
    assert "SLOWER" not in {verdict["kind"] for verdict in allowed["verdicts"]}
    assert "PASS" in cli(*FILES, "--all").out
    same = cli("compare", "base.json", "base.json")
    assert same.code == 0
    assert "Nothing changed beyond its tolerance: 4 cases, 6 figures." in same.out


def test_another_environment_leaves_what_does_not_depend_on_it_and_says_what_differs(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "base.json", BASE, BEFORE, Environment({**FACTS, "torch": "2.12.0"}, "e" * 16))
    write(tmp_path / "head.json", HEAD, AFTER)
    done = cli(*FILES)
    assert done.code == 0
    assert "they differ in:\n  torch 2.12.0 -> 2.13.0\n" in done.out
    assert (
        "- INCOMPARABLE, 3 cases, such as sdpa at n = 1024: latency, measured in another environment, and "
        "latencies compare only within one; measure both sides here and now: dctbench check --base-python or "
        "--base-impl"
    ) in done.out
    assert "WORSE" in done.out
    assert "SLOWER" not in done.out
    write(tmp_path / "head.json", HEAD, ALIKE)
    nothing = cli(*FILES)
    assert nothing.code == 3
    assert nothing.out.splitlines()[-1] == "exit 3: cannot judge: some cases are incomparable"


def test_a_run_of_two_machines_is_compared_where_one_machine_measured_both_sides(cli: Cli, tmp_path: Path) -> None:
    there = elsewhere([*in_rounds("sdpa", [8e-3] * 5, 2048), *in_rounds("dct-x", [1e-3] * 5, 2048, ratio=8)])
    places = {one.fingerprint: one for one in (ENVIRONMENT, ELSEWHERE)}
    (tmp_path / "base.json").write_text(dumps(document(BASE, places, [*BEFORE, *there])), encoding="utf-8")
    here = [*in_rounds("sdpa", [8e-3] * 5, 2048), *in_rounds("dct-x", [4e-3] * 5, 2048, ratio=8)]
    write(tmp_path / "head.json", HEAD, [*AFTER, *here])
    verdicts = cli(*FILES, "--format", "json").json()["verdicts"]
    found = {v["case"]["seq_len"]: v for v in verdicts if (v["case"]["implementation"], v["metric"]) == DCT_X}
    assert {n: v["kind"] for n, v in found.items()} == {1024: "SLOWER", 2048: "INCOMPARABLE"}
    assert found[2048]["reason"] == "measured in another environment, and latencies compare only within one"


def test_a_difference_to_a_single_process_is_inconclusive(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "base.json", BASE, BEFORE[:1] + BEFORE[5:6])
    write(tmp_path / "head.json", HEAD, AFTER[:3] + AFTER[5:8])
    [latency] = [
        verdict
        for verdict in cli(*FILES, "--format", "json").json()["verdicts"]
        if (verdict["metric"], verdict["case"]["implementation"]) == ("latency", "dct-x")
    ]
    assert (latency["kind"], latency["reason"]) == ("INCONCLUSIVE", "more processes are needed")


def checked(tmp_path: Path, base: Sequence[Result], head: Sequence[Result], **about: Any) -> None:
    """The two runs that an interleaved check leaves in the store."""
    rules = {"asked": ["dct-x"], "reference": "sdpa", "tolerance": 0.25}
    head_check = {"side": "head", "base": BASE.id, "base_impl": None, **rules, **about}
    runs = (
        replace(BASE, label="check (base)", settings=RunSettings.from_json({"check": {"side": "base", **rules}})),
        replace(HEAD, label="check", settings=RunSettings.from_json({"check": head_check})),
    )
    with open_store(str(tmp_path / ".dctbench" / "results.sqlite"), create=True) as store:
        for run, results in zip(runs, (base, head), strict=True):
            import_run(store, run, [ENVIRONMENT], results)


def test_the_two_sides_of_a_check_are_compared_by_its_pairs_without_the_references_it_added(
    cli: Cli, tmp_path: Path
) -> None:
    # The machine was twice as slow from the fourth pair on: of pairs that cancels, of processes that would be noise.
    slow = [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]
    none, sdpa, before, after = ([ms * 1e-3 * s for s in slow] for ms in (0.5, 4.0, 2.0, 3.0))
    beside = [*in_rounds("sdpa", sdpa), *in_rounds("none", none)]
    base = [*beside, *in_rounds("dct-x", before, ratio=8)]
    checked(tmp_path, base, [*beside, *in_rounds("dct-x", after, ratio=8)])
    [verdict] = cli("compare", BASE.id, "check", "--format", "json").json()["verdicts"]
    assert (verdict["kind"], verdict["effect"], verdict["low"]) == (
        "SLOWER", pytest.approx(1.5), pytest.approx(1.5),
    )  # fmt: skip
    assert cli("compare", BASE.id, "check").out.startswith("1 regression, 0 improvements, 0 unchanged")


def test_a_check_between_two_methods_compares_them(cli: Cli, tmp_path: Path) -> None:
    beside = [*in_rounds("sdpa", [4e-3] * 7), *in_rounds("none", [5e-4] * 7)]
    base = [*beside, *in_rounds("full", [4e-3] * 7)]
    checked(tmp_path, base, [*beside, *in_rounds("dct-x", [2e-3] * 7, ratio=8)], base_impl="full")
    [verdict] = cli("compare", BASE.id, "check", "--format", "json").json()["verdicts"]
    assert (verdict["kind"], verdict["effect"]) == ("FASTER", pytest.approx(0.5))


def test_mistakes_are_one_sentence(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "base.json", BASE, BEFORE)
    write(tmp_path / "empty.json", HEAD, [])
    for arguments, code, words in (
        (("base.json", "nothing.json"), 2, "nothing.json"),
        (("base.json", "empty.json"), 3, "has no results yet"),
        (("base.json", "empty.json", "--reference", "sdpa"), 3, "has no results yet"),
        (("base.json", "base.json", "--reference", "sdap"), 2, "did you mean 'sdpa'"),
        (("base.json", "base.json", "--tolerance", "much"), 2, "--tolerance 'much': not a share"),
        (("base.json", "base.json", "--tolerance", "10"), 2, "write 10% or 0.1"),
        (("base.json", "base.json", "--tolerance", "0%"), 2, "no two runs agree"),
        (("base.json", "base.json", "--tolerance", "1100%"), 2, "more than tenfold"),
        (("base.json",), 5, "dctbench run"),
        ((), 2, "needs a run to compare with"),
    ):
        done = cli("compare", *arguments)
        assert (done.code, "Traceback" in done.err) == (code, False), arguments
        assert words in done.err


def test_a_run_from_before_checks_or_with_odd_settings_is_compared_as_it_is(cli: Cli, tmp_path: Path) -> None:
    odd: dict[str, Any] = {"check": 5}
    write(tmp_path / "base.json", replace(BASE, settings=RunSettings.from_json(odd)), [result("full", 64, 1e-3)])
    write(tmp_path / "head.json", replace(HEAD, settings=RunSettings.from_json(odd)), [result("full", 64, 1e-3)])
    assert cli(*FILES).code == 0


def test_the_report_of_a_check_compares_it_with_its_base_and_with_nothing_else_that_a_file_may_name(
    cli: Cli, tmp_path: Path
) -> None:
    beside = [*in_rounds("sdpa", [4e-3] * 7), *in_rounds("none", [5e-4] * 7)]
    base, head = ([*beside, *in_rounds("dct-x", [ms] * 7, ratio=8)] for ms in (2e-3, 3e-3))
    checked(tmp_path, base, head)
    page = tmp_path / "dctbench-report.html"
    assert cli("report", "check").code == 0
    assert "No baseline was given" not in page.read_text(encoding="utf-8")
    settings = {"check": {"side": "head", "base": str(tmp_path / "base.json"), "base_impl": None}}
    write(tmp_path / "base.json", BASE, base)
    write(tmp_path / "head.json", replace(HEAD, settings=RunSettings.from_json(settings)), head)
    assert cli("report", "head.json").code == 0
    assert "No baseline was given" in page.read_text(encoding="utf-8")


def test_a_confidence_that_no_check_has_is_ignored(cli: Cli, tmp_path: Path) -> None:
    """From 30 processes on a p99 has a bound over processes, which takes a confidence between 0 and 1."""
    results = [*in_rounds("sdpa", [4e-3] * 30), *in_rounds("dct-x", [2e-3, 2.01e-3] * 15, ratio=8)]
    checked(tmp_path, results, results, budgets={"latency_p99": 1.0, "confidence": 0.0})
    done = cli("compare", "latest~1", "latest", "--format", "json")
    assert done.code == 0, done.err
    assert {verdict["metric"] for verdict in done.json()["verdicts"]} == {"latency"}
