"""Locks between the processes of a machine: one process at a time measures on a device or resumes a run."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from dctbench.errors import TemporaryFolderError
from dctbench.text.sanitize import sanitize_text


class Lock:
    """A lock that all users of this machine share. The kernel releases it when its process ends for any reason.

    Args:
        name: what the lock is for. Its file, in the folder for temporary files, is named after it.

    Raises:
        TemporaryFolderError: when the file cannot be created.
    """

    def __init__(self, name: str) -> None:
        with temporary_folder():
            self._path = Path(tempfile.gettempdir()) / f"dctbench-{name}.lock"
            self._file = _open(self._path)

    def take(self) -> bool:
        """Try to take the lock and return whether this process has it now."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # some network file systems
            raise TemporaryFolderError(
                f"{self._path} cannot be locked: {error.strerror}",
                hint="use a folder on a local disk for temporary files: TMPDIR=FOLDER dctbench ...",
            ) from error
        if not self._is_current():  # the previous holder removed the file; locking a removed file excludes nobody
            self._file.close()
            with temporary_folder():
                self._file = _open(self._path)
            return self.take()
        if self._file.writable():
            with suppress(OSError):  # on a full disk the lock works without the name of its holder
                self._file.seek(0)
                self._file.truncate()
                self._file.write(f"process {os.getpid()}")
                self._file.flush()
        return True

    @property
    def holder(self) -> str:
        """The process that has the lock, as the subject of a sentence."""
        self._file.seek(0)
        return sanitize_text(self._file.read(100)).strip() or "another process"

    def release(self, *, remove: bool = False) -> None:
        """Release the lock. With `remove`, which only its holder may use, also remove the file."""
        if remove:
            with suppress(OSError):
                self._path.unlink()
        with suppress(OSError):  # only the name of the holder could not be written
            self._file.close()

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), os.stat(self._path))
        except FileNotFoundError:
            return False


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


def _open(path: Path) -> IO[str]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except PermissionError:  # the file of another user, write-protected: reading is enough for a lock
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        return os.fdopen(descriptor, "r", encoding="utf-8", errors="replace")
    return os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace")
