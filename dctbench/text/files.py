"""Read files that others may have made: no more than is allowed, no device, and never wait for a writer to come."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_limited(path: Path, most: int) -> bytes:
    """Return the first bytes of a file or a pipe.

    A device such as /dev/zero has no end. A pipe into which no process writes is empty; whoever opens it in the usual
    way waits for one.

    Args:
        path: of a file or a pipe, or of a link to one.
        most: how many bytes to read. One more than allowed shows that there are more.

    Raises:
        OSError: when it cannot be read, or is neither a file nor a pipe.
        ValueError: for a path that no file can have.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            raise OSError(errno.EINVAL, "neither a file nor a pipe")
        os.set_blocking(file.fileno(), True)
        return file.read(most)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
