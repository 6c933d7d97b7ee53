"""How the processes of a run spend their time: samples, warm-up and rounds.

Processes of one case differ far more than calls within a process do. So the first round samples at leisure and makes
the passes beside the latency, and later rounds take three samples each, of more processes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dctbench.machine.periodic import RELEASES
from dctbench.model import Case, Isolation, RunSettings
from dctbench.stats.robust import P99_SAMPLES

SAMPLES_PER_CASE = 20
SAMPLES_PER_PROCESS = 3
SAMPLING_SECONDS = 2.0
LEAST_SAMPLING_SECONDS = 0.4
LATER_SECONDS = 0.06
"""Of warm-up, and of sampling, in a process after the first of its case."""
LATER_WARMUP_MOST = 0.3
SHORT_SECONDS = 0.4
"""Cases whose call is predicted to take no longer, on a machine of which nothing is known, have
`RunSettings.short_rounds`: those of up to 20 GFLOP. Two idle cores take 0.1 to 0.3 s for that."""
SHORT_REFERENCE_SECONDS = 4.0
"""The same for the reference beside such cases, since each of their rounds needs one of the reference."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a process spends its time.

    Attributes:
        isolation: how it is started.
        energy: whether energy is measured.
        cpu_energy: seconds that the pass takes on a processor, by its meter; 0 without one.
        samples_least, budget, warmup: of the first round: the least samples, and the least seconds of both phases.
        later_samples, later_budget: of a later round: the least samples, and the least seconds of sampling.
        exactly: whether a long call needs all of these samples too, since somebody asked for them.
        limit: seconds after which a process begins no further call.
        releases: the calls of a process on the schedule of its case, if it has one.
        priority, search: as in `RunSettings`; the first process makes the search.
        by_authors: whether cases are also measured by the authors' protocol, in a process more.
        jobs: trainings that run side by side.
    """

    isolation: Isolation = "auto"
    energy: bool = True
    cpu_energy: float = 0.0
    samples_least: int = SAMPLES_PER_CASE
    budget: float = SAMPLING_SECONDS
    warmup: float = 0.2
    later_samples: int = SAMPLES_PER_PROCESS
    later_budget: float = LATER_SECONDS
    exactly: bool = False
    limit: float = math.inf
    releases: int = RELEASES
    priority: bool = False
    search: bool = False
    by_authors: bool = False
    jobs: int = 1

    def forked(self, case: Case) -> bool:
        """Whether the process of a case is forked from one that has imported torch, or started afresh."""
        return self.isolation == "zygote" or (self.isolation == "auto" and case.device == "cpu")

    def samples(self, round: int) -> int:
        """The least samples of a process of that round."""
        return self.samples_least if round == 1 else self.later_samples

    def sampling(self, round: int) -> dict[str, float]:
        """Return the settings of the sampling (`worker.metrics.latency.Sampling`) in that round."""
        settings: dict[str, float] = {"samples_least": self.samples(round), "budget": self.budget}
        settings |= {"releases": self.releases, "priority": int(self.priority), "search": int(self.search)}
        if self.exactly:  # a tail needs samples of single calls, and as many as were asked for
            settings |= {"long_seconds": 1e9, "calls_most": 1}
        if round > 1:
            settings |= {"budget": self.later_budget, "warmup_least": LATER_SECONDS, "warmup_most": LATER_WARMUP_MOST}
        return settings


DEFAULT_PACE = Pace()


def pace_of(settings: RunSettings) -> Pace:
    """Return how the processes of a run with these settings spend their time.

    All processes of a case together take 20 samples at least, and each of them three.
    """
    later = SAMPLES_PER_PROCESS
    if settings.samples is None:
        first = max(later, SAMPLES_PER_CASE - (settings.rounds - 1) * later)
    else:
        first = later = max(later, -(-settings.samples // settings.rounds))
    return Pace(
        isolation=settings.isolation,
        energy=settings.energy,
        samples_least=first,
        budget=max(LEAST_SAMPLING_SECONDS, SAMPLING_SECONDS / settings.rounds),
        later_samples=later,
        exactly=settings.samples is not None,
        limit=settings.case_timeout,
        releases=max(SAMPLES_PER_PROCESS, -(-(settings.samples or P99_SAMPLES) // settings.rounds)),
        priority=settings.priority,
        search=settings.search is not None,
        by_authors=settings.protocol is not None,
    )


def rounds_by_case(
    cases: Iterable[Case], reference: str | None, seconds: Callable[[Case], float], settings: RunSettings
) -> dict[Case, int]:
    """Return the number of processes of each case.

    Short cases have `short_rounds` where the settings say so, and the reference beside them too, since ratios are
    paired by round. If the reference at a shape takes too long for that, no case of the shape has more rounds than it.

    Args:
        cases: what is measured.
        reference: the implementation that the others are compared with.
        seconds: of one call of a case, as predicted without a measurement, so that every machine decides alike.
        settings: of the run.
    """
    rounds = dict.fromkeys(cases, settings.rounds)
    if settings.short_rounds is None:
        return rounds
    short = [case for case in rounds if case.implementation != reference and seconds(case) <= SHORT_SECONDS]
    references = {case.shape: case for case in rounds if case.implementation == reference}
    for case in short:
        its_reference = references.get(case.shape)
        if its_reference is None or seconds(its_reference) <= SHORT_REFERENCE_SECONDS:
            rounds[case] = settings.short_rounds
            if its_reference is not None:
                rounds[its_reference] = settings.short_rounds
    return rounds


def most_rounds(rounds: Mapping[Case, int]) -> int:
    """Return the largest number of rounds of a case."""
    return max(rounds.values(), default=1)
