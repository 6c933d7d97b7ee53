"""Where a case runs: in a child process of this machine, or elsewhere. The seam is `submit`."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from dctbench.model import Case, CaseWarning, Environment, Measurement, Result, ResultDetails


@dataclass(frozen=True, slots=True)
class Facts:
    """What only an implementation's own code knows, asked in a process that may import torch.

    `uses_ratio` by implementation, without those that broke when they were asked; `flops` of one call by case, None
    where a method states no formula; `sources` the file of each implementation that stands in one.
    """

    uses_ratio: Mapping[str, bool]
    flops: Mapping[Case, int | None]
    sources: Mapping[str, str] = field(default_factory=dict)


class Turn(Protocol):
    """One side of two processes that take turns, as the thread uses it that talks to the process."""

    def wait(self, closing: threading.Event) -> None:
        """Return when it is this side's turn; raises DctbenchError when the runner is closed meanwhile."""

    def next(self, closing: threading.Event) -> None:
        """Let the other side have its turn, then wait."""

    def leave(self) -> None:
        """This side is done, however it ended."""


class Runner(Protocol):
    """Runs cases somewhere. Every failure of a case is a Result; a future raises only when the runner is broken."""

    environment: Environment

    def submit(self, case: Case, round: int, turn: Turn | None = None) -> Future[Result]:
        """Queue one case; a device runs one at a time, unless two take turns on a device that is held for both."""

    def ready(self, device: str, round: int) -> Future[None]:
        """Start what the cases of a round start from, ahead of the first of them."""

    def device(self, device: str) -> AbstractContextManager[None]:
        """The device for this runner alone: others wait their turn."""

    def describe(self, implementations: Sequence[str], cases: Sequence[Case]) -> Facts:
        """Ask the implementations about themselves."""

    def __enter__(self) -> Self:
        """Ready to submit."""

    def __exit__(self, *exc: object) -> None:
        """End whatever still runs, its process group included."""


def result_from_answer(case: Case, round: int, answer: Mapping[str, Any], environment: Environment) -> Result:
    """A worker's answer as a Result of this environment."""
    return Result(
        case=case,
        round=round,
        status=answer["status"],
        measurements=tuple(Measurement.from_json(item) for item in answer.get("measurements", ())),
        message=answer.get("message"),
        warnings=tuple(map(CaseWarning.from_json, answer.get("warnings", ()))),
        details=ResultDetails.from_json(answer.get("details", {})),
        fingerprint=environment.fingerprint,
        host=environment.host,
    )
