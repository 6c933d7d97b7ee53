"""A store under any sequence of operations, damage and another writer: nothing confirmed is lost, nothing is doubled.

A model in memory says what was confirmed. Damage is done to single rows, which the model then no longer expects. After
every step, a second connection must find exactly what the model expects, and every failure must be a StoreError or a
UsageError.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from dctbench.errors import StoreError, UsageError
from dctbench.model import RETRYABLE, Result, Run
from dctbench.store import Store, open_store
from dctbench.store.checking import find_damage
from dctbench.store.importing import import_run
from dctbench.store.merging import merge
from dctbench.store.pruning import forget_baseline, remove_runs
from tests.support.made import ENVIRONMENT, RUN, result

LENGTHS, ROUNDS, RUNS = (64, 128), (1, 2), 3
CASES = [result("sdpa", n).case for n in LENGTHS]
KEYS = st.tuples(st.sampled_from(LENGTHS), st.sampled_from(ROUNDS))
SOME_KEYS = st.lists(KEYS, unique=True, max_size=3)
STATUSES = st.sampled_from(["ok", "error", "skipped"])
Key = tuple[str, int, int]


def made(length: int, round: int, status: str, number: int) -> Result:
    """A result that no other one equals."""
    seconds = (number + 1) * 1e-3 if status == "ok" else None
    return result("sdpa", length, seconds, status=status, round=round, message=f"{number}")  # type: ignore[arg-type]


class Stores(RuleBasedStateMachine):
    """Two files: `own`, which the model describes, and `other`, from which it is merged."""

    runs: Bundle[Run] = Bundle("runs")

    @initialize()
    def create(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.path = str(self.folder / "own.sqlite")
        self.writers = [open_store(self.path, create=True), open_store(self.path, create=True)]
        self.expected: dict[Key, Result] = {}
        self.order: list[str] = []
        self.baselines: dict[str, str] = {}
        self.attempts: dict[Key, int] = {}
        self.number = 0

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def writer(self, second: bool) -> Store:
        return self.writers[second]

    @rule(target=runs, number=st.integers(1, RUNS), second=st.booleans())
    def add_run(self, number: int, second: bool) -> Run:
        run = replace(RUN, id=f"{number:016x}", label=f"{number}")
        if run.id not in self.order:
            self.order.append(run.id)
        self.writer(second).add_run(run, CASES, rounds=len(ROUNDS))
        return run

    @rule(run=runs, key=KEYS, status=STATUSES, retried=st.booleans(), second=st.booleans())
    def add_result(self, run: Run, key: tuple[int, int], status: str, retried: bool, second: bool) -> None:
        self.number += 1
        new = made(*key, status, self.number)
        place = (run.id, *key)
        if run.id not in self.order:
            with pytest.raises(StoreError):
                self.writer(second).add_result(run.id, new, retried=retried)
            return
        before = self.expected.get(place)
        stored = self.writer(second).add_result(run.id, new, retried=retried)
        assert stored == (before is None or (retried and before.status in RETRYABLE))
        self.attempts.pop(place, None)
        if stored:
            self.expected[place] = new

    @rule(run=runs, key=KEYS, second=st.booleans())
    def start_a_case(self, run: Run, key: tuple[int, int], second: bool) -> None:
        case = CASES[LENGTHS.index(key[0])]
        if run.id not in self.order:
            with pytest.raises(StoreError):
                self.writer(second).start_case(run.id, case, key[1])
            return
        self.writer(second).start_case(run.id, case, key[1])
        self.attempts[run.id, *key] = self.attempts.get((run.id, *key), 0) + 1

    @rule(run=runs, name=st.sampled_from(["main", "old"]), second=st.booleans())
    def save_a_baseline(self, run: Run, name: str, second: bool) -> None:
        if run.id not in self.order:
            with pytest.raises(StoreError):
                self.writer(second).save_baseline(name, run.id)
            return
        self.writer(second).save_baseline(name, run.id)
        self.baselines[name] = run.id

    @rule(name=st.sampled_from(["main", "old"]), second=st.booleans())
    def forget_a_baseline(self, name: str, second: bool) -> None:
        if name not in self.baselines:
            with pytest.raises(UsageError):
                forget_baseline(self.writer(second), name)
            return
        assert forget_baseline(self.writer(second), name) == self.baselines.pop(name)

    @rule(run=runs, second=st.booleans())
    def prune(self, run: Run, second: bool) -> None:
        if run.id in self.baselines.values():
            with pytest.raises(StoreError):
                remove_runs(self.writer(second), [run.id])
            return
        remove_runs(self.writer(second), [run.id])
        self.order = [one for one in self.order if one != run.id]
        for known in (self.expected, self.attempts):
            for key in [key for key in known if key[0] == run.id]:
                del known[key]

    @rule(run=runs, rounds=st.sampled_from([(1,), (2,), (1, 2)]), second=st.booleans())
    def import_results(self, run: Run, rounds: tuple[int, ...], second: bool) -> None:
        keys = [(length, round) for length in LENGTHS for round in rounds]  # of all cases: they become the plan
        results = [made(*key, "ok", self.number + i) for i, key in enumerate(keys, 1)]
        self.number += len(keys)
        before = {key: self.expected.get((run.id, *key)) for key in keys}
        new = [key for key, known in before.items() if known is None]
        worse = [key for key, known in before.items() if known is not None and known.status in RETRYABLE]
        assert import_run(self.writer(second), run, [ENVIRONMENT], results) == (len(new), len(worse))
        if run.id not in self.order:
            self.order.append(run.id)
        self.expected |= {(run.id, *key): one for key, one in zip(keys, results, strict=True) if key in [*new, *worse]}
        for key in (*new, *worse):
            self.attempts.pop((run.id, *key), None)

    @rule(target=runs, number=st.integers(1, RUNS + 1), keys=SOME_KEYS, second=st.booleans())
    def merge_another_store(self, number: int, keys: list[tuple[int, int]], second: bool) -> Run:
        run = replace(RUN, id=f"{number:016x}", label=f"{number}")
        results = []
        for key in keys:
            self.number += 1
            results.append(made(*key, "ok", self.number))
        path = self.folder / f"other-{self.number}-{number}.sqlite"
        path.unlink(missing_ok=True)
        with open_store(str(path), create=True) as other:
            other.add_run(run, CASES, rounds=len(ROUNDS))
            other.add_results(run.id, results)
            other.save_baseline("main", run.id)
            for _ in range(2):  # twice merged is once merged
                merge([other], self.writer(second))
        if run.id not in self.order:
            self.order.append(run.id)
        for one in results:
            place = (run.id, one.case.seq_len, one.round)
            before = self.expected.get(place)
            if before is None or before.status in RETRYABLE:
                self.expected[place] = one
                self.attempts.pop(place, None)
        return run

    @rule(data=st.data(), column=st.sampled_from(["status", "samples", "record", "sha256"]))
    def damage_a_result(self, data: st.DataObject, column: str) -> None:
        if not self.expected:
            return
        place = data.draw(st.sampled_from(sorted(self.expected)))
        run_id, length, round = place
        case_id = CASES[LENGTHS.index(length)].id
        where = "run_id = ? AND case_id = ? AND round = ?"
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute(f"UPDATE results SET {column} = 'x' WHERE {where}", (run_id, case_id, round))
            connection.commit()
        with open_store(self.path) as store:
            assert len(find_damage(store)) == 1
            damage: list[str] = []
            assert len(store.results(run_id, damage=damage)) == sum(key[0] == run_id for key in self.expected) - 1
            assert len(damage) == 1
            with pytest.raises(StoreError):
                store.results(run_id)
            copy = self.folder / "copy.sqlite"
            copy.unlink(missing_ok=True)
            with open_store(str(copy), create=True) as into:
                merge([store], into)
                kept = {(run, one.case.seq_len, one.round): one for run in self.order for one in into.results(run)}
        del self.expected[place]
        assert kept == self.expected
        with closing(sqlite3.connect(self.path)) as connection:  # the row is removed, as its owner would do
            connection.execute(f"DELETE FROM results WHERE {where}", (run_id, case_id, round))
            connection.commit()

    @rule(length=st.integers(1, 3000))
    def truncate_a_copy(self, length: int) -> None:
        """A part of the file, as a copy that was cut has it: a sentence, or what is in it."""
        copy = self.folder / "cut.sqlite"
        whole = Path(self.path).read_bytes()
        copy.write_bytes(whole[: len(whole) * length // 3000])
        before = copy.read_bytes()
        with suppress(StoreError), open_store(str(copy)) as store:
            find_damage(store)
            for state in store.runs():
                store.results(state.run.id)
        assert copy.read_bytes() == before

    @invariant()
    def everything_confirmed_is_there_once(self) -> None:
        if not hasattr(self, "path"):
            return
        with open_store(self.path) as store:
            states = store.runs()
            found = {
                (state.run.id, one.case.seq_len, one.round): one
                for state in states
                for one in store.results(state.run.id)
            }
            assert found == self.expected
            assert [state.run.id for state in states] == self.order
            assert sum(state.stored for state in states) == len(self.expected)
            assert {one.name: one.run_id for one in store.baselines()} == self.baselines
            assert {
                (run_id, length, round): number
                for run_id in self.order
                for (case_id, round), number in store.attempts(run_id).items()
                for length, case in zip(LENGTHS, CASES, strict=True)
                if case.id == case_id
            } == self.attempts
            assert find_damage(store) == []


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
