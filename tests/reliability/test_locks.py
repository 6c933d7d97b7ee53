"""The lock of a device in a folder that all users share: any umask, any user, and whatever lies in its place."""

from __future__ import annotations

import json
import os
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dctbench.runners import lock_files
from dctbench.runners.lock_files import VARIABLE, LockError
from dctbench.runners.locks import Lock
from tests.reliability.conftest import Mount
from tests.support.command import TINY, Cli

ROOT_USER, ALICE, BOB = 0, 65534, 65533
NAME = "dctbench-cpu.lock"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="acting as other users takes root")


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for locks that all users can write to, as /run/lock is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o1777)
        monkeypatch.setenv(VARIABLE, name)
        yield folder


def by_user(user: int, umask: int, function: Callable[[], Any]) -> Any:
    """Return what a function returns as JSON in a process of that user."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() != user:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
            os.umask(umask)
            os.write(writer, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text)


def taken() -> bool:
    lock = Lock("cpu")
    try:
        return lock.take()
    finally:
        lock.release()


def refusal() -> list[str | float | None]:
    """Return the sentence and the remedy with which a lock is refused, and after how many seconds."""
    began = time.monotonic()
    try:
        Lock("cpu")
    except LockError as error:
        return [error.message, error.hint, time.monotonic() - began]
    return []


@as_root
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777], ids=oct)
@pytest.mark.parametrize(("first", "second"), [(ROOT_USER, ALICE), (ALICE, ROOT_USER), (ALICE, BOB), (ALICE, ALICE)])
def test_every_user_can_lock_a_device_whoever_was_first(shared: Path, umask: int, first: int, second: int) -> None:
    def hold_until_another_has_tried() -> list[Any]:
        lock = Lock("cpu")
        held = lock.take()
        (shared / "held").touch()
        wait_for(shared / "tried")
        return [os.getpid(), held]

    with ThreadPoolExecutor() as pool:
        holder = pool.submit(by_user, first, umask, hold_until_another_has_tried)
        wait_for(shared / "held")
        got, told = by_user(second, umask, try_it)
        (shared / "tried").touch()
        pid, held = holder.result()
    assert (held, got) == (True, False)
    assert told.startswith(f"process {pid} ({lock_files.user_name(first)}, ")
    assert by_user(second, umask, taken) is True  # the first has ended
    assert stat.S_IMODE((shared / NAME).stat().st_mode) == 0o666


def try_it() -> list[Any]:
    lock = Lock("cpu")
    return [lock.take(), lock.holder]


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def pipe(path: Path) -> None:
    os.mkfifo(path, 0o666)


def link(path: Path) -> None:
    path.with_name("victim").write_text("precious")
    path.symlink_to(path.with_name("victim"))


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("made by the lock"))


def hard_link(path: Path) -> None:
    path.with_name("victim").write_text("precious")
    path.hardlink_to(path.with_name("victim"))


def plug(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


def closed(path: Path) -> None:
    path.touch(0o600)
    path.chmod(0o600)


PLANTED = {
    pipe: "it is a named pipe",
    link: "it is a symbolic link",
    dangling: "it is a symbolic link",
    hard_link: "it has a second name (a hard link)",
    Path.mkdir: "it is a folder",
    plug: "it is a socket",
}


@pytest.mark.parametrize(("plant", "problem"), PLANTED.items(), ids=[plant.__name__ for plant in PLANTED])
def test_what_lies_in_the_place_of_a_lock_is_refused_at_once_and_stays_as_it_is(
    shared: Path, plant: Callable[[Path], None], problem: str
) -> None:
    plant(shared / NAME)
    message, hint, seconds = refusal()
    owner = lock_files.user_name(os.geteuid())
    assert message == f"the lock {shared / NAME} cannot be used: {problem}, and it belongs to {owner}"
    command = "rmdir" if plant is Path.mkdir else "rm"
    assert str(hint).startswith(f"remove it: {command} {shared / NAME}; or use another folder")
    assert isinstance(seconds, float)
    assert seconds < 5
    assert not (shared / "made by the lock").exists()
    if (shared / "victim").exists():
        assert (shared / "victim").read_text() == "precious"
        assert stat.S_IMODE((shared / "victim").stat().st_mode) != 0o666


@as_root
@pytest.mark.parametrize(("plant", "problem"), {**PLANTED, closed: "Permission denied"}.items())
def test_what_another_user_planted_is_refused_with_the_name_of_that_user(
    shared: Path, plant: Callable[[Path], None], problem: str
) -> None:
    by_user(ALICE, 0o022, lambda: plant(shared / NAME))
    message, hint, _ = by_user(BOB, 0o022, refusal)
    assert message == f"the lock {shared / NAME} cannot be used: {problem}, and it belongs to nobody"
    assert hint.startswith("let nobody or the administrator remove it: rm")


@as_root
def test_a_file_that_its_owner_closed_to_others_is_opened_again_by_that_owner(shared: Path) -> None:
    by_user(ALICE, 0o022, lambda: closed(shared / NAME))
    assert by_user(BOB, 0o022, refusal)
    assert by_user(ALICE, 0o022, taken) is True
    assert by_user(BOB, 0o022, taken) is True


@as_root
def test_the_name_of_an_earlier_holder_is_not_shown_when_the_present_one_could_not_write(shared: Path) -> None:
    (shared / NAME).write_text("process 1 (root, init)")
    (shared / NAME).chmod(0o644)

    def told() -> list[Any]:
        first, second = Lock("cpu"), Lock("cpu")
        return [first.take(), second.take(), second.holder]

    assert by_user(ALICE, 0o022, told) == [True, False, "another process"]


def test_a_run_with_a_pipe_in_the_place_of_its_lock_ends_with_a_sentence(cli: Cli, shared: Path) -> None:
    pipe(shared / NAME)
    done = cli("run", "--impl", "none", *TINY, timeout=60, **{VARIABLE: str(shared)})
    assert done.code == 6, done.err
    assert f"the lock {shared / NAME} cannot be used: it is a named pipe" in done.err
    assert f"rm {shared / NAME}" in done.err
    assert "Traceback" not in done.err


def test_users_with_different_temporary_folders_share_the_lock_of_a_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared: Path
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o755)
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(lock_files, "PLACES", (tmp_path / "absent", private, shared))
    locks = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv("TMPDIR", str(tmp_path / name))
        locks.append(Lock("cpu"))
    assert [lock.folder for lock in locks] == [shared, shared]
    assert [lock.remark for lock in locks] == [None, None]  # every user of such a machine finds the same folder
    assert [lock.take() for lock in locks] == [True, False]
    locks[0].release()


def test_a_read_only_place_for_locks_is_left_with_a_remark(
    monkeypatch: pytest.MonkeyPatch, shared: Path, disk: tuple[Path, Mount]
) -> None:
    folder, mount = disk
    mount("remount,ro")
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(lock_files, "PLACES", (folder, shared))
    lock = Lock("cpu")
    lock.release()
    assert lock.folder == shared
    assert lock.remark == (
        f"the lock is in {shared}, because {folder} cannot be used (Read-only file system): "
        "runs with locks elsewhere are not noticed"
    )
    monkeypatch.setattr(lock_files, "PLACES", (folder,))
    with pytest.raises(LockError, match=r"no lock can be created: .* cannot be used \(Read-only file system\)"):
        Lock("cpu")


def test_a_named_folder_that_does_not_exist_is_an_error_and_not_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(LockError, match=f"which {VARIABLE} names: No such file or directory"):
        Lock("cpu")
