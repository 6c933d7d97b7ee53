"""A lane: the processes of cases that run one after the other, and the zygote that they are forked from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from msgspec import Struct

from dctbench.errors import DctbenchError
from dctbench.machine import cgroup
from dctbench.model import Isolation
from dctbench.protocol import COMPILER, Failure, Request
from dctbench.runners.closing import Closing
from dctbench.runners.exchange import MOST_TIMEOUTS, Exchange, TimedOut, exchange, failure_of, read_reply
from dctbench.runners.interleave import Turn
from dctbench.runners.launchers import Child, Ended, Fresh, GoneError, Launcher, Zygote
from dctbench.runners.output import Output

_T = TypeVar("_T", bound=Struct)


class Lane:
    """Starts processes, one at a time. Its methods are called by one thread, except `close`.

    Args:
        variables: the environment variables of the processes.
        python: their interpreter.
        isolation: how a case gets its process.
        closing: ends every wait for a process.
        tell: called with a message if processes are not isolated as was asked for; it may be called more than once.

    Attributes:
        zygote: that of the last round, or None.
        child: the process that runs now, or None.
    """

    def __init__(
        self,
        variables: Mapping[str, str],
        python: str,
        isolation: Isolation,
        closing: Closing,
        tell: Callable[[str], None],
    ) -> None:
        self.variables = variables
        self.python = python
        self.isolation = isolation
        self._closing = closing
        self._tell = tell
        self.zygote: Zygote | None = None
        self.child: Child | None = None
        self._zygote_round: int | None = None
        self._no_zygotes_because = None if sys.platform == "linux" else "only Linux can fork such processes safely"

    def kill(self) -> None:
        """Kill the process that runs now."""
        child = self.child
        if child is not None:
            child.kill()

    def close(self) -> None:
        """End the zygote."""
        if self.zygote is not None:
            self.zygote.close()

    def launcher(self, device: str, round: int) -> Launcher:
        """Return the zygote of this round, or fresh processes where forking is not wanted or not safe."""
        wanted = self.isolation == "zygote" or (self.isolation == "auto" and device == "cpu")
        if not wanted or self._no_zygotes_because:
            if wanted:
                self._tell_of_fresh_processes()
            return Fresh(self.variables, self.python, self._closing)
        if self.zygote is not None and self._zygote_round == round:
            return self.zygote
        if self.zygote is not None:
            self.zygote.close()
            self.zygote = None
        try:
            words = [COMPILER] if round == 1 else []
            self.zygote, self._zygote_round = Zygote(self.variables, self.python, self._closing, *words), round
        except GoneError as error:
            self._no_zygotes_because = error.message
            self._tell_of_fresh_processes()
            return Fresh(self.variables, self.python, self._closing)
        return self.zygote

    def _tell_of_fresh_processes(self) -> None:
        """Say that cases are not forked though that was asked for. By itself, a runner may choose either way."""
        if self.isolation == "zygote":
            because = self._no_zygotes_because
            self._tell(f"warning: --isolation zygote: each case starts its own interpreter ({because})")

    def exchange(
        self,
        request: Request,
        timeout: float,
        launcher: Launcher,
        read: Callable[[bytes], _T | Failure],
        turn: Turn | None = None,
        most: float = MOST_TIMEOUTS,
    ) -> Exchange[_T]:
        """Send `request` to a child and wait for its reply, which `read` decodes, its end, or the timeout."""
        if self._closing.is_set():
            raise DctbenchError("the runner is closed")
        with Output() as output:
            killed = cgroup.oom_kills()
            try:
                child = launcher.start(output.writer)
            except GoneError:  # the zygote died between two cases; nothing of this one has run yet
                self._forget_zygote()
                launcher = Fresh(self.variables, self.python, self._closing)
                child = launcher.start(output.writer)
            self.child = child
            output.hand_over()
            try:
                if self._closing.is_set():  # closed between the check above and the start
                    child.kill()
                next_turn = None if turn is None else partial(turn.next, self._closing)
                line = exchange(child, request, timeout, output, next_turn, most)
                reply, ending = read_reply(line, read)
                ended = self._ended(child, by_itself=ending)
            finally:
                child.close()
                self.child = None
            if reply is None:
                reply = failure_of(ended, output.end(), out_of_memory=cgroup.oom_kills() > killed)
        left = 0 if isinstance(line, TimedOut) or ended is None else ended.left
        return Exchange(reply, left, launcher.name, child.importer)

    def _ended(self, child: Child, *, by_itself: bool) -> Ended | None:
        """How the child ended, or None when its zygote cannot tell; the next case then gets another zygote."""
        try:
            return child.wait() if by_itself else child.end()
        except GoneError:
            self._forget_zygote()
            return None

    def _forget_zygote(self) -> None:
        if self.zygote is not None:
            self.zygote.close()
            self.zygote = None
