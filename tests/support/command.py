"""The result of a command, and a small run for tests that need one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


Cli = Callable[..., Done]
"""Runs the real command in a folder of its own, as the fixture `cli`."""
TINY = ("--seq", "64,128", "--heads", "2", "--head-dim", "8", "--rounds", "2")
"""A run whose cases take milliseconds."""
FIGURES = "figures"
"""The property in which a test records its counts, which are printed at the end of the log."""
