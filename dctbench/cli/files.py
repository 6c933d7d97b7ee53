"""Output that others read: documents on standard output, and files that appear whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from dctbench import errors


def print_document(content: str | bytes) -> None:
    """Write a document to standard output, in UTF-8 whatever the locale says: a program reads it, not a terminal."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content.encode("utf-8") if isinstance(content, str) else content)
    sys.stdout.buffer.flush()


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write a file so that a reader finds the old one or the new one, never half of one.

    Raises:
        UsageError: when it cannot be written there.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        if path.exists() and not path.is_file():  # a pipe or /dev/stdout cannot be replaced, and need not be
            if path.is_dir():
                raise IsADirectoryError(None, "it is a folder")
            path.write_bytes(data)
            return path
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:50]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            umask = os.umask(0)
            os.umask(umask)
            Path(partial).chmod(0o666 & ~umask)
            Path(partial).replace(path)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not the name of a file"
        raise errors.UsageError(f"cannot write {path}: {reason}", hint="name another file with -o") from error
    return path
