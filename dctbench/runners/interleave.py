"""Two processes that take turns: one of them runs at a time, and both see the same moments of the machine.

A shared machine is slow for some seconds and fast for others. If two processes run one after the other, one may get
all the slow seconds. If they change places every hundredth of a second, both get their share.
"""

from __future__ import annotations

import threading
from typing import Literal

from dctbench.errors import DctbenchError

TURNS_PER_PROCESS = 7
"""The median over the turns stands even if a neighbour spoils three of them."""
_LOOK_SECONDS = 0.25
TurnIndex = Literal[0, 1]


class Alternation:
    """Whose turn it is, of two."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holder: int = 0
        self._left = [False, False]

    def wait(self, side: TurnIndex, closing: threading.Event) -> None:
        """Return when it is that side's turn, or the other side has left.

        Raises:
            DctbenchError: when the runner is closed meanwhile.
        """
        with self._changed:
            while self._holder != side:
                if closing.is_set():
                    raise DctbenchError("the runner is closed")
                self._changed.wait(_LOOK_SECONDS)

    def pass_on(self, side: TurnIndex) -> None:
        """Give the turn to the other side, unless it has left."""
        with self._changed:
            if not self._left[1 - side]:
                self._holder = 1 - side
            self._changed.notify_all()

    def leave(self, side: TurnIndex) -> None:
        """Say that this side is done, however it ended."""
        with self._changed:
            self._left[side] = True
            self._holder = 1 - side
            self._changed.notify_all()


class Turn:
    """One side of an `Alternation`, as a runner's thread uses it."""

    def __init__(self, turns: Alternation, side: TurnIndex) -> None:
        self._turns = turns
        self._side = side

    def wait(self, closing: threading.Event) -> None:
        """Wait for this side's turn; raises as `Alternation.wait`."""
        self._turns.wait(self._side, closing)

    def next(self, closing: threading.Event) -> None:
        """Give the other side its turn, and wait for this side's next one; raises as `Alternation.wait`."""
        self._turns.pass_on(self._side)
        self._turns.wait(self._side, closing)

    def leave(self) -> None:
        """Say that this side is done."""
        self._turns.leave(self._side)
