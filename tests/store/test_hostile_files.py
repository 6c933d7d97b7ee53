"""A file that was made to harm: one that has no end, and a journal that names a file of the user."""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from dctbench.errors import StoreError
from dctbench.store import DamagedError, Store, open_store
from dctbench.store.checking import find_damage, store_info
from dctbench.store.merging import merge
from tests.support.made import RUN, result

LEVELS = 8
"""Of the tree below. With some forty pointers on each level to one and the same page, it has 1e12 rows and more."""


def make_endless(path: Path, name: str) -> None:
    """Let every pointer in the tree of a table or an index lead to the same page.

    https://www.sqlite.org/fileformat.html, 1.6: a page has a header, then the places of its cells. An interior cell
    begins with the number of a page. The rest of it is a key in a table, and the content of a leaf's cell in an index.
    """
    with closing(sqlite3.connect(path)) as connection:
        [[root]] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,))
    data = path.read_bytes()
    size = int.from_bytes(data[16:18], "big")
    pages = [data[start : start + size] for start in range(0, len(data), size)]
    leaf = pages[root - 1]
    kind, start = {0x0D: (0x05, None), 0x0A: (0x02, int.from_bytes(leaf[8:10], "big"))}[leaf[0]]
    rest = b"\x01" if start is None else leaf[start : start + 1 + leaf[start]]
    pages.append(leaf)
    for _ in range(LEVELS - 1):
        pages.append(interior(kind, len(pages), rest, size))
    pages[root - 1] = interior(kind, len(pages), rest, size)
    pages[0] = pages[0][:28] + struct.pack(">I", len(pages)) + pages[0][32:]
    path.write_bytes(b"".join(pages))


def interior(kind: int, child: int, rest: bytes, size: int) -> bytes:
    cell = struct.pack(">I", child) + rest
    count = (size - 12) // (len(cell) + 2)
    places = [size - len(cell) * (i + 1) for i in range(count)]
    header = struct.pack(">BHHHBI", kind, 0, count, places[-1], 0, child)
    page = header + struct.pack(f">{count}H", *places)
    return page + bytes(size - len(page) - len(cell) * count) + cell * count


def find_any_damage(store: Store, _: Store) -> None:
    for damage in find_damage(store):
        raise DamagedError(damage)


OPERATIONS: Mapping[str, Callable[[Store, Store], object]] = {
    "check": find_any_damage,
    "merge": lambda store, other: merge([store], other),
    "list": lambda store, _: store.runs(),
    "find": lambda store, _: store.find_run("no such label"),
    "info": lambda store, _: store_info(store),
}


@pytest.mark.parametrize(
    ("tree", "operation"),
    [("runs", "check"), ("runs_by_arrival", "merge"), ("runs_by_arrival", "list"), ("runs_by_arrival", "find"),
     ("results_by_status", "info")],
)  # fmt: skip
def test_a_tree_without_an_end_is_damage(tmp_path: Path, tree: str, operation: str) -> None:
    path = tmp_path / "a.sqlite"
    with open_store(str(path), create=True) as store:
        store.add_run(RUN, [result().case], rounds=1)
        store.add_result(RUN.id, result())
    make_endless(path, tree)
    with open_store(str(path)) as store, open_store(str(tmp_path / "b.sqlite"), create=True) as other:
        with pytest.raises(DamagedError):
            OPERATIONS[operation](store, other)
        assert other.runs() == []


def journal_that_names(path: Path, victim: Path) -> bytes:
    """Return a journal with which SQLite restores the second page of a file, and then deletes `victim`.

    https://www.sqlite.org/fileformat.html, 3: a header, a page with its number and checksum, and the name of a journal
    for several databases with its own checksum.
    """
    data = path.read_bytes()
    size = int.from_bytes(data[16:18], "big")
    page = data[size : 2 * size]
    magic = bytes.fromhex("d9d505f920a163d7")
    header = (magic + struct.pack(">5I", 1, 0, len(data) // size, 512, size)).ljust(512, b"\0")
    checksum = sum(page[place] for place in range(size - 200, 0, -200))
    name = str(victim).encode()
    beyond = 0x40000000 // size + 1
    named = struct.pack(">I", beyond) + name + struct.pack(">2I", len(name), sum(name)) + magic
    return header + struct.pack(">I", 2) + page + struct.pack(">I", checksum) + named


def test_a_journal_that_names_a_file_of_the_user_is_refused_and_the_file_stays(store_path: Path) -> None:
    victim = store_path.with_name("victim")
    victim.write_text("thesis\n")
    journal = store_path.with_name(store_path.name + "-journal")
    journal.write_bytes(journal_that_names(store_path, victim))
    before = store_path.read_bytes(), journal.read_bytes()
    with pytest.raises(StoreError, match="names a file that SQLite would delete") as refused:
        open_store(str(store_path))
    assert f"mv {journal} {journal}.orphaned" in str(refused.value.hint)
    assert victim.read_text() == "thesis\n"
    assert (store_path.read_bytes(), journal.read_bytes()) == before
    journal.unlink()
    with open_store(str(store_path)) as store:
        assert store.find_run().run == RUN


def test_such_a_journal_beside_the_target_of_a_link_is_refused_too(store_path: Path, tmp_path: Path) -> None:
    victim, link, second = (tmp_path / name for name in ("victim", "link.sqlite", "link to the link.sqlite"))
    victim.write_text("thesis\n")
    link.symlink_to(store_path)
    second.symlink_to(link)
    journal = store_path.with_name(store_path.name + "-journal")
    journal.write_bytes(journal_that_names(store_path, victim))
    for one in (link, second):
        with pytest.raises(StoreError, match="names a file that SQLite would delete") as refused:
            open_store(str(one))
        assert f"mv {journal} {journal}.orphaned" in str(refused.value.hint)
        assert victim.read_text() == "thesis\n"
    journal.unlink()
    with open_store(str(second)) as store:
        assert store.find_run().run == RUN
    with closing(sqlite3.connect(link)) as connection:  # so that the test does not pass with a harmless journal
        journal.write_bytes(journal_that_names(store_path, victim))
        connection.execute("SELECT count(*) FROM runs").fetchone()
    assert not victim.exists()


def test_no_store_is_created_at_the_end_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.sqlite").symlink_to(tmp_path / "new.sqlite")
    with pytest.raises(StoreError, match="is not a file"):
        open_store(str(tmp_path / "link.sqlite"), create=True)
    assert [one.name for one in tmp_path.iterdir()] == ["link.sqlite"]


@pytest.mark.parametrize("ending", ["-journal", "-wal"])
@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (os.mkfifo, "it is not a file"),
        (os.mkdir, "it is not a file"),
        (lambda path: os.symlink("/etc/hostname", path), "it is a link"),
    ],
    ids=["pipe", "folder", "link"],
)
def test_what_is_planted_in_place_of_a_journal_is_refused_at_once(
    store_path: Path, ending: str, plant: Callable[[Path], None], words: str
) -> None:
    plant(store_path.with_name(store_path.name + ending))
    with pytest.raises(StoreError, match=words):
        open_store(str(store_path))


def test_sqlite_itself_would_delete_that_file(store_path: Path) -> None:
    """So that the test above does not pass with a journal that SQLite would ignore."""
    victim = store_path.with_name("victim")
    victim.write_text("thesis\n")
    store_path.with_name(store_path.name + "-journal").write_bytes(journal_that_names(store_path, victim))
    with closing(sqlite3.connect(store_path)) as connection:
        connection.execute("SELECT count(*) FROM runs").fetchone()
    assert not victim.exists()
