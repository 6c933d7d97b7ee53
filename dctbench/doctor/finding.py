"""What one check says, and the thresholds' common language: ok, warning or failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dctbench.model import JSON

State = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor.

    Attributes:
        check: what was looked at, in a word or two.
        state: `ok`; `warning` when figures may suffer; `failure` when dctbench cannot measure or store here.
        found: what is so, in a sentence without a full stop.
        remedy: what to do about it, or what could be done; None for nothing.
        exit_code: what the command ends with for a failure.
        values: figures behind the sentence, for programs.
    """

    check: str
    state: State
    found: str
    remedy: str | None = None
    exit_code: int = 0
    values: Mapping[str, Any] | None = None

    def to_json(self) -> JSON:
        """check, state, found and remedy; values where there are any."""
        told: JSON = {"check": self.check, "state": self.state, "found": self.found, "remedy": self.remedy}
        return told if self.values is None else {**told, "values": dict(self.values)}


def ok(check: str, found: str, values: Mapping[str, Any] | None = None, advice: str | None = None) -> Finding:
    """Nothing has to be done; `advice` is what could be."""
    return Finding(check, "ok", found, advice, values=values)


def warning(check: str, found: str, remedy: str, values: Mapping[str, Any] | None = None) -> Finding:
    """Figures may suffer."""
    return Finding(check, "warning", found, remedy, values=values)


def failure(check: str, found: str, remedy: str, exit_code: int) -> Finding:
    """dctbench cannot work here."""
    return Finding(check, "failure", found, remedy, exit_code)
