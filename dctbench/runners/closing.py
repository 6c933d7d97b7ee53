"""The end of a runner: its thread may then wait for no process any longer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Closing(threading.Event):
    """An event that also ends the wait for messages of other processes, however slow or stopped these are."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._awaited: set[socket.socket] = set()

    def set(self) -> None:
        """Set the event. Whoever waits at a socket finds that its other end has hung up."""
        with self._lock:
            super().set()
            for end in self._awaited:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def ending(self, end: socket.socket) -> Iterator[None]:
        """Let `set` end the wait at a socket in this block. Once the event is set, nothing can be read there."""
        with self._lock:
            self._awaited.add(end)
            if self.is_set():
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        try:
            yield
        finally:
            with self._lock:
                self._awaited.discard(end)
