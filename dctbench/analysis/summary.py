"""One case over its rounds: the statistics of its samples, before anything is compared."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dctbench import catalog
from dctbench.analysis.between import CLOCK_STEP, CLOCK_STEPS, Between, between_processes
from dctbench.analysis.timeliness import Timeliness, timeliness
from dctbench.catalog.engines import ENGINES
from dctbench.model import Case, CaseWarning, Result, ResultDetails, Status, WarningCode, canonical_json
from dctbench.model.task import TEST_EXAMPLES
from dctbench.stats.moderated import Spread
from dctbench.stats.modes import TwoModes, two_modes
from dctbench.stats.robust import Interval, median_interval, quantile, quantile_upper_bound
from dctbench.stats.tail import LEAST_PROCESSES, bound_over_processes


def _seed(result: Result) -> int:
    training = result.details.training
    return result.round if training is None else training.seed


def same_length(*steps: int | None) -> bool:
    """Whether trainings have the same number of steps, as far as this is known. The name of a task does not tell it."""
    return len({number for number in steps if number is not None}) < 2


@dataclass(frozen=True, slots=True)
class Summary:
    """One case over its rounds.

    `latency` is the geometric mean of the rounds' medians in seconds with the interval between processes. For a single
    round it is the median with the interval within that process. `values` are the other metrics, from the first round.
    `timeliness` is how its calls kept a deadline, if they were released on a schedule: the response time among `values`
    is its median, absent where half of the calls were left out, and the miss rate and the longest run of misses are
    computed from all response times.
    `between` is what all cases that were summarised together show of the differences between processes. `elsewhere` are
    rounds in another environment, which enter no statistic.
    """

    case: Case
    status: Status
    message: str | None
    latency: Interval | None
    samples: tuple[float, ...]
    values: Mapping[str, float]
    units: Mapping[str, str]
    warnings: tuple[CaseWarning, ...]
    rounds: tuple[Result, ...]
    medians: Mapping[int, float]
    between: Between
    elsewhere: tuple[Result, ...] = ()
    timeliness: Timeliness | None = None

    @property
    def in_one_round(self) -> bool:
        """Whether a single process was timed, which tells nothing of the differences between processes."""
        return len(self.medians) < 2

    @property
    def launch_bound(self) -> bool:
        """Whether its latency is for a good part a time of the host, which launches the kernels of a GPU."""
        return any(warning.code is WarningCode.LAUNCH_BOUND for warning in self.warnings)

    @property
    def method(self) -> catalog.Implementation:
        """What the catalog knows of the method that was measured."""
        return catalog.recorded_implementation(self.case.implementation)

    @property
    def error_means(self) -> catalog.ErrorMeans:
        """What its error against exact attention says: by the catalog, or for a user's own method by its class."""
        if self.method.family is not catalog.Family.OWN:  # a file may say anything of a method that is known here
            return self.method.error_means
        stated = self.details.error_means
        return next((one for one in catalog.ErrorMeans if one.value == stated), self.method.error_means)

    @property
    def approximates(self) -> bool:
        """Whether its error is a figure to rank by."""
        return self.error_means is catalog.ErrorMeans.APPROXIMATES

    @property
    def quantised(self) -> bool:
        """Whether it ran in int8, of which nothing is known that was learned in floating point."""
        engine = ENGINES.get(self.case.engine)
        return engine is not None and engine.quantised

    @property
    def exact(self) -> bool:
        """Whether it computes softmax attention itself, and not in int8."""
        return self.method.kind is catalog.Kind.EXACT and not self.quantised

    @property
    def int8_error(self) -> float | None:
        """The relative error of an exact method in int8, else None: on the smooth input or, of a bundle, which has none
        there, its difference from torch's output in float32.
        """
        if self.exact or self.method.kind is not catalog.Kind.EXACT:
            return None
        return self.values.get("error.smooth", self.values.get("error.engine"))

    def seeds(self, metric: str) -> dict[int, float]:
        """Return a metric of a training by seed, for the trainings that finished.

        The seed is the round, except of a base that is compared with several cases: it has a training for each.
        """
        measured = {_seed(result): result.measurement(metric) for result in self.rounds if result.status == "ok"}
        return {seed: figure.samples[0] for seed, figure in measured.items() if figure is not None}

    @property
    def counted(self) -> int:
        """How many samples its main figure has: timed calls or, of the accuracy of a training, seeds."""
        return len(self.samples) or len(self.seeds(catalog.ACCURACY))

    @property
    def accuracy_step(self) -> float:
        """What one sequence of the test adds to an accuracy: the accuracy of a training is not known better."""
        trainings = (result.details.training for result in self.rounds)
        tested = [training.test_examples for training in trainings if training and training.test_examples]
        return 1 / min(tested, default=TEST_EXAMPLES)

    @property
    def training_steps(self) -> dict[int, int]:
        """The steps of its trainings by seed, where they are known."""
        trainings = {_seed(result): result.details.training for result in self.rounds}
        return {seed: training.steps for seed, training in trainings.items() if training is not None}

    @property
    def timed(self) -> Interval | None:
        """Its latency if it ran in every process; None for a case that failed in any of them."""
        return self.latency if self.status == "ok" else None

    @property
    def apart_from_rounds(self) -> Spread | None:
        """How much its log latencies vary apart from what the rounds have in common; None where this is not known."""
        return self.between.apart_from_rounds(self.medians)

    @property
    def clock_step(self) -> float:
        """The step of the clock that took its latency, as a share of this; only for a case that was timed."""
        return _clock_step(self.rounds, self.medians)

    @property
    def step_of_a_call(self) -> float:
        """The step in seconds by which the clock tells the times of one call apart."""
        return _step_of_a_call(self.rounds)

    @property
    def modes(self) -> TwoModes | None:
        """The two speeds in seconds between which its processes differ; None where they do not fall into two."""
        return two_modes(tuple(self.medians.values()))

    @property
    def memory(self) -> float | None:
        """Bytes that the method needs beside its input: peak tensor bytes of a call plus parameters and buffers."""
        tensor, state = self.values.get("memory.tensor"), self.values.get("memory.state")
        return None if tensor is None or state is None else tensor + state

    @property
    def calls_per_sample(self) -> int:
        """The most calls of which a sample of any round is the mean."""
        return max(result.details.calls_per_sample or 1 for result in self.rounds)

    @property
    def p95(self) -> float | None:
        """The 95th percentile of single calls in seconds.

        None under 20 samples, and where a sample is the mean of several calls.
        """
        return quantile(self.samples, 0.95) if len(self.samples) >= 20 and self.calls_per_sample == 1 else None

    @property
    def p99(self) -> Interval | None:
        """As `tail`, with 95% confidence."""
        return self.tail()

    def tail(self, confidence: float = 0.95) -> Interval | None:
        """Return the 99th percentile of single calls in seconds; `high` is its upper end with that confidence.

        `high` holds for the processes that ran. From 30 processes on it is a bound for others too (`tail_is_bound`).
        None under 299 samples (459 for 99% confidence), and where a sample is the mean of several calls.
        """
        if self.calls_per_sample > 1:
            return None
        high = quantile_upper_bound(self.samples, 0.99, confidence)
        if high is None:
            return None
        processes = [m.samples for result in self.rounds if (m := result.measurement("latency")) is not None]
        bound = bound_over_processes(processes, 0.99, confidence)
        value = quantile(self.samples, 0.99)
        return Interval(value, value, high if bound is None else max(high, bound))

    @property
    def tail_is_bound(self) -> bool:
        """Whether the upper end of `tail` holds for processes that did not run, too."""
        return len(self.medians) >= LEAST_PROCESSES

    @property
    def fingerprint(self) -> str:
        """Of the environment in which it ran."""
        return self.rounds[0].fingerprint

    @property
    def details(self) -> ResultDetails:
        """The details of the first round."""
        return self.rounds[0].details


