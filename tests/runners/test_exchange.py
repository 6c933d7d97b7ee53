"""What a worker sends before its reply, without a worker."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest

from dctbench.protocol import ALIVE, InspectRequest
from dctbench.runners import exchange as exchanging
from dctbench.runners.exchange import TimedOut, exchange
from dctbench.runners.output import Output


@contextmanager
def worker() -> Iterator[tuple[Any, socket.socket]]:
    """Yield a child as `exchange` sees it, and the socket of its other end."""
    ours, theirs = socket.socketpair()
    ending, other = socket.socketpair()
    with ours, theirs, ending, other:
        yield SimpleNamespace(channel=ours, ending=ending), theirs


def test_signs_of_life_that_arrive_together_with_the_reply_are_left_out() -> None:
    with worker() as (child, channel), Output() as output:
        channel.sendall(ALIVE + ALIVE + b'{"status":"ok"}\n')
        assert exchange(child, InspectRequest(), 60, output) == b'{"status":"ok"}\n'


@pytest.mark.parametrize("timeout", [1e7, 1e30, math.inf])
def test_a_limit_of_months_is_waited_for(timeout: float) -> None:
    with worker() as (child, channel), Output() as output:
        channel.sendall(b'{"status":"ok"}\n')
        assert exchange(child, InspectRequest(), timeout, output) == b'{"status":"ok"}\n'


def test_a_wait_that_the_system_cannot_do_at_once_goes_on_until_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanging, "LONGEST_WAIT", 0.01)
    with worker() as (child, channel), Output() as output:
        began = monotonic()
        assert exchange(child, InspectRequest(), 0.2, output) == TimedOut(0.2)
        assert monotonic() - began >= 0.2
        late = threading.Timer(0.1, channel.sendall, [b'{"status":"ok"}\n'])
        late.start()
        assert exchange(child, InspectRequest(), 60, output) == b'{"status":"ok"}\n'
        late.join()


def test_a_worker_that_only_gives_signs_of_life_is_ended_at_last() -> None:
    over = threading.Event()
    with worker() as (child, channel), Output() as output:

        def chatter() -> None:
            while not over.wait(0.01):
                channel.sendall(ALIVE)

        thread = threading.Thread(target=chatter)
        thread.start()
        try:
            assert exchange(child, InspectRequest(), 0.1, output, most=4) == TimedOut(0.4)
        finally:
            over.set()
            thread.join()
