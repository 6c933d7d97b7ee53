"""The time limit of a case, as its own process keeps it: what still fits, and the signs of life for its runner.

The limit ends sampling and the passes after it; what was measured until then is kept. The runner ends a process only
after it has heard nothing for as long as the limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter

from dctbench.errors import UnsupportedError
from dctbench.text.format import format_duration

LONG_CALL = 0.25
"""Seconds from which on a call is long: warm-up, sampling, checks and passes then use few calls."""
_QUIET_SECONDS = 1.0


class Progress:
    """How long a case has been running.

    Args:
        limit: seconds after which no further call begins.
        alive: tells the runner that the case makes progress.
        clock: bound before any code under test is imported, so that none can replace it.
    """

    def __init__(
        self,
        limit: float = math.inf,
        alive: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.limit = limit
        self.clock = clock
        self._alive = alive
        self._began = self._told = clock()

    def step(self) -> None:
        """Say that a step of the case has ended. It is said about once a second, so that sampling is not disturbed."""
        now = self.clock()
        if now - self._told >= _QUIET_SECONDS:
            self._told = now
            self._alive()

    def allows(self, seconds: float) -> bool:
        """Return whether a step of so many seconds would end within the limit."""
        return self.clock() - self._began + seconds <= self.limit

    def require(self, seconds: float) -> None:
        """Check that a pass of so many seconds would end within the limit.

        Raises:
            UnsupportedError: otherwise; the message is the reason.
        """
        if not self.allows(seconds):
            raise UnsupportedError(f"it would go beyond the time limit of the case ({format_duration(self.limit)})")

    def watched(self) -> Callable[[float], None]:
        """Return what a pass calls with the share of it that is done.

        It raises as `require` if the rest, at the pace so far, would go beyond the limit.
        """
        began = self.clock()

        def done(share: float) -> None:
            self.step()
            if share < 1:
                self.require((self.clock() - began) * (1 - share) / share)

        return done

    def excuse(self, seconds: float) -> None:
        """Do not count seconds in which this process waited for another one."""
        self._began += seconds
