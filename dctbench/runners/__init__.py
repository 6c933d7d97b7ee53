"""Where a case runs: in a child process of this machine, or elsewhere. The seam is `submit`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, Self

from dctbench.errors import DctbenchError
from dctbench.model import Case, Environment, Measurement, Result, ResultDetails, TaskFacts
from dctbench.protocol import CaseReply, Figures, ImplementationFacts, ModelFacts
from dctbench.runners.interleave import Turn
from dctbench.text.warning_values import read_warning, warning_record


@dataclass(frozen=True, slots=True)
class Facts:
    """What only an implementation's own code knows, asked in a process that may import torch.

    `methods` by name, without those that broke when they were asked; `flops` of one forward pass by case, or of all
    forward passes of a training, None where a method states no formula; `tasks` by the base of their names;
    `unanswered` says why some method could not be asked, None if all of them were.
    """

    methods: Mapping[str, ImplementationFacts]
    flops: Mapping[Case, int | None]
    tasks: Mapping[str, TaskFacts] = field(default_factory=dict)
    unanswered: str | None = None

    @property
    def sources(self) -> dict[str, str]:
        """The file of each implementation that stands in one."""
        return {name: facts.source for name, facts in self.methods.items() if facts.source is not None}


@dataclass(frozen=True, slots=True)
class MeasureSpec:
    """How one case is measured in one process.

    Attributes:
        round: number of the process, from 1. The first measures everything, later ones only the latency. It is the seed
            of a training.
        sampling: settings of the sampling (`worker.metrics.latency.Sampling`) in place of the runner's.
        rates: of the case's device, for the transform planner; None for those that are shipped. With the same rates, it
            chooses the same plan every time.
    """

    round: int
    sampling: Mapping[str, float] = field(default_factory=dict)
    rates: Mapping[str, float] | None = None

    @property
    def timing_only(self) -> bool:
        """Whether only the latency is measured, since nothing else differs between processes."""
        return self.round > 1


@dataclass(frozen=True)
class Place:
    """Where one case runs at a time: this machine, or a node of a cluster.

    `name` distinguishes it from the others in messages, and is empty for the only place of a runner. Two places are
    never equal: one that was lost and found again is another one.
    """

    name: str
    environment: Environment

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


class LostError(DctbenchError):
    """A place ended while it measured a case; its result, if there was one, is lost."""


class Runner(Protocol):
    """Runs cases somewhere. Every failure of a case is a Result.

    A future raises LostError when the place of the case was lost. Any other error means that the runner is broken.

    Attributes:
        several: whether it may have several places. A sweep then measures each unit (`Case.unit`) at one place.
    """

    several: bool

    @property
    def environments(self) -> Sequence[Environment]:
        """The environments of its places."""

    @property
    def environment(self) -> Environment:
        """The environment of its first place, for what is planned before anything runs."""

    def require(self, devices: Sequence[str]) -> None:
        """Refuse these devices if none of them is there."""

    def places(self) -> Sequence[Place]:
        """The places that can be given a case now, at least one: it waits for the first one until its deadline."""

    def returning(self) -> bool:
        """Whether a place that was lost may still come back. It waits a moment for it."""

    def submit(
        self, case: Case, spec: MeasureSpec, turn: Turn | None = None, place: Place | None = None
    ) -> Future[Result]:
        """Queue one case; a device runs one at a time, unless two take turns on a device that is held for both.

        `place` is one of `places()`; a runner with a single place needs none.
        """

    def wait(self, futures: Iterable[Future[Result]], timeout: float | None = None) -> set[Future[Result]]:
        """Wait until one of its futures is done or the time is over, and return those that are done.

        What the runner has to say meanwhile is said in this thread.
        """

    def ready(self, device: str, round: int) -> Future[None]:
        """Start what the cases of a round start from, ahead of the first of them."""

    def hold(self, devices: Sequence[str]) -> AbstractContextManager[None]:
        """The devices for this runner alone: others wait their turn."""

    def jobs(self, case: Case) -> int:
        """How many cases like this one may be submitted at a time, to run side by side."""

    def describe(
        self,
        implementations: Sequence[str],
        cases: Sequence[Case],
        tasks: Sequence[str] = (),
        inputs: Sequence[str] = (),
    ) -> Facts:
        """Ask implementations and tasks about themselves, and whether the inputs can be made."""

    def model_facts(self, target: str, seq_len: int, batch: int) -> ModelFacts:
        """Ask a model about its attention."""

    def __enter__(self) -> Self:
        """Ready to submit."""

    def __exit__(self, *exc: object) -> None:
        """End whatever still runs, its process group included."""


def reply_from_result(result: Result) -> CaseReply:
    """Return a result as a reply, the inverse of `result_from_reply`: what travels from a node of a cluster."""
    return CaseReply(
        status=result.status,
        measurements=[Figures(one.metric, one.unit, list(one.samples)) for one in result.measurements],
        message=result.message,
        warnings=[warning_record(warning) for warning in result.warnings],
        details=result.details.to_json(),
    )


def result_from_reply(case: Case, round: int, reply: CaseReply, environment: Environment) -> Result:
    """Return a worker's reply as a result of this environment."""
    return Result(
        case=case,
        round=round,
        status=reply.status,
        measurements=tuple(Measurement(each.metric, each.unit, tuple(each.samples)) for each in reply.measurements),
        message=reply.message,
        warnings=tuple(map(read_warning, reply.warnings)),
        details=ResultDetails.from_json(reply.details),
        fingerprint=environment.fingerprint,
        host=environment.host,
    )
