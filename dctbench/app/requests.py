"""What a user asks for: one typed, validated request for each thing that dctbench does.

A request is checked when it is made. The command line builds one from its flags, a notebook builds one by hand. Both
pass it to one function of this package.
"""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass, field
from typing import Literal

from dctbench.analysis import Budgets
from dctbench.analysis.floors import AccuracyFloor
from dctbench.compare.noise import LEAST_PAIRS
from dctbench.errors import UsageError
from dctbench.model import CacheState, Isolation, MeasuringProtocol, Search, Shards
from dctbench.runners.interpreters import program
from dctbench.spec import suites
from dctbench.spec.axes import AxisValues, check_given, one_implementation
from dctbench.spec.gate import GateRules, check_confidence
from dctbench.spec.grid import SEQ_LEN
from dctbench.spec.suites import MAX_JOBS, MAX_ROUNDS, MAX_SAMPLES_ASKED, Suite
from dctbench.store import DEFAULT_STORE, checked_baseline_name, clean_label
from dctbench.text.format import listed
from dctbench.text.parse import LONGER_THAN_ALLOWED, MAX_DURATION


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where cases run.

    Attributes:
        runner: `local` for this machine, `ray` for the nodes of a Ray cluster.
        address: HOST:PORT of the cluster, or `auto`.
        require_same_cpu: whether nodes of different fingerprints are refused.
        timeout: seconds to wait for nodes that are free.

    Raises:
        UsageError: for settings of a cluster without one.
    """

    runner: Literal["local", "ray"] = "local"
    address: str | None = None
    require_same_cpu: bool = False
    timeout: float | None = None

    def __post_init__(self) -> None:
        _check_seconds("--runner-timeout", self.timeout)
        given = {"--address": self.address is not None, "--require-same-cpu": self.require_same_cpu,
                 "--runner-timeout": self.timeout is not None}  # fmt: skip
        alone = next((flag for flag, set_ in given.items() if set_), None)
        if self.runner == "local" and alone is not None:
            raise UsageError(f"{alone} is for a cluster, and cases run on this machine", hint="add --runner ray")

    @property
    def flags(self) -> list[str]:
        """The flags of `run` that ask for the same, quoted for a shell."""
        if self.runner == "local":
            return []
        address = [] if self.address is None else ["--address", shlex.quote(self.address)]
        same = ["--require-same-cpu"] if self.require_same_cpu else []
        timeout = [] if self.timeout is None else ["--runner-timeout", f"{self.timeout:.15g}s"]
        return ["--runner", self.runner, *address, *same, *timeout]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Measure a suite as a new run.

    Attributes:
        suite: a shipped suite's name, a TOML file, or a suite.
        axes: values in place of the suite's.
        rounds: processes of every case; None for the suite's, which may have more for short ones.
        samples: the least samples per case, and calls on its schedule, over all rounds; None for the suite's.
        priority: run calls on a schedule before all other programs, where the system allows it.
        search: `rate` to search for the highest rate that a case sustains; None for no search.
        isolation: how a case gets its process; None for the suite's.
        cache: what the last-level cache holds when a call begins; None for the default of the device.
        energy: measure the energy of a call; None for the suite's.
        protocol: `authors` to measure latency and memory as DCT-Former's authors do, too; None for the suite's.
        case_timeout: seconds after which a case is ended; None for the suite's.
        budget: seconds for the whole run; None for no budget.
        jobs: trainings at a time on the processor; None for the suite's.
        prune: leave out longer lengths after one ran out of memory or time.
        label: a name for the run.
        shard: which one of several parts of the suite to measure; None for all of it. All parts need one label.
        where: on which machines.
        store: a path, or the URL of a PostgreSQL database.
        save_baseline: a name that points to the run once all its cases went well.
        command: the words of the command line, stored with the run.

    Raises:
        UsageError: for a wrong value, naming the flag of the command line that sets it.
    """

    suite: str | Suite = "quick"
    axes: AxisValues = field(default_factory=AxisValues)
    rounds: int | None = None
    samples: int | None = None
    priority: bool = False
    search: Search | None = None
    isolation: Isolation | None = None
    cache: CacheState | None = None
    energy: bool | None = None
    protocol: MeasuringProtocol | None = None
    case_timeout: float | None = None
    budget: float | None = None
    jobs: int | None = None
    prune: bool = True
    label: str | None = None
    shard: Shards | None = None
    where: Where = field(default_factory=Where)
    store: str = DEFAULT_STORE
    save_baseline: str | None = None
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_count("--rounds", self.rounds, MAX_ROUNDS)
        _check_count("--jobs", self.jobs, MAX_JOBS)
        _check_count("--samples", self.samples, MAX_SAMPLES_ASKED)
        _check_seconds("--case-timeout", self.case_timeout)
        _check_seconds("--budget", self.budget)
        _check_names(self)
        _check_shard(self)

    @property
    def resolved_suite(self) -> Suite:
        """The suite with the axes and settings of this request.

        Raises:
            UsageError: when there is no such suite, or its file is not valid.
        """
        suite = suites.load(self.suite) if isinstance(self.suite, str) else self.suite
        own = suite.settings
        if self.jobs is not None and not trains(suite, self.axes):
            raise UsageError("--jobs is for trainings", hint="add --task, such as --task recall")
        if (self.priority or self.search) and not on_schedule(suite, self.axes):
            flag = "--priority" if self.priority else "--search"
            raise UsageError(f"{flag} is for calls on a schedule", hint="add --period, such as --period 20ms")
        made = suites.override(
            suite,
            self.axes,
            rounds=self.rounds or own.rounds,
            short_rounds=None if self.rounds else own.short_rounds,
            samples=self.samples or own.samples,
            isolation=self.isolation or own.isolation,
            priority=self.priority,
            search=self.search,
            cache=self.cache,
            energy=own.energy if self.energy is None else self.energy,
            protocol=self.protocol or own.protocol,
            budget=self.budget,
            jobs=self.jobs or own.jobs,
            prune=self.prune,
            **({} if self.case_timeout is None else {"case_timeout": self.case_timeout}),
        )
        _check_protocol(made)
        return made


