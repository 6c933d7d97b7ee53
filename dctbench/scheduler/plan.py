"""Suite -> plan: which cases a run will measure, in which order, and how long that should take."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

from dctbench import catalog
from dctbench.analysis import default_reference
from dctbench.model import Case, Result, RunSettings
from dctbench.runners import Facts, Runner
from dctbench.scheduler.estimate import Estimate, Pace, estimate
from dctbench.spec import grid
from dctbench.spec.suites import Suite
from dctbench.stats.robust import P99_SAMPLES

ORDER_SEED = 0
SAMPLES_PER_CASE = 20
SAMPLES_PER_PROCESS = 3
SAMPLING_SECONDS = 2.0
LEAST_SAMPLING_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Plan:
    """The cases in the order of the first round, how many rounds, what rows are compared with, and the estimate."""

    cases: tuple[Case, ...]
    rounds: int
    reference: str | None
    estimate: Estimate

    @property
    def seconds(self) -> float:
        """Predicted duration of the whole plan."""
        return self.estimate.total(self.cases, self.rounds)

    def sampling_budgets(self, total: float) -> dict[str, float]:
        """Seconds of sampling per process for each case id, so that the plan takes about `total` seconds.

        What processes cost beside sampling is set aside first; the rest goes to the cases by their predicted cost.
        The least number of samples is taken all the same, so a budget can be too small to be kept.
        """
        sampling = {case: self.estimate.sampling(case) for case in self.cases}
        rest = max(0.0, total - (self.seconds - self.rounds * sum(sampling.values())))
        return {case.id: rest * cost / sum(sampling.values()) / self.rounds for case, cost in sampling.items()}

    @property
    def least_seconds(self) -> float:
        """Duration with the least number of samples everywhere: no smaller budget can be kept."""
        least = replace(self.estimate, pace=replace(self.estimate.pace, budget=0.0))
        return least.total(self.cases, self.rounds)

    def seconds_left(self, budget: float | None = None, stored: Iterable[Result] = ()) -> float:
        """Predicted duration of what has no result yet.

        Args:
            budget: seconds for the whole plan, which may be more than it takes, or less than it can take.
            stored: results that are there already.
        """
        whole = self.seconds if budget is None else max(self.least_seconds, min(self.seconds, budget))
        planned = set(self.cases)
        done = sum(self.estimate.seconds(result.case, result.round) for result in stored if result.case in planned)
        every = sum(self.estimate.seconds(case, n) for case in self.cases for n in range(1, self.rounds + 1))
        return whole * max(0.0, 1 - done / every) if every else 0.0

    def orders(self) -> list[tuple[Case, ...]]:
        """The cases of each round in the order in which they are measured.

        The first round goes by length (`ordered`). Later ones are shuffled, so that no method is confounded with the
        moment at which it runs.
        """
        later = []
        for number in range(2, self.rounds + 1):
            shuffled = sorted(self.cases, key=lambda case: case.id)
            random.Random(ORDER_SEED + number).shuffle(shuffled)
            later.append(tuple(shuffled))
        return [self.cases, *later]


def make_plan(suite: Suite, runner: Runner, stored: Iterable[Result] = ()) -> Plan:
    """Plan a suite.

    Args:
        suite: what to measure.
        runner: it asks what only the implementations' own code knows.
        stored: earlier results of this machine, for the estimate.

    Raises:
        UsageError: for implementations that cannot be loaded and axes that give no case.
    """
    entries = {name: catalog.implementation(name) for name in suite.axes["impl"]}
    own = [name for name, entry in entries.items() if entry.uses_ratio is None]
    facts = runner.describe(own, ()) if own else Facts({}, {})
    cases = grid.expand_cases(suite.axes, {**entries, **facts.methods})
    return plan_cases(cases, suite.settings, runner, stored)


def plan_cases(cases: Iterable[Case], settings: RunSettings, runner: Runner, stored: Iterable[Result] = ()) -> Plan:
    """Plan cases that are known already, for a run with those settings.

    Raises:
        UsageError: when two installed packages use one name for different metrics.
    """
    catalog.metrics()  # a name that two packages claim stops the run here, not each case after its timing
    reference = default_reference(cases := list(cases))
    order = tuple(ordered(cases, reference, ORDER_SEED))
    rounds = settings.rounds
    least = samples_per_round(rounds, settings.samples or SAMPLES_PER_CASE)
    releases = samples_per_round(rounds, settings.samples or P99_SAMPLES)
    search = settings.search is not None
    pace = Pace(settings.isolation != "fresh", least, sampling_seconds(rounds), releases, search)
    return Plan(order, rounds, reference, estimate(order, runner.describe((), order).flops, stored, pace))


def samples_per_round(rounds: int, samples: int = SAMPLES_PER_CASE) -> int:
    """The least samples of one process: `samples` per case over all rounds, and three in each."""
    return max(SAMPLES_PER_PROCESS, -(-samples // rounds))


def sampling_seconds(rounds: int) -> float:
    """Seconds of sampling after which a process with enough samples ends."""
    return max(LEAST_SAMPLING_SECONDS, SAMPLING_SECONDS / rounds)


def ordered(cases: Iterable[Case], reference: str | None, seed: int) -> list[Case]:
    """Return the order of a first round: by length, so that the first case that does not fit spares the longer ones.

    Within a length methods are shuffled, so that none always runs on a machine that the same other one has
    heated. The reference comes first at its length, because the other rows are read as ratios to it.
    """
    shuffled = sorted(cases, key=lambda case: case.id)
    random.Random(seed).shuffle(shuffled)
    return sorted(shuffled, key=lambda case: (case.seq_len, case.implementation != reference))
