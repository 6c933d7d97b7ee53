"""Measure the same code against itself (A/A): how far two runs of the same code differ on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from dctbench.analysis import REFERENCE
from dctbench.app.requests import NoiseRequest, RunRequest
from dctbench.app.run import RunOutcome, run
from dctbench.compare.noise import Noise, noise
from dctbench.errors import CannotJudgeError
from dctbench.scheduler.events import Listener, ignore


@dataclass(frozen=True, slots=True)
class NoiseOutcome:
    """The run that was measured, and the noise that follows from it."""

    run: RunOutcome
    noise: Noise


def measure_noise(request: NoiseRequest, listener: Listener = ignore) -> NoiseOutcome:
    """Measure the suite `noise`. Nothing is printed.

    Raises:
        CannotJudgeError: when too few cases were measured.
        UsageError, StoreError, InterruptedRunError: as `app.run.run`.
    """
    asked = RunRequest(
        suite="noise", rounds=request.rounds, label="noise", store=request.store, command=request.command
    )
    measured = run(asked, listener)
    found = noise(measured.recorded.summaries, REFERENCE)
    if found is None:
        raise CannotJudgeError("too few cases were measured to estimate the noise", hint="see dctbench list cases")
    return NoiseOutcome(measured, found)
