"""Where a case runs: in a child process of this machine, or elsewhere. The seam is `submit`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, Self

from dctbench.machine.calibration import Calibration
from dctbench.model import Case, Environment, Measurement, Result, ResultDetails, TaskFacts
from dctbench.protocol import CaseReply, ImplementationFacts, ModelFacts
from dctbench.runners.interleave import Turn
from dctbench.text.warning_values import read_warning


@dataclass(frozen=True, slots=True)
class Facts:
    """What only an implementation's own code knows, asked in a process that may import torch.

    `methods` by name, without those that broke when they were asked; `flops` of one forward pass by case, or of all
    forward passes of a training, None where a method states no formula; `tasks` by the base of their names.
    """

    methods: Mapping[str, ImplementationFacts]
    flops: Mapping[Case, int | None]
    tasks: Mapping[str, TaskFacts] = field(default_factory=dict)

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
        calibration: of the case's device: its rates let the transform planner choose the same plan every time.
    """

    round: int
    sampling: Mapping[str, float] = field(default_factory=dict)
    calibration: Calibration | None = None

    @property
    def timing_only(self) -> bool:
        """Whether only the latency is measured, since nothing else differs between processes."""
        return self.round > 1


class Runner(Protocol):
    """Runs cases somewhere. Every failure of a case is a Result; a future raises only when the runner is broken."""

    environment: Environment

    def submit(self, case: Case, spec: MeasureSpec, turn: Turn | None = None) -> Future[Result]:
        """Queue one case; a device runs one at a time, unless two take turns on a device that is held for both."""

    def ready(self, device: str, round: int) -> Future[None]:
        """Start what the cases of a round start from, ahead of the first of them."""

    def device(self, device: str) -> AbstractContextManager[None]:
        """The device for this runner alone: others wait their turn."""

    def jobs(self, case: Case) -> int:
        """How many cases like this one may be submitted at a time, to run side by side."""

    def describe(self, implementations: Sequence[str], cases: Sequence[Case], tasks: Sequence[str] = ()) -> Facts:
        """Ask implementations and tasks about themselves."""

    def model_facts(self, target: str, seq_len: int, batch: int) -> ModelFacts:
        """Ask a model about its attention."""

    def __enter__(self) -> Self:
        """Ready to submit."""

    def __exit__(self, *exc: object) -> None:
        """End whatever still runs, its process group included."""


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
