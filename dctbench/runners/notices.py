"""Messages from the threads of a runner, delivered in the thread that uses it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from time import monotonic
from typing import Any, TypeVar

_T = TypeVar("_T")


class Notices:
    """A queue of messages. The thread that makes it delivers them, while it waits for results.

    Args:
        deliver: called with each message. What it raises comes out of `put` or `wait`.
    """

    def __init__(self, deliver: Callable[[str], None]) -> None:
        self._deliver = deliver
        self._home = threading.get_ident()
        self._lock = threading.Lock()
        self._texts: list[str] = []
        self._news: Future[None] = Future()

    def put(self, text: str) -> None:
        """Have a message delivered: at once in the thread that delivers, by `wait` from another one."""
        if threading.get_ident() == self._home:
            self._deliver(text)
            return
        with self._lock:
            self._texts.append(text)
            if not self._news.done():
                self._news.set_result(None)

    def wait(self, futures: Iterable[Future[_T]], timeout: float | None = None) -> set[Future[_T]]:
        """Deliver messages until one of the futures is done or the time is over, and return those that are done."""
        wanted = set(futures)
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            left = None if deadline is None else max(0.0, deadline - monotonic())
            waited: list[Future[Any]] = [*wanted, self._news]
            ended = wait(waited, left, FIRST_COMPLETED).done
            for text in self._take():
                self._deliver(text)
            if not ended or ended & wanted:
                return ended & wanted

    def _take(self) -> list[str]:
        with self._lock:
            texts, self._texts = self._texts, []
            if texts:
                self._news = Future()
            return texts
