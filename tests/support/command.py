"""What a test says about the command that it has run, and the sweep that it runs when it needs any."""

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
"""Runs the real command in a folder of its own: the fixture `cli`."""
TINY = ("--seq", "64,128", "--heads", "2", "--head-dim", "8", "--rounds", "2")
"""A sweep whose cases take milliseconds."""
FIGURES = "figures"
"""The property in which a test records what it has counted, for the end of the log."""
