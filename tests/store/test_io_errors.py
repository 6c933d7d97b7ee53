"""An error at every call of the database, and at every page that a file grows by: what was confirmed stays.

SQLite tests itself like this (https://www.sqlite.org/testing.html, 3): the n-th call fails, for every n until none
does.
"""

from __future__ import annotations

import gc
import os
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dctbench.errors import StoreError
from dctbench.model import Result
from dctbench.store import Store, open_store
from dctbench.store.checking import find_damage
from dctbench.store.importing import import_run
from dctbench.store.merging import merge
from dctbench.store.patience import PatientConnection, PatientCursor
from dctbench.store.pruning import remove_runs
from tests.support.made import CALIBRATION, ENVIRONMENT, RUN, result

RESULTS = [result("sdpa", n, round=round) for n in (64, 128) for round in (1, 2)]
OTHER_ID = "fedcba9876543210"
CODES = {"disk I/O error": sqlite3.SQLITE_IOERR, "database or disk is full": sqlite3.SQLITE_FULL}


@pytest.fixture
def quick_collection() -> Iterator[None]:
    """Keep what was there before out of collections: with torch's objects among it, each takes half a second."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Faults:
    """Lets one call of the database fail: before it has done anything, or after it has done everything."""

    def __init__(self, message: str, *, after: bool) -> None:
        self.message, self.after = message, after
        self.left: int | None = None
        self.happened = False

    def call(self, operation: Callable[..., Any], *arguments: Any) -> Any:
        if self.left is not None:
            self.left -= 1
        if self.left != 0:
            return operation(*arguments)
        self.happened = True
        if self.after:
            operation(*arguments)
        error = sqlite3.OperationalError(self.message)
        error.sqlite_errorcode = CODES[self.message]
        raise error


def faulty(faults: Faults) -> type[PatientConnection]:
    class Cursor(PatientCursor):
        def execute(self, *arguments: Any) -> Any:
            return faults.call(super().execute, *arguments)

        def fetchall(self) -> Any:
            return faults.call(super().fetchall)

        def fetchmany(self, *arguments: Any) -> Any:
            return faults.call(super().fetchmany, *arguments)

    class Connection(PatientConnection):
        def cursor(self, *_: Any) -> Any:
            return super().cursor(Cursor)

        def commit(self) -> None:
            faults.call(super().commit)

        def rollback(self) -> None:
            faults.call(super().rollback)

    return Connection


def steps(store: Store, folder: Path) -> Iterator[object]:
    """A run, its results and more, one call at a time. What was done already is not done again."""
    store.add_run(RUN, [one.case for one in RESULTS[::2]], rounds=2)
    yield "run"
    store.add_environment(RUN.id, ENVIRONMENT)
    yield "environment"
    for one in RESULTS[:2]:
        store.start_case(RUN.id, one.case, one.round)
        store.add_result(RUN.id, one)
        yield one
    import_run(store, RUN, [ENVIRONMENT], RESULTS[2:3])
    yield RESULTS[2]
    with open_store(str(folder / "other.sqlite")) as other:
        merge([other], store)
    yield RESULTS[3]
    store.add_calibration("here", CALIBRATION)
    store.save_baseline("main", RUN.id)
    yield "baseline"
    remove_runs(store, [OTHER_ID])
    yield "removed"


@pytest.mark.slow
@pytest.mark.usefixtures("quick_collection")
@pytest.mark.parametrize(("message", "after"), [("disk I/O error", False), ("database or disk is full", True)])
def test_an_error_at_any_call_loses_nothing_that_was_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: str, after: bool
) -> None:
    other = tmp_path / "other.sqlite"
    with open_store(str(other), create=True) as store:
        store.add_run(RUN, [one.case for one in RESULTS[::2]], rounds=2)
        store.add_result(RUN.id, RESULTS[3])
    with open_store(str(tmp_path / "new.sqlite"), create=True):
        pass
    empty = (tmp_path / "new.sqlite").read_bytes()
    faults = Faults(message, after=after)
    connect, factory = sqlite3.connect, faulty(faults)
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **named: connect(*args, **{**named, "factory": factory}))
    path, number = tmp_path / "a.sqlite", 0
    while True:
        number += 1
        path.write_bytes(empty)
        path.with_name("a.sqlite-journal").unlink(missing_ok=True)
        faults.left, faults.happened = number, False
        confirmed: list[object] = []
        with suppress(StoreError), open_store(str(path)) as store:
            for done in steps(store, tmp_path):
                confirmed.append(done)
        faults.left = None
        gc.collect()  # a command would end here, and with it every connection whose rollback failed, and its lock
        assert faults.happened or len(confirmed) == 8
        check(path, confirmed)
        if not faults.happened:
            break
        if number % 10 == 0:
            with open_store(str(path)) as store:  # the next time it succeeds
                assert len(list(steps(store, tmp_path))) == 8
            check(path, [*RESULTS, "baseline"])
    assert number > 50
    assert len(confirmed) == 8


def check(path: Path, confirmed: list[object]) -> None:
    """A store is whole and holds what was confirmed, and of everything at most one."""
    with open_store(str(path)) as store:
        assert find_damage(store) == []
        found = store.results(RUN.id)
        assert [one for one in confirmed if isinstance(one, Result) and one not in found] == []
        assert len({(one.case, one.round) for one in found}) == len(found)
        assert ("run" not in confirmed) or [state.run for state in store.runs()] == [RUN]
        assert ("baseline" not in confirmed) or [one.run_id for one in store.baselines()] == [RUN.id]


def test_a_file_that_cannot_grow_at_any_page_keeps_what_was_confirmed(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    many = [result("sdpa", n, [1e-3] * 40) for n in range(64, 104)]
    with open_store(str(path), create=True) as store:
        store.add_run(RUN, [one.case for one in many], rounds=1)
    empty = path.read_bytes()
    page = int.from_bytes(empty[16:18], "big")
    ends = set()
    limit = 0
    while len(many) not in ends:
        limit += page
        path.write_bytes(empty)
        confirmed, code = stored_under_a_limit(path, many, limit)
        assert code == 0, f"at {limit} bytes"
        ends.add(len(confirmed))
        with open_store(str(path)) as store:
            assert find_damage(store) == []
            found = {one.case.seq_len for one in store.results(RUN.id)}
            assert confirmed <= found
            assert len(found) <= len(confirmed) + 1
            assert store.add_results(RUN.id, many) == len(many) - len(found)
    assert len(ends) > 3  # it failed at different results


def stored_under_a_limit(path: Path, results: list[Result], limit: int) -> tuple[set[int], int]:
    """Store results in a process whose files cannot grow beyond `limit` bytes. Return those confirmed and its code.

    The code is 0 if it stored all of them, or ended with a StoreError.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            with open_store(str(path)) as store:
                for one in results:
                    store.add_result(RUN.id, one)
                    os.write(writing, f"{one.case.seq_len}\n".encode())
            code = 0
        except StoreError:
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as told:
        confirmed = {int(line) for line in told}
    return confirmed, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
