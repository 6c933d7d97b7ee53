"""What only one process of this machine may do at a time: measure on a device, or go on with a run."""

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
    """A lock that all users of this machine share, given back when its process ends, however that comes.

    Args:
        name: what it is for; a file of that name in the folder for temporary files stands for it.

    Raises:
        TemporaryFolderError: when that file cannot be made.
    """

    def __init__(self, name: str) -> None:
        with temporary_folder():
            self._path = Path(tempfile.gettempdir()) / f"dctbench-{name}.lock"
            self._file = _opened(self._path)

    def take(self) -> bool:
        """Whether it is ours now."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # some network file systems
            raise TemporaryFolderError(
                f"{self._path} cannot be locked: {error.strerror}",
                hint="name a folder on a local disk for temporary files: TMPDIR=FOLDER dctbench ...",
            ) from error
        if not self._current():  # its last holder has removed the file: a lock on that keeps nobody out
            self._file.close()
            with temporary_folder():
                self._file = _opened(self._path)
            return self.take()
        if self._file.writable():
            with suppress(OSError):  # on a full disk nobody learns our name, but the lock holds
                self._file.seek(0)
                self._file.truncate()
                self._file.write(f"process {os.getpid()}")
                self._file.flush()
        return True

    @property
    def holder(self) -> str:
        """The process that has it, as a sentence's subject."""
        self._file.seek(0)
        return sanitize_text(self._file.read(100)).strip() or "another process"

    def release(self, *, remove: bool = False) -> None:
        """Give it back; with `remove`, which only its holder may do, nothing of it stays."""
        if remove:
            with suppress(OSError):
                self._path.unlink()
        with suppress(OSError):  # what could not be written is the holder's name
            self._file.close()

    def _current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), os.stat(self._path))
        except FileNotFoundError:
            return False


@contextmanager
def temporary_folder() -> Iterator[None]:
    """Failures of the folder for temporary files, in a sentence.

    Raises:
        TemporaryFolderError: for every OSError.
    """
    try:
        yield
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        raise TemporaryFolderError(
            f"no temporary file can be made: {error.strerror or error}{place}",
            hint="free some space there, or name another folder: TMPDIR=FOLDER dctbench ...",
        ) from error


def _opened(path: Path) -> IO[str]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except PermissionError:  # another user's, and protected: reading is enough to lock
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        return os.fdopen(descriptor, "r", encoding="utf-8", errors="replace")
    return os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace")