def summarise(results: Iterable[Result]) -> list[Summary]:
    """Return one summary per case of a run, in the order in which the cases first appear.

    Cases of one environment and one kind of device tell each other how much their processes differ. What two
    environments measured is never averaged: of a case that ran in several, the one with the most rounds counts, and a
    warning tells of the others.
    """
    by_case: dict[Case, list[Result]] = {}
    for result in results:
        by_case.setdefault(result.case, []).append(result)
    parts = {case: _by_environment(rounds) for case, rounds in by_case.items()}
    medians: dict[tuple[str, str], dict[Case, Mapping[int, float]]] = {}
    for case, (rounds, _) in parts.items():
        medians.setdefault((rounds[0].fingerprint, case.device_kind), {})[case] = _medians(rounds)
    between = {there: between_processes(found) for there, found in medians.items()}
    return [
        _summary(case, rounds, elsewhere, medians[there][case], between[there])
        for case, (rounds, elsewhere) in parts.items()
        for there in [(rounds[0].fingerprint, case.device_kind)]
    ]


def _by_environment(results: Sequence[Result]) -> tuple[Sequence[Result], Sequence[Result]]:
    """Return the rounds of a case, in order, in the environment with the most of them, and its rounds in others.

    Accuracies compare across environments, so the seeds of a training belong together wherever they ran.
    """
    rounds = sorted(results, key=lambda result: result.round)
    if rounds[0].case.task is not None:
        return rounds, ()
    counts = Counter(result.fingerprint for result in rounds)  # of equal counts, the earliest round decides
    [(most, _)] = counts.most_common(1)
    return (
        [result for result in rounds if result.fingerprint == most],
        [result for result in rounds if result.fingerprint != most],
    )


