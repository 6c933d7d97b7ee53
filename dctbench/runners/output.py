"""What a child process prints: its end is kept, for the message about a failure, and the rest is read and discarded."""

from __future__ import annotations

import os
from typing import Self

from dctbench.runners.launchers import start_errors

_KEPT_BYTES = 2000
_CHUNK_BYTES = 1 << 20
_LAST_CHUNKS = 64
"""The most that is read after the end: a process that escaped may print for ever."""


class Output:
    """A pipe for a child's standard output and error. A file would fill the disk of whoever measures a talkative layer.

    Use it as a context manager: leaving it closes the pipe.

    Attributes:
        writer: the end for the child, as a file. This process closes its own copy by `hand_over`.
    """

    def __init__(self) -> None:
        with start_errors():
            self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        self.writer = os.fdopen(writer, "wb", buffering=0)
        self._kept = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.writer.close()
        os.close(self._reader)

    def hand_over(self) -> None:
        """Close the child's end here: it alone has it now."""
        self.writer.close()

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the child has printed or closed its end."""
        return self._reader

    def read(self) -> bool:
        """Read what was printed, and return whether there may be more later."""
        try:
            chunk = os.read(self._reader, _CHUNK_BYTES)
        except BlockingIOError:
            return True
        self._kept = (self._kept + chunk)[-_KEPT_BYTES:]
        return bool(chunk)

    def end(self) -> bytes:
        """Return the last bytes that the child printed, after it has ended."""
        for _ in range(_LAST_CHUNKS):
            before = self._kept
            if not self.read() or self._kept is before:
                break
        return self._kept