def on_schedule(suite: Suite, axes: AxisValues) -> bool:
    """Whether cases of a suite with these axes are called on a schedule."""
    return bool({*suite.axes, *axes.given} & {"period", "deadline"})


def trains(suite: Suite, axes: AxisValues) -> bool:
    """Whether cases of a suite with these axes are trainings."""
    return bool(axes.task or suite.axes["task"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequest:
    """Resume a stored run, with the plan and the settings that it was started with.

    Attributes:
        run: an id, a label or a baseline's name; None for the latest unfinished run.
        retry_failed: measure cases that ended in error or timeout again.
        where: on which machines.
        store, save_baseline: as in `RunRequest`.
    """

    run: str | None = None
    retry_failed: bool = False
    where: Where = field(default_factory=Where)
    store: str = DEFAULT_STORE
    save_baseline: str | None = None

    def __post_init__(self) -> None:
        if self.save_baseline is not None:
            checked_baseline_name(self.save_baseline)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """Measure now, and judge against a base. Exactly one of `baseline`, `base_python` and `base_impl` is given.

    Attributes:
        baseline: a stored run or an exported file; head alone is measured.
        further_baselines: more runs of the same code as `baseline`. Without one, latencies are advisory.
        base_python: an interpreter in which the base is installed; both are measured in pairs.
        base_impl: an implementation that every case is compared with; both are measured in pairs.
        suite: as in `RunRequest`. None means what the baseline measured or, without a baseline, the suite `ci`.
        axes: values in place of the suite's.
        rules: of the verdicts; they override the suite's `[gate]`.
        inconclusive: how a check ends if nothing is worse but verdicts are INCONCLUSIVE; None for exit code 3.
        label, store, command: as in `RunRequest`.
        save_baseline: a name that points to head's run if the check passes; only with `baseline`.

    Raises:
        UsageError: for a wrong value, naming the flag of the command line that sets it.
    """

    baseline: str | None = None
    further_baselines: tuple[str, ...] = ()
    base_python: str | None = None
    base_impl: str | None = None
    suite: str | Suite | None = None
    axes: AxisValues = field(default_factory=AxisValues)
    rules: GateRules = field(default_factory=GateRules)
    inconclusive: Literal["pass", "fail"] | None = None
    label: str | None = None
    store: str = DEFAULT_STORE
    save_baseline: str | None = None
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given = [name for name in ("base_python", "base_impl", "baseline") if getattr(self, name) is not None]
        if len(given) != 1:
            flags = listed(f"--{name.replace('_', '-')}" for name in given)
            raise UsageError(
                f"{flags}: a check has one base" if given else "a check needs a base to compare with",
                hint="give one of --base-python, --base-impl and --baseline",
            )
        if self.base_python is not None:
            program(self.base_python)
        if self.base_impl is not None:
            object.__setattr__(self, "base_impl", one_implementation("--base-impl", self.base_impl))
        _check_names(self)
        if self.save_baseline is not None and self.baseline is None:
            raise UsageError(
                "--save-baseline: this check measures head in turns with base, and such a run cannot be compared with "
                "one that was measured by itself",
                hint=f"measure a baseline by itself: dctbench run --suite ci --save-baseline {self.save_baseline!r}",
            )

    @property
    def baselines(self) -> tuple[str, ...]:
        """All stored runs that head is compared with, the one that it is judged against first."""
        return () if self.baseline is None else (self.baseline, *self.further_baselines)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseRequest:
    """Ask which method to ship at one length.

    Attributes:
        seq_len: the length to decide for.
        axes: of device, dtype, scope, mode, engine, batch, heads, head_dim, threads, input, model and ranks, the one
            value to decide for; None for any.
        reference: what ratios are taken against; None for sdpa or, where that is missing, the next exact method.
        budgets: the most that a method may need.
        floors: the least accuracy on tasks, from stored trainings.
        max_loss: in a model, the loss of each figure of its evaluation that does not matter; 0.02 for two points.
        run: a stored run or an exported file; None for the latest one that measured the length.
        measure: measure the length now, instead of looking for it in the store.
        store, command: as in `RunRequest`.

    Raises:
        UsageError: for a wrong length or confidence, more than one value of an axis, an empty reference, what is for a
            model without one or for a layer with one, and with `measure` for a run, and for a budget of what the axes
            do not measure.
    """

    seq_len: int
    axes: AxisValues = field(default_factory=AxisValues)
    reference: str | None = None
    budgets: Budgets = field(default_factory=Budgets)
    floors: tuple[AccuracyFloor, ...] = ()
    max_loss: float | None = None
    run: str | None = None
    measure: bool = False
    store: str = DEFAULT_STORE
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_count("--seq", self.seq_len, SEQ_LEN.maximum)
        check_confidence(self.budgets.confidence)
        for axis, values in self.axes.given.items():
            if len(values) != 1:
                flag = f"--{axis.replace('_', '-')}"
                raise UsageError(f"{flag}: one value is decided for at a time", hint=f"such as {flag} {values[0]}")
        if self.max_loss is not None and self.axes.model is None:
            raise UsageError("--max-loss is for a model", hint="add --model, or use --min-accuracy for a task")
        if self.floors and self.axes.model is not None:
            raise UsageError(
                "--min-accuracy and --task are for a layer: a model has its own evaluation",
                hint="leave them out, or give --max-loss 2pt",
            )
        if self.reference is not None:
            check_given("--reference", self.reference)
        if self.reference is not None and self.axes.model is not None:
            raise UsageError(
                "--reference is for a layer: a model is compared with the model as it is", hint="leave it out"
            )
        if self.measure:
            _check_measurable(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseRequest:
    """Measure the same code against itself.

    Attributes:
        rounds: pairs of processes per case; None for those of the suite `noise`.
        store, command: as in `RunRequest`.
    """

    rounds: int | None = None
    store: str = DEFAULT_STORE
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_count("--rounds", self.rounds, MAX_ROUNDS, least=LEAST_PAIRS)


def _check_measurable(request: ChooseRequest) -> None:
    """Refuse to measure for a request that a new run cannot answer.

    Raises:
        UsageError: for a run, and for a budget of what the axes do not measure.
    """
    if request.run is not None:
        raise UsageError("--measure makes a new run", hint="leave out RUN, or --measure")
    if request.budgets.miss_rate is not None and request.axes.period is None and request.axes.deadline is None:
        raise UsageError("--max-miss-rate is for calls on a schedule", hint="add --period, such as --period 20ms")
    if request.budgets.error_input is not None and request.axes.input is None:
        raise UsageError("--max-error input=SHARE needs an input", hint="add --input, such as --input ecg")


def _check_names(request: RunRequest | CheckRequest) -> None:
    """Normalise the label and check the name of the baseline, before anything is measured."""
    if request.label is not None:
        object.__setattr__(request, "label", clean_label(request.label) or None)
    if request.save_baseline is not None:
        checked_baseline_name(request.save_baseline)


def _check_shard(request: RunRequest) -> None:
    if request.shard is None:
        return
    if request.label is None:
        raise UsageError(
            f"--shard {request.shard} needs a label, by which the shards of one sweep know each other",
            hint="give all of them the same, such as --label nightly-2026-07-01",
        )
    check_baseline_of_shard(str(request.shard), request.save_baseline)


def check_baseline_of_shard(shard: str | None, baseline: str | None) -> None:
    """Refuse to name a part of a run as a baseline.

    Args:
        shard: which part it is, such as `1/3`; None for a whole run.
        baseline: the name that is asked for, or None.

    Raises:
        UsageError: for a name and a part.
    """
    if shard is not None and baseline is not None:
        raise UsageError(
            f"--save-baseline: shard {shard} is a part of a run",
            hint="leave it out: once the shards are merged, the label names their run",
        )


def _check_protocol(suite: Suite) -> None:
    """Refuse the authors' protocol for what they do not measure.

    Raises:
        UsageError: naming the flag.
    """
    if suite.settings.protocol is None:
        return
    for axis in ("task", "model", "period", "deadline", "ranks"):
        if suite.axes.get(axis):
            raise UsageError(
                f"--protocol {suite.settings.protocol} times calls of a layer or an encoder, so it cannot go with "
                f"--{axis}",
                hint="measure by the protocol in a run of its own, such as dctbench run --suite paper",
            )
    measured = {"mode": "forward", "engine": "eager"}
    for axis, value in measured.items():
        other = next((one for sweep in suite.sweeps for one in sweep[axis] if one != value), None)
        if other is not None:
            raise UsageError(
                f"--protocol {suite.settings.protocol} times {value} calls, not --{axis} {other}",
                hint=f"give --{axis} {value}, or measure without the protocol",
            )


def _check_count(flag: str, value: int | None, most: int, least: int = 1) -> None:
    if value is not None and not least <= value <= most:
        raise UsageError(f"{flag} {value}: out of range", hint=f"{flag} accepts {least} to {most}")


def _check_seconds(flag: str, value: float | None) -> None:
    if value is not None and not 0 < value <= MAX_DURATION:
        problem = "not a duration" if not value > 0 or math.isinf(value) else LONGER_THAN_ALLOWED
        raise UsageError(f"{flag} {value}: {problem}", hint=f"such as {flag} 120s")
