"""What a run and a check report while they work: one vocabulary of events for every listener.

A listener is called in the thread that measures, between two cases. Its work is not timed, but delays the next case.
An exception that it raises ends the run; what is stored stays stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dctbench.compare import Rules
from dctbench.model import Case, Environment, Result, Run
from dctbench.scheduler.plan import Plan

SideName = Literal["base", "head"]


@dataclass(frozen=True, slots=True)
class Notice:
    """A message for the user: a warning, or why the program waits."""

    message: str


@dataclass(frozen=True, slots=True)
class RunPlanned:
    """A run is about to start, or to be resumed.

    Attributes:
        plan: what will be measured.
        environment: where.
        store: name of the store, without a password.
        budget: seconds for the whole run, or None.
        stored: the results that a resumed run has already.
    """

    plan: Plan
    environment: Environment
    store: str
    budget: float | None
    stored: Sequence[Result]


@dataclass(frozen=True, slots=True)
class CheckPlanned:
    """A check is about to start.

    Attributes:
        run: of head.
        sides: the plan of each side that is measured, if no verdict needs more processes. Base and head take turns.
        judged: the cases of head that get a verdict.
        rules: of the verdicts.
        environment, store: as in `RunPlanned`.
    """

    run: Run
    sides: Mapping[SideName, Plan]
    judged: Sequence[Case]
    rules: Rules
    environment: Environment
    store: str


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run starts: `done` of `total` results are stored already."""

    run: Run
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class RoundStarted:
    """One more pair of every undecided case of a check: number `number` of at most `most`.

    `confirming` pairs are the fresh ones that a slowdown must show again.
    """

    number: int
    most: int
    cases: int
    confirming: bool


@dataclass(frozen=True, slots=True)
class CaseStarted:
    """A case is handed to the runner. `place` names where it runs, if the runner has several places."""

    case: Case
    round: int
    done: int
    total: int
    place: str = ""


@dataclass(frozen=True, slots=True)
class StillRunning:
    """A sign of life while one case takes long."""

    case: Case
    seconds: float
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class CaseFinished:
    """A result is stored: number `done` of `total` in the run, or in the round of a check.

    `side` is base or head in a check, and None in a run. `place` is as in `CaseStarted`.
    """

    result: Result
    done: int
    total: int
    side: SideName | None = None
    place: str = ""


Event = Notice | RunPlanned | CheckPlanned | RunStarted | RoundStarted | CaseStarted | StillRunning | CaseFinished
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A listener that does nothing."""
