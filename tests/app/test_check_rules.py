"""The rules of a check: whose tolerance is whose."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.app.check_rules import default_tolerances, resolve_rules, with_enough_pairs
from dctbench.compare import TOLERANCES, Rules
from dctbench.compare.check_settings import Against, check_settings
from dctbench.errors import UsageError
from dctbench.runs.lookup import RecordedRun
from dctbench.scheduler.events import Event, Notice
from dctbench.spec import suites
from dctbench.spec.axes import AxisValues
from dctbench.spec.gate import GateRules
from dctbench.store import open_store
from dctbench.store.importing import import_run
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.outcomes import in_rounds


def measured(store: str) -> None:
    """Store what `dctbench noise` stores on a quiet machine: two runs of the same code that took turns."""
    still = [*in_rounds("sdpa", [4e-3] * 6), *in_rounds("dct-x", [2e-3, 2.001e-3] * 3, ratio=8)]
    with open_store(store, create=True) as opened:
        sides: list[tuple[str, Against]] = [
            ("b" * 16, {"base_impl": None}), ("a" * 16, {"base": "b" * 16, "base_impl": None}),
        ]  # fmt: skip
        for run_id, against in sides:
            check = check_settings("head" if "base" in against else "base", ["sdpa", "dct-x"], Rules(), **against)
            run = replace(RUN, id=run_id, suite="noise", settings=replace(RUN.settings, check=check))
            import_run(opened, run, [ENVIRONMENT], still)


def test_noise_that_was_not_measured_in_turns_is_no_noise_of_a_gate(tmp_path: Path) -> None:
    store = str(tmp_path / "results.sqlite")
    with open_store(store, create=True) as opened:
        import_run(opened, replace(RUN, suite="noise"), [ENVIRONMENT], in_rounds("sdpa", [4e-3] * 6))
    assert default_tolerances(suites.load("ci"), store, ENVIRONMENT.fingerprint) == TOLERANCES


@pytest.mark.parametrize(("devices", "cpu"), [(["cpu"], 0.10), (["cpu", "cuda"], 0.10), (["cuda"], 0.25)])
def test_the_noise_that_was_measured_is_the_cpus_also_where_a_gpu_is_checked_beside_it(
    tmp_path: Path, devices: list[str], cpu: float
) -> None:
    store = str(tmp_path / "results.sqlite")
    measured(store)
    wanted = suites.override(suites.load("ci"), AxisValues(device=devices))
    found = default_tolerances(wanted, store, ENVIRONMENT.fingerprint)
    assert found == {**TOLERANCES, "cpu": cpu}
    assert default_tolerances(wanted, store, "another") == TOLERANCES


def damage(store: Path, run_id: str) -> None:
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("UPDATE runs SET label = 'changed' WHERE id = ?", [run_id])
        connection.commit()


def test_damage_to_another_run_does_not_hide_the_noise_of_this_machine(tmp_path: Path) -> None:
    store = tmp_path / "results.sqlite"
    measured(str(store))
    with open_store(str(store)) as opened:
        import_run(opened, replace(RUN, id="f" * 16), [ENVIRONMENT], [result()])
    damage(store, "f" * 16)
    assert default_tolerances(suites.load("ci"), str(store), ENVIRONMENT.fingerprint) == {**TOLERANCES, "cpu": 0.10}


def many(rounds: int) -> RecordedRun:
    """36 cases in so many rounds."""
    results = [result("dct-x", 64 * n, 1e-3, ratio=8, round=one) for n in range(1, 37) for one in range(1, rounds + 1)]
    return RecordedRun(RUN, {}, results, list(dict.fromkeys(one.case for one in results)))


@pytest.mark.parametrize(
    ("rounds", "given", "most", "warned"),
    [
        (2, None, 15, ""),
        (2, 2, 2, ""),
        (1, None, 15, "a baseline of --rounds 2 can"),
        (None, None, 15, ""),
        (None, 5, 5, "5 pairs cannot prove it among 36 cases; --max-pairs 10 can"),
    ],
)
def test_more_processes_are_allowed_where_a_proof_takes_them_and_nobody_said_how_many(
    rounds: int | None, given: int | None, most: int, warned: str
) -> None:
    rules = Rules(max_pairs=given or 15)
    heard: list[Event] = []
    stored = None if rounds is None else many(rounds).summaries
    found = with_enough_pairs(rules, many(1).plan, stored, GateRules(max_pairs=given), heard.append)
    assert found == replace(rules, max_pairs=most)
    notices = [event.message for event in heard if isinstance(event, Notice)]
    assert len(notices) == bool(warned)
    assert all(warned in notice for notice in notices)


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_limits_are_held_at_the_confidence_that_is_given_with_them(confidence: float) -> None:
    """As `dctbench.check` takes them from a request, completed by a suite that says nothing."""
    given = GateRules(limits={"latency_p99": 0.01}, confidence=confidence)
    budgets = resolve_rules(given.over(GateRules()), TOLERANCES).budgets
    assert (budgets.given, budgets.confidence) == ({"latency_p99": 0.01}, confidence)


def test_the_rules_of_a_user_win_over_those_of_a_suite_and_leave_the_others() -> None:
    suite = GateRules.parse({"tolerance": ["10%"], "pairs": ["3"], "max_memory": ["process=1GiB"], "max_error": ["5%"]})
    user = GateRules.parse({"tolerance": ["20%"], "max_memory": ["64MiB"], "at": ["seq=64"]})
    both = user.over(suite)
    assert (both.tolerance, both.pairs, both.max_pairs) == (0.2, 3, None)
    assert both.limits == {"memory": 64 * 2**20, "error_smooth": 0.05}  # --max-memory replaces the suite's
    assert both.at == {"seq_len": 64}
    assert GateRules().over(suite) == suite
    assert resolve_rules(both, TOLERANCES).latency == 0.2
    assert resolve_rules(GateRules(), TOLERANCES) == Rules()
    with pytest.raises(TypeError, match="latency_p9"):
        resolve_rules(GateRules(limits={"latency_p9": 0.01}).over(suite), TOLERANCES)
    with pytest.raises(UsageError, match="--max-pairs 4 is less than --pairs 5"):
        resolve_rules(GateRules(max_pairs=4), TOLERANCES)
