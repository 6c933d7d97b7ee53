"""The files behind locks: in one folder per machine, which all users share and therefore none can trust.

Another user may have put anything in the place of such a file. It is opened without following a link and without
waiting for a reader, and used only if it is a regular file with one name.
"""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from dctbench.errors import UnavailableError

VARIABLE = "DCTBENCH_LOCKS"
"""Names the folder of the locks, for people who share a device of one machine and agree on another folder."""
PLACES = (Path("/run/lock"), Path("/var/lock"), Path("/tmp"))
"""The first of these that all users can write to holds the locks. TMPDIR does not count: users and jobs with different
ones would not see each other's locks.
"""
_FOR_ALL = 0o666
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_SHARED = stat.S_ISVTX | stat.S_IRWXO
_CREATION_SECONDS = 0.5
"""In this time another process that has just created the file makes it accessible to all."""
_LOOK_SECONDS = 0.02
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFSOCK: "a socket",
}


class LockError(UnavailableError):
    """A lock cannot be had on this machine, so nobody could tell whether a device is free."""


@dataclass(frozen=True, slots=True)
class LockFile:
    """An open file for a lock.

    Attributes:
        path: where it lies.
        descriptor: open for reading and, if permitted, for writing.
        remark: a sentence to show if it does not lie in the usual place of this machine, else None.
    """

    path: Path
    descriptor: int
    remark: str | None = None


def open_lock_file(name: str) -> LockFile:
    """Open the file of that name in the folder for locks, and create it if there is none.

    Raises:
        LockError: when something else lies there, when its owner lets nobody open it, or when no folder can be used.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        path = Path(chosen) / name
        try:
            return LockFile(path, _open(path))
        except OSError as error:
            raise LockError(
                f"no lock can be created in {chosen}, which {VARIABLE} names: {error.strerror}",
                hint="name a folder that everybody who shares this machine can write to, or unset the variable",
            ) from error
    problems: list[str] = []
    for place in filter(_is_shared, PLACES):
        try:
            descriptor = _open(place / name)
        except OSError as error:
            problems.append(f"{place} cannot be used ({error.strerror})")
            continue
        remark = None
        if problems:
            remark = f"the lock is in {place}, because {', '.join(problems)}: runs with locks elsewhere are not noticed"
        return LockFile(place / name, descriptor, remark)
    raise LockError(
        f"no lock can be created: {', '.join(problems) or 'no folder of this machine is shared by its users'}",
        hint=f"name a folder that everybody who shares this machine can write to: {VARIABLE}=FOLDER dctbench ...",
    )


def user_name(uid: int) -> str:
    """Return the name of a user, or the number of one without a name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _is_shared(folder: Path) -> bool:
    """Return whether all users can create files there and none can remove those of others."""
    try:
        return stat.S_IMODE(os.stat(folder).st_mode) & _SHARED == _SHARED
    except OSError:
        return False


def _open(path: Path) -> int:
    """Open a lock file, or create it.

    Raises:
        LockError: for something else in its place.
        OSError: when it does not exist and cannot be created.
    """
    deadline = monotonic() + _CREATION_SECONDS
    while True:
        try:
            descriptor = _open_or_create(path)
        except OSError as error:
            found = _status(path)
            if found is None:
                raise
            if isinstance(error, PermissionError) and stat.S_ISREG(found.st_mode) and monotonic() < deadline:
                sleep(_LOOK_SECONDS)
                continue
            raise _refused(path, found, error.strerror or str(error)) from error
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                raise _refused(path, found, "it has a second name (a hard link)")
            # The umask does not decide who may lock a device.
            if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != _FOR_ALL:
                os.fchmod(descriptor, _FOR_ALL)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _open_or_create(path: Path) -> int:
    while True:
        try:
            # Without O_CREAT: with it, Linux refuses the files of others in such folders (fs.protected_regular).
            return os.open(path, os.O_RDWR | _FLAGS)
        except PermissionError:
            return os.open(path, os.O_RDONLY | _FLAGS)  # enough for a lock
        except FileNotFoundError:
            try:
                return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, _FOR_ALL)
            except FileExistsError:  # another process was faster
                continue


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _refused(path: Path, found: os.stat_result, problem: str) -> LockError:
    owner, kind = user_name(found.st_uid), stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFREG:
        problem = f"it is {_KINDS.get(kind, 'no file')}"
    remove = shlex.join(["rmdir" if kind == stat.S_IFDIR else "rm", str(path)])
    who = "remove it" if found.st_uid == os.geteuid() else f"let {owner} or the administrator remove it"
    return LockError(
        f"the lock {path} cannot be used: {problem}, and it belongs to {owner}",
        hint=f"{who}: {remove}; or use another folder together with everybody who measures here: "
        f"{VARIABLE}=FOLDER dctbench ...",
    )
