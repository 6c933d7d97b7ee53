"""Write documents to standard output, and files that appear complete or not at all."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dctbench import errors

_DATABASES = b"SQLite format 3\0", bytes.fromhex("d9d505f920a163d7")
"""The first bytes of an SQLite database, and of a journal that it needs (sqlite.org/fileformat.html)."""


def print_document(content: str | bytes) -> None:
    """Write a document to standard output, in UTF-8 in any locale: programs read it."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content.encode("utf-8") if isinstance(content, str) else content)
    sys.stdout.buffer.flush()


def write_whole(path: Path, content: str | bytes, flag: str = "-o") -> Path:
    """Write a file so that a reader finds the old content or the new, never a part.

    A symbolic link stays, its target is replaced, and the target keeps its permissions.

    Args:
        path: of the file.
        content: text in UTF-8, or bytes.
        flag: the flag that named it, for messages.

    Raises:
        UsageError: when it cannot be written, or would replace a database or its journal: a store must not be lost
            to a typing mistake.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with _in_words(path, flag):
        if _cannot_be_replaced(path):
            path.write_bytes(data)
            return path
        target = path.resolve()
        permissions = _permissions(target)
        with _partial(target) as (file, name):
            file.write(data)
            file.close()
            name.chmod(permissions)
            name.replace(target)
    return path


def check_writable(path: Path, flag: str = "-o") -> None:
    """Refuse, before hours of work, a file that `write_whole` could not write afterwards.

    Args:
        path: of the file.
        flag: the flag that named it, for messages.

    Raises:
        UsageError: when `write_whole` would raise it.
    """
    with _in_words(path, flag):
        if not _cannot_be_replaced(path):
            target = path.resolve()
            _permissions(target)
            with _partial(target):
                pass


@contextmanager
def _in_words(path: Path, flag: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError before Python 3.13: links in a circle
        reason = getattr(error, "strerror", None) or "not the name of a file"
        raise errors.UsageError(f"cannot write {path}: {reason}", hint=f"name another file with {flag}") from error


def _cannot_be_replaced(path: Path) -> bool:
    """Return whether it is a pipe or a device such as /dev/stdout, which is written to directly.

    Raises:
        IsADirectoryError: for a folder.
    """
    if path.is_dir():
        raise IsADirectoryError(None, "it is a folder")
    return path.exists() and not path.is_file()


@contextmanager
def _partial(target: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """Yield a new file in the folder of the target, and its path. It is removed unless it was renamed to the target."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:50]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file, Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _permissions(path: Path) -> int:
    """Return the permission bits of the file to write: those of the file that it replaces, or of a new file.

    Raises:
        FileExistsError: when it would replace a database or its journal.
    """
    try:
        with path.open("rb") as file:
            if file.read(16).startswith(_DATABASES):
                raise FileExistsError(None, "it is a database, and would be lost")
            return stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
    except PermissionError:  # an unreadable file can be replaced when the folder is ours
        return stat.S_IMODE(path.stat().st_mode)
