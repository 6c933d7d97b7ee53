"""The journal of a killed process never gets into a new store at the same path."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from pathlib import Path

import pytest

from dctbench.errors import StoreError
from dctbench.store import open_store
from dctbench.store.checking import find_damage
from tests.support.made import RUN, result

RESULT = result("sdpa", 64, [1e-3] * 2000)


def filled(path: Path) -> None:
    with open_store(str(path), create=True) as store:
        store.add_run(RUN, [RESULT.case], rounds=1)
        assert store.add_result(RUN.id, RESULT)


def killed_while_writing(path: Path) -> Path:
    """Kill a process after it has written some pages to the file, and return the journal that it leaves."""
    child = os.fork()
    if child == 0:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA cache_size = 2")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE results SET samples = zeroblob(200000)")
        connection.execute("UPDATE cases SET record = 'x'")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    journal = path.with_name(path.name + "-journal")
    assert journal.stat().st_size
    return journal


def test_a_journal_without_its_store_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "a b.sqlite"
    filled(path)
    journal = killed_while_writing(path)
    before = journal.read_bytes()
    path.rename(tmp_path / "away.sqlite")
    with pytest.raises(StoreError, match=r"a b\.sqlite-journal is left over from a store that is gone") as refused:
        open_store(str(path), create=True)
    assert f"mv '{journal}' '{journal}.orphaned'" in str(refused.value.hint)
    assert not path.exists()
    assert journal.read_bytes() == before

    (tmp_path / "away.sqlite").rename(path)  # the first advice of the hint: the unfinished transaction is rolled back
    with open_store(str(path), create=True) as store:
        assert find_damage(store) == []
        assert store.results(RUN.id) == [RESULT]


def test_once_the_journal_is_moved_away_a_new_store_is_intact(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    filled(path)
    journal = killed_while_writing(path)
    path.unlink()
    journal.rename(tmp_path / "a.sqlite-journal.orphaned")
    filled(path)
    with open_store(str(path)) as store:
        assert find_damage(store) == []
        assert store.results(RUN.id) == [RESULT]


@pytest.mark.parametrize(("ending", "data", "refused"), [("-wal", b"x", True), ("-journal", b"", False)])
def test_a_write_ahead_log_is_refused_and_an_empty_journal_is_not(
    tmp_path: Path, ending: str, data: bytes, refused: bool
) -> None:
    path = tmp_path / "a.sqlite"
    (tmp_path / f"a.sqlite{ending}").write_bytes(data)
    if refused:
        with pytest.raises(StoreError, match="left over"):
            open_store(str(path), create=True)
    else:
        filled(path)
        with open_store(str(path)) as store:
            assert find_damage(store) == []


def test_journals_of_processes_that_create_one_store_at_once_are_not_refused(tmp_path: Path) -> None:
    failures: list[Exception] = []

    def begin(path: Path) -> None:
        try:
            filled(path) if threading.current_thread().name == "0" else open_store(str(path), create=True)
        except StoreError as error:
            failures.append(error)

    for number in range(20):
        path = tmp_path / f"{number}.sqlite"
        threads = [threading.Thread(target=begin, args=(path,), name=str(i)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures
