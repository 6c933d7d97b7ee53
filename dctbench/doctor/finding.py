"""The result of a check: ok, warning or failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dctbench.model import JSON

State = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        check: the name of the check, one or two words.
        state: `ok`; `warning` if measurements may suffer; `failure` if dctbench cannot measure or store here.
        found: the finding, a sentence without a full stop.
        remedy: what to do about it, or optional advice; None if there is nothing to do.
        exit_code: the exit code of the command for a failure.
        values: the numbers behind the sentence, for programs.
    """

    check: str
    state: State
    found: str
    remedy: str | None = None
    exit_code: int = 0
    values: Mapping[str, Any] | None = None

    def to_json(self) -> JSON:
        """Return check, state, found and remedy, and the values if there are any."""
        data: JSON = {"check": self.check, "state": self.state, "found": self.found, "remedy": self.remedy}
        return data if self.values is None else {**data, "values": dict(self.values)}


def ok(check: str, found: str, values: Mapping[str, Any] | None = None, advice: str | None = None) -> Finding:
    """Return a finding that needs no action; `advice` is optional."""
    return Finding(check, "ok", found, advice, values=values)


def warning(check: str, found: str, remedy: str, values: Mapping[str, Any] | None = None) -> Finding:
    """Return a finding that may affect measurements."""
    return Finding(check, "warning", found, remedy, values=values)


def failure(check: str, found: str, remedy: str, exit_code: int) -> Finding:
    """Return a finding that keeps dctbench from working here."""
    return Finding(check, "failure", found, remedy, exit_code)
