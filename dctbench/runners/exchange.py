"""What is said with a child: the request, its answer or its silence, and words for how it ended."""

from __future__ import annotations

import json
import os
import selectors
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import IO, Any

from dctbench.model import TURN
from dctbench.runners import responses
from dctbench.runners.interleave import TURNS_PER_PROCESS
from dctbench.runners.launchers import Child, Ended
from dctbench.text.sanitize import sanitize_text
from dctbench.text.untrusted import InvalidDataError

_OUTPUT_TAIL = 2000


def exchange(
    child: Child, request: Mapping[str, Any], timeout: float, next_turn: Callable[[], None] | None = None
) -> bytes | None:
    """The child's answer, b"" when it ended or hung up before that was whole; None when time ran out.

    The thread sleeps in the kernel until one of the three happens: a parent that polls would load the machine that is
    being measured. A child that takes turns with another asks before each, and the time that it waits is not its own.
    """
    deadline = monotonic() + timeout
    turns = 0 if next_turn is None else TURNS_PER_PROCESS + 1
    with selectors.DefaultSelector() as selector:
        try:
            child.channel.sendall(json.dumps(request).encode() + b"\n")
            selector.register(child.channel, selectors.EVENT_READ)
            selector.register(child.ending, selectors.EVENT_READ)
            while True:
                line = _next_line(selector, child, deadline)
                if line != TURN.encode() or next_turn is None or not turns:
                    return line
                turns -= 1
                asked = monotonic()
                next_turn()
                deadline += monotonic() - asked
                child.channel.sendall(b"\n")
        except OSError:  # it ended before it read; what it left behind says why
            return b""


def _next_line(selector: selectors.BaseSelector, child: Child, deadline: float) -> bytes | None:
    """The next line of a child, or as of `exchange`."""
    received = bytearray()
    while not received.endswith(b"\n") and len(received) <= responses.MAX_BYTES:
        # Asked once more at the end: this process may have been stopped until after it, and the answer lie there.
        events = selector.select(max(0.0, deadline - monotonic())) or selector.select(0)
        ready = {key.fileobj for key, _ in events}
        if not ready:
            return None
        chunk = b""  # it ended, and nothing is left to read: a grandchild may still hold the channel open
        if child.channel in ready:
            with suppress(ConnectionResetError):
                chunk = child.channel.recv(1 << 20)
        received += chunk
        if not chunk:
            return b""
    return bytes(received)


def read_answer(
    line: bytes | None, timeout: float, read: Callable[[bytes], dict[str, Any]]
) -> tuple[dict[str, Any] | None, bool]:
    """What the answer says, an error that says what is wrong with it, or None; and whether its child is at its end."""
    if line is None:
        return {"status": "timeout", "message": f"timeout after {timeout:g} s"}, False
    if not line:
        return None, True
    try:
        return read(line), True
    except InvalidDataError as bad:
        return {"status": "error", "message": f"the answer of its process is not valid: {bad}"}, False


def failure_answer(ended: Ended | None, output: IO[bytes], out_of_memory: bool) -> dict[str, Any]:
    """The status of a child that ended without an answer, from its exit code and the last it wrote.

    `out_of_memory` says whether the kernel has ended a process for want of memory while it ran.
    """
    output.seek(0, os.SEEK_END)
    output.seek(max(0, output.tell() - _OUTPUT_TAIL))
    tail = sanitize_text(output.read().decode("utf-8", errors="replace")).strip()
    status = "error"
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
    return {"status": status, "message": message, "details": {"output": tail} if tail else {}}
