"""Locks between the processes of a machine: one process at a time measures on a device or resumes a run."""

from __future__ import annotations

import fcntl
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dctbench.errors import TemporaryFolderError
from dctbench.runners.lock_files import VARIABLE, LockError, open_lock_file, user_name
from dctbench.text.sanitize import sanitize_text

_LONGEST = 100


class Lock:
    """A lock that all users of this machine share. The kernel releases it when its process ends for any reason.

    Args:
        name: what the lock is for. Its file is named after it.

    Attributes:
        remark: a sentence to show if the lock is not in the usual place of this machine, else None.

    Raises:
        LockError: when the file cannot be opened or created.
    """

    remark: str | None
    _path: Path
    _descriptor: int

    def __init__(self, name: str) -> None:
        self._name = f"dctbench-{name}.lock"
        self._open()

    @property
    def folder(self) -> Path:
        """Where the file of the lock lies."""
        return self._path.parent

    def take(self, *, shared: bool = False) -> bool:
        """Try to take the lock and return whether this process has it now.

        Args:
            shared: take it beside others that share it too, and keep out only those that want it alone.

        Raises:
            LockError: when the file system has no locks, or the file cannot be opened again.
        """
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        while True:
            try:
                fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            except OSError as error:  # some network file systems
                raise LockError(
                    f"{self._path} cannot be locked: {error.strerror}",
                    hint=f"use a folder on a local disk for locks: {VARIABLE}=FOLDER dctbench ...",
                ) from error
            if self._is_current():
                break
            self.release()  # the previous holder removed the file; locking a removed file excludes nobody
            self._open()
        with suppress(OSError):  # on a full disk the lock works without the name of its holder
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, _this_process().encode(), 0)
        return True

    @property
    def holder(self) -> str:
        """The process that has the lock, as the subject of a sentence. It has written this itself."""
        written = b""
        # What only one user can write may be about an earlier process, which that user started.
        if os.fstat(self._descriptor).st_mode & stat.S_IWOTH:
            written = os.pread(self._descriptor, _LONGEST, 0)
        return sanitize_text(written.decode(errors="replace")).strip() or "another process"

    def release(self, *, remove: bool = False) -> None:
        """Release the lock. With `remove`, which only its holder may use, also remove the file."""
        if remove:
            with suppress(OSError):
                self._path.unlink()
        with suppress(OSError):
            os.close(self._descriptor)
        self._descriptor = -1

    def _open(self) -> None:
        file = open_lock_file(self._name)
        self._path, self._descriptor, self.remark = file.path, file.descriptor, file.remark

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.lstat(self._path))
        except OSError:
            return False


def _this_process() -> str:
    """Return who has the lock: `process 4711 (alice, dctbench)`, without arguments, which may hold secrets."""
    program = Path(sys.argv[0] if sys.argv else sys.executable)
    name = program.parent.name if program.name == "__main__.py" else program.name
    return f"process {os.getpid()} ({user_name(os.geteuid())}, {name or 'python'})"


@contextmanager
def temporary_folder() -> Iterator[None]:
    """Turn failures of the folder for temporary files into an error with a hint.

    Raises:
        TemporaryFolderError: for every OSError in the block.
    """
    try:
        yield
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        raise TemporaryFolderError(
            f"no temporary file can be created: {error.strerror or error}{place}",
            hint="free some space there, or use another folder: TMPDIR=FOLDER dctbench ...",
        ) from error