def _medians(results: Iterable[Result]) -> dict[int, float]:
    """The median seconds of each round that succeeded, in order."""
    timed = {r.round: latency for r in results if r.status == "ok" and (latency := r.measurement("latency"))}
    return {number: statistics.median(timed[number].samples) for number in sorted(timed)}


def _summary(
    case: Case,
    rounds: Sequence[Result],
    elsewhere: Sequence[Result],
    medians: Mapping[int, float],
    between: Between,
) -> Summary:
    worst = next((r for r in rounds if r.status != "ok"), rounds[0])
    left_out = [CaseWarning(WarningCode.OTHER_MACHINE, {"rounds": len(elsewhere)})] if elsewhere else []
    samples: list[float] = []
    values: dict[str, float] = {}
    by_seed: dict[str, list[float]] = {}
    units: dict[str, str] = {}
    for result in rounds:
        for metric, unit, taken in result.measurements:
            if metric == "latency":
                samples.extend(taken)
            else:
                by_seed.setdefault(metric, []).append(taken[0])
                known = catalog.metric(metric)
                values.setdefault(metric, statistics.fmean(taken) if known and known.averaged else taken[0])
                units.setdefault(metric, unit)
    if case.task is not None:
        values = {metric: statistics.fmean(figures) for metric, figures in by_seed.items()}
    kept = timeliness(case, rounds)
    if kept is not None:
        values.pop("response", None)
        figures = {"miss_rate": kept.rate_of_misses, "misses.longest": kept.longest_run}
        if 0.5 in kept.quantiles:
            figures = {"response": kept.quantiles[0.5], **figures}
        values |= figures
        units |= {metric: catalog.METRICS[metric].unit or "" for metric in figures}
    return Summary(
        case=case,
        status=worst.status,
        message=worst.message,
        latency=_latency(rounds, medians, samples, between),
        samples=tuple(samples),
        values=values,
        units=units,
        warnings=_unique([*left_out, *(warning for result in rounds for warning in result.warnings)]),
        rounds=tuple(rounds),
        medians=medians,
        between=between,
        elsewhere=tuple(elsewhere),
        timeliness=kept,
    )


def _unique(warnings: Iterable[CaseWarning]) -> tuple[CaseWarning, ...]:
    """Each warning once: several rounds often have the same one."""
    return tuple({canonical_json(warning.to_json()): warning for warning in warnings}.values())


def _clock_step(rounds: Sequence[Result], medians: Mapping[int, float]) -> float:
    step = _step_of_a_call(rounds)
    return step / max(step, min(medians.values()))  # a file may say that a call took less than any clock can tell


def _step_of_a_call(rounds: Sequence[Result]) -> float:
    """Return the step of the clock, divided by the calls of a sample."""
    step = CLOCK_STEPS.get(rounds[0].case.device_kind, CLOCK_STEP)
    return step / min(result.details.calls_per_sample or 1 for result in rounds)


def _latency(
    rounds: Sequence[Result], medians: Mapping[int, float], samples: Sequence[float], between: Between
) -> Interval | None:
    if len(medians) >= 2:
        return between.of_latencies(medians, _clock_step(rounds, medians)).interval()
    return median_interval(samples) if samples else None


def arranged(summaries: Iterable[Summary], reference: str | None) -> list[Summary]:
    """Return the summaries in reading order: by length, then the reference first, then by method and how much it keeps.

    A sweep measures the methods in a shuffled order.
    """
    summaries = list(summaries)
    position = method_order({summary.case.implementation for summary in summaries}, reference)

    def place(summary: Summary) -> tuple[object, ...]:
        case = summary.case
        return (case.seq_len, *map(str, case.shape), position[case.implementation], case.compression)

    return sorted(summaries, key=place)


def method_order(names: Iterable[str], reference: str | None) -> dict[str, int]:
    """Return the place of each method in a table: the reference first, then in the order of `dctbench list impls`."""
    known = {name: position for position, name in enumerate(catalog.IMPLEMENTATIONS)}
    ordered = sorted(set(names), key=lambda name: (name != reference, known.get(name, len(known)), name))
    return {name: position for position, name in enumerate(ordered)}
