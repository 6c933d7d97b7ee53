"""File systems without hard links: a store is created there, once, or a sentence says why not."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from dctbench.doctor import place
from dctbench.errors import StoreError
from dctbench.store import open_store
from tests.support.made import RUN
from tests.support.process import OwnProcess

WITHOUT_LINKS = """
import errno, os
def link(*_, **__):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))
os.link = link
"""
CREATE = """
import sys
from dataclasses import replace
from dctbench.store import open_store
from tests.support.made import RUN
with open_store(sys.argv[1], create=True) as store:
    store.add_run(replace(RUN, id=f"{int(sys.argv[2]):016x}"), [], 1)
"""


def fails(number: int) -> object:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_store_is_created_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(os, "link", fails(number))
    path = tmp_path / "a.sqlite"
    assert place.store(str(path)).state == "ok"
    assert list(tmp_path.iterdir()) == []
    with open_store(str(path), create=True) as store:
        store.add_run(RUN, [], rounds=1)
    with open_store(str(path), create=True) as store:
        assert store.find_run().run == RUN
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.sqlite"]


def test_what_is_in_place_already_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.sqlite"

    def another_is_faster(*_: object, **__: object) -> None:
        path.write_bytes(b"theirs")
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", another_is_faster)
    with pytest.raises(StoreError):
        open_store(str(path), create=True)
    assert path.read_bytes() == b"theirs"


def test_several_processes_create_one_store_without_hard_links(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(WITHOUT_LINKS)
    target = tmp_path / "new" / "a.sqlite"
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), os.getcwd()])}
    commands = [[sys.executable, "-c", CREATE, str(target), str(number)] for number in range(4)]
    with ExitStack() as stack:
        started = [stack.enter_context(OwnProcess(command, env=environ, text=True)) for command in commands]
        assert [process.wait(timeout=300) for process in started] == [0] * 4
    with open_store(str(target)) as store:
        assert {int(state.run.id, 16) for state in store.runs()} == {0, 1, 2, 3}
    assert [entry.name for entry in target.parent.iterdir()] == ["a.sqlite"]


def test_a_file_system_with_neither_links_nor_locks_is_refused_by_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", fails(errno.EPERM))
    monkeypatch.setattr(fcntl, "flock", fails(errno.ENOLCK))
    with pytest.raises(StoreError, match="neither hard links nor locks") as refused:
        open_store(str(tmp_path / "a.sqlite"), create=True)
    assert "local disk" in str(refused.value.hint)
    found = place.store(str(tmp_path / "a.sqlite"))
    assert (found.state, found.exit_code) == ("failure", 5)
    assert "neither hard links nor locks" in found.found
    assert list(tmp_path.iterdir()) == []
