"""One exchange with a child process: send the request, wait for the reply, and find out how the process ended."""

from __future__ import annotations

import selectors
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

from dctbench.model import Status
from dctbench.protocol import ALIVE, MAX_REPLY_BYTES, TURN, Failure, Request, encode_request
from dctbench.runners.interleave import TURNS_PER_PROCESS
from dctbench.runners.launchers import Child, Ended
from dctbench.runners.output import Output
from dctbench.text.sanitize import sanitize_text
from dctbench.text.untrusted import InvalidDataError

MOST_TIMEOUTS = 5
"""How many timeouts a case may take that shows progress. A worker begins nothing new after one timeout, so one that is
still at work after several does not keep to its limit."""
LONGEST_WAIT = 1e6
"""Seconds. The system call that waits for a process takes no more than 24 days."""

_T = TypeVar("_T")


class TimedOut(NamedTuple):
    """A child did not answer within these seconds of its last sign of life, or in all if it went on giving signs."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Exchange(Generic[_T]):
    """What came of one request.

    Attributes:
        reply: the reply, or why there is none.
        left: how many processes the child left behind. They took time from what was measured, and were ended.
        isolation: how the child was started: `zygote` or `fresh`.
        torch_imported_by: the id of the process that imported torch.
    """

    reply: _T | Failure
    left: int
    isolation: str
    torch_imported_by: int


def exchange(
    child: Child,
    request: Request,
    timeout: float,
    output: Output,
    next_turn: Callable[[], None] | None = None,
    most: float = MOST_TIMEOUTS,
) -> bytes | TimedOut:
    """Return the child's reply, b"" if it ended or hung up before that was complete, or the time limit that has passed.

    The timeout begins anew with each sign of life that the child gives, up to `most` times as long.
    The thread sleeps in the kernel until one of the three happens: a parent that polls would load the machine that is
    being measured. A child that takes turns with another asks before each turn. The time that it waits is not counted.
    What the child prints is read meanwhile, so that it never waits for a reader.
    """
    deadline = monotonic() + timeout
    end = monotonic() + most * timeout
    turns = 0 if next_turn is None else TURNS_PER_PROCESS + 1
    with selectors.DefaultSelector() as selector:
        try:
            child.channel.sendall(encode_request(request))
            selector.register(child.channel, selectors.EVENT_READ)
            selector.register(child.ending, selectors.EVENT_READ)
            selector.register(output, selectors.EVENT_READ)
            while True:
                line = _next_line(selector, child, output, min(deadline, end))
                if line is None:
                    return TimedOut(timeout if deadline <= end else most * timeout)
                if line.startswith(ALIVE):
                    deadline = monotonic() + timeout
                    while line.startswith(ALIVE):  # a busy machine may deliver several lines together
                        line = line[len(ALIVE) :]
                    if not line:
                        continue
                if line != TURN or next_turn is None or not turns:
                    return line
                turns -= 1
                asked = monotonic()
                next_turn()
                waited = monotonic() - asked
                deadline, end = deadline + waited, end + waited
                child.channel.sendall(b"\n")
        except OSError:  # it ended before it read the request; its exit code and output tell why
            return b""


def _next_line(selector: selectors.BaseSelector, child: Child, output: Output, deadline: float) -> bytes | None:
    """Return the next line of a child, b"" if it ended before it was complete, or None at the deadline."""
    received = bytearray()
    while not received.endswith(b"\n") and len(received) <= MAX_REPLY_BYTES:
        # Ask once more after the timeout: this process may have been stopped until then, while the reply came.
        events = selector.select(max(0.0, min(deadline - monotonic(), LONGEST_WAIT))) or selector.select(0)
        ready = {key.fileobj for key, _ in events}
        if not ready and monotonic() >= deadline:
            return None
        if not ready:  # it only waited as long as it could
            continue
        if output in ready:
            if not output.read():
                selector.unregister(output)
            if len(ready) == 1:  # a child that prints without end is no reply
                if monotonic() >= deadline:
                    return None
                continue
        chunk = b""  # the child ended and nothing is left to read; a grandchild may still hold the channel open
        if child.channel in ready:
            with suppress(ConnectionResetError):
                chunk = child.channel.recv(1 << 20)
        received += chunk
        if not chunk:
            return b""
    return bytes(received)


def read_reply(line: bytes | TimedOut, read: Callable[[bytes], _T]) -> tuple[_T | Failure | None, bool]:
    """Return the reply, a failure that tells what is wrong with it, or None if the child ended without one.

    The second value tells whether the child ends by itself.
    """
    if isinstance(line, TimedOut):
        return Failure(f"timeout after {line.seconds:g} s", status="timeout"), False
    if not line:
        return None, True
    try:
        return read(line), True
    except InvalidDataError as error:
        return Failure(f"the answer of its process is not valid: {error}"), False


def failure_of(ended: Ended | None, output: bytes, out_of_memory: bool) -> Failure:
    """Return why a child ended without a reply, from its exit code and the last that it printed.

    Args:
        ended: how it ended; None if nobody knows.
        output: the end of what it printed.
        out_of_memory: whether the kernel ended a process because memory ran out, while the child ran.
    """
    tail = sanitize_text(output.decode("utf-8", errors="replace")).strip()
    status: Status = "error"
    if ended is None:
        message = "its parent process ended or hung while it ran"
    elif ended.killed:
        message = "it gave up its channel without a result, and did not end"
    elif ended.code < 0:
        number = -ended.code
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        message = name
        if number == signal.SIGKILL:
            status = "oom" if out_of_memory else "error"
            message = "out of memory: the kernel ended it" if out_of_memory else f"{name} (probably out of memory)"
    else:
        message = f"the process ended without a result (exit code {ended.code})"
    return Failure(message, status=status, output=tail)
