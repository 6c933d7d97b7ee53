"""Write documents to standard output, and files that appear complete or not at all."""

from __future__ import annotations

import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dctbench import errors
from dctbench.cli.terminal.workflow import defused, obeyed

_DATABASES = b"SQLite format 3\0", bytes.fromhex("d9d505f920a163d7")
"""The first bytes of an SQLite database, and of a journal that it needs (sqlite.org/fileformat.html)."""
_EXAMINED = 1 << 16
"""How many bytes of each end of an existing file tell whether dctbench wrote it."""


def print_document(content: str | bytes) -> None:
    """Write a document to standard output, in UTF-8 in any locale: programs read it.

    Where a GitHub runner may read it, and not a file, its lines are no commands to the runner.
    """
    sys.stdout.flush()
    if isinstance(content, str):
        content = (defused(content) if obeyed(sys.stdout) else content).encode("utf-8")
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def write_whole(
    path: Path, content: str | bytes, mark: re.Pattern[bytes], flag: str = "-o", *, force: bool = False
) -> Path:
    """Write a file so that a reader finds the old content or the new, never a part.

    A symbolic link stays, its target is replaced, and the target keeps its permissions.

    Args:
        path: of the file.
        content: text in UTF-8, or bytes.
        mark: what an existing file must match to be replaced: it is found in every file of the kind that is written.
        flag: the flag that named it, for messages.
        force: replace any file but a database, and follow a link out of the current folder.

    Raises:
        UsageError: when it cannot be written, would replace a file that dctbench did not write, or would replace a
            database or its journal: a store must not be lost to a typing mistake.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with _in_words(path, flag):
        target = path.resolve()
        _refuse_link_out(path, target, force)
        if _cannot_be_replaced(path):
            path.write_bytes(data)  # not the target: that of /dev/stdout has no name
            return path
        permissions = _permissions(target, mark, force)
        with _partial(target) as (file, name):
            file.write(data)
            file.close()
            name.chmod(permissions)
            name.replace(target)
    return path


def check_writable(path: Path, mark: re.Pattern[bytes], flag: str = "-o", *, force: bool = False) -> None:
    """Refuse, before hours of work, a file that `write_whole` could not write afterwards.

    Args:
        path, mark, flag, force: as `write_whole` takes them.

    Raises:
        UsageError: when `write_whole` would raise it.
    """
    with _in_words(path, flag):
        target = path.resolve()
        _refuse_link_out(path, target, force)
        if not _cannot_be_replaced(path):
            _permissions(target, mark, force)
            with _partial(target):
                pass


class _ForceError(FileExistsError):
    """A file that only --force replaces."""


@contextmanager
def _in_words(path: Path, flag: str) -> Iterator[None]:
    try:
        yield
    except _ForceError as error:
        hint = f"name another file with {flag}, or replace it with --force"
        raise errors.UsageError(f"cannot write {path}: {error.strerror}", hint=hint) from error
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


def _refuse_link_out(path: Path, target: Path, force: bool) -> None:
    """Refuse a link in the current folder that leads out of it: whoever made the folder chose what it replaces.

    Raises:
        _ForceError: for such a link.
    """
    here = Path.cwd().resolve()
    leads_out = path.is_symlink() and path.parent.resolve().is_relative_to(here) and not target.is_relative_to(here)
    if leads_out and not force:
        raise _ForceError(None, f"it is a link out of this folder, to {target}")


def _permissions(path: Path, mark: re.Pattern[bytes], force: bool) -> int:
    """Return the permission bits of the file to write: those of the file that it replaces, or of a new file.

    Raises:
        FileExistsError: when it would replace a database or its journal, or a file without the mark.
    """
    try:
        with path.open("rb") as file:
            ends = _ends(file)
            if ends.startswith(_DATABASES):
                raise FileExistsError(None, "it is a database, and would be lost")
            if ends and not force and not mark.search(ends):
                raise _ForceError(None, "it exists, and is not a file of this kind that dctbench wrote")
            return stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
    except PermissionError:  # an unreadable file can be replaced when the folder is ours
        if not force:
            raise _ForceError(None, "it exists and cannot be read") from None
        return stat.S_IMODE(path.stat().st_mode)


def _ends(file: IO[bytes]) -> bytes:
    """Return the first and the last bytes of a file; all of a small one."""
    head = file.read(_EXAMINED)
    left = os.fstat(file.fileno()).st_size - len(head)
    if left > 0:
        file.seek(-min(left, _EXAMINED), os.SEEK_END)
        head += file.read()
    return head
