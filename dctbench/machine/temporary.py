"""Temporary folders that do not stay forever when their process is killed.

The owner of a folder holds a lock on it, which the kernel releases at its end whatever ended it. The next process that
makes such a folder in the same place removes those that nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Self

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class OwnedFolder:
    """A temporary folder of this process. Leaving it as a context manager, or the end of the process, removes it.

    Args:
        prefix: how its name begins. Others that begin like this are removed, so it must be a name of dctbench's own.
        place: where to make it; the folder for temporary files if None.

    Raises:
        OSError: when it cannot be made.
    """

    def __init__(self, prefix: str, place: Path | None = None) -> None:
        parent = Path(tempfile.gettempdir()) if place is None else place
        _sweep(parent, prefix)
        # Another name until it is held: a folder with the final name and no owner is one that was left.
        made = Path(tempfile.mkdtemp(prefix=f".new{prefix}", dir=parent))
        descriptor = _hold(made)
        if descriptor is not None:
            made = made.rename(parent / made.name.removeprefix(".new"))
        self.path = made
        self._remove = weakref.finalize(self, _remove, made, descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the folder with everything in it, as far as that is possible."""
        self._remove()


def _remove(folder: Path, descriptor: int | None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if descriptor is not None:
        os.close(descriptor)


def _sweep(parent: Path, prefix: str) -> None:
    """Remove the folders with that prefix that belong to this user and that no process holds."""
    with suppress(OSError):
        for name in os.listdir(parent):
            if name.startswith(prefix):
                _remove_if_left(parent / name)


def _remove_if_left(folder: Path) -> None:
    with suppress(OSError):  # a link or a file, somebody else's, or removed in between
        descriptor = _hold(folder)
        if descriptor is None:
            return
        found = os.fstat(descriptor)
        ours = found.st_uid == os.geteuid() and os.path.samestat(found, os.lstat(folder))
        if ours:
            _remove(folder, descriptor)  # follows no links
        else:
            os.close(descriptor)


def _hold(folder: Path) -> int | None:
    """Return a descriptor that holds the folder, or None when another process holds it or it cannot be locked.

    Raises:
        OSError: when it is no folder, or cannot be opened.
    """
    descriptor = os.open(folder, _OPEN)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
