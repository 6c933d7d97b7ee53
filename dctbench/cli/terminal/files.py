"""Output that others read: documents on standard output, and files that appear whole or not at all."""

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
"""How a database of SQLite begins, and how a journal without which it is damaged (sqlite.org/fileformat.html)."""


def print_document(content: str | bytes) -> None:
    """Write a document to standard output, in UTF-8 whatever the locale says: a program reads it, not a terminal."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content.encode("utf-8") if isinstance(content, str) else content)
    sys.stdout.buffer.flush()


def write_whole(path: Path, content: str | bytes, flag: str = "-o") -> Path:
    """Write a file so that a reader finds the old one or the new one, never half of one.

    A link keeps pointing to the file, which is replaced, and the file keeps its permissions.

    Args:
        path: of the file.
        content: text in UTF-8, or bytes.
        flag: which named it.

    Raises:
        UsageError: when it cannot be written there, or a database or its journal is there: a store that is lost is
            lost for good.
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
    """Refuse, before hours of work, a file that `write_whole` could not write afterwards; arguments as there.

    Raises:
        UsageError: as `write_whole`.
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
    except (OSError, ValueError, RuntimeError) as error:  # the last one before Python 3.13: links in a circle
        reason = getattr(error, "strerror", None) or "not the name of a file"
        raise errors.UsageError(f"cannot write {path}: {reason}", hint=f"name another file with {flag}") from error


def _cannot_be_replaced(path: Path) -> bool:
    """Whether it is a pipe or /dev/stdout, which need not be replaced to be written whole.

    Raises:
        IsADirectoryError: for a folder.
    """
    if path.is_dir():
        raise IsADirectoryError(None, "it is a folder")
    return path.exists() and not path.is_file()


@contextmanager
def _partial(target: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """A new file in the folder of the target, and its path; gone in the end, unless it has become the target."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:50]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file, Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _permissions(path: Path) -> int:
    """The permission bits of the file that is to be written: those of the one that it replaces, or a new file's.

    Raises:
        FileExistsError: when that one is a database, or its journal.
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
    except PermissionError:  # what we may not read may still be replaced, where the folder is ours
        return stat.S_IMODE(path.stat().st_mode)
