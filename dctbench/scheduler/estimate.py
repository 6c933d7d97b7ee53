"""Predict how long a sweep will take: FLOPs by each method's formula x the rate that this machine has shown.

Cases span five orders of magnitude, so counting them would predict nothing. Without a stored result the rates are
rough defaults, and the estimate says so.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from dctbench.machine.periodic import longest_seconds
from dctbench.model import DTYPE_BYTES, Case, Result
from dctbench.model.task import PROBE_SHARE, RATES
from dctbench.scheduler.pace import DEFAULT_PACE, LATER_SECONDS, Pace, most_rounds
from dctbench.text.quantity import FLOP, SHORTEST

DEFAULT_RATE = 5e10
"""FLOP/s of an unmeasured method on an unmeasured machine: a laptop's core or two, in float32."""
TRAINING_RATE = 3e10
"""FLOP/s of the small models of tasks on one core."""
TRAINING_WORK = 3.0
"""Work of a step relative to its forward pass."""
GPU_RATES = {2: 1e14, 4: 1e13, 8: 3e12}
"""FLOP/s of an unmeasured method on an unmeasured GPU, by the bytes of a number: a third of the peak rates in the data
sheet of NVIDIA's A100 (2020), which are 312, 19.5 and 9.7 TFLOP/s."""
LAUNCH_SECONDS = 6e-6
LAUNCHES = {"eager": 20, "compile": 10, "cudagraph": 2}
"""Launches of a forward call of a layer, by engine. The methods here launch 5 to 40 kernels in eager mode."""
MODE_WORK = {"forward": 1.0, "backward": 2.0, "train": 3.0}
"""Work of a mode relative to a forward pass: each product has two in its backward pass."""
MODEL_WORK = 18
"""Work of a whole model relative to one layer of exact attention, roughly: six blocks of three times the layer's."""
MODEL_CALLS = 100
"""Calls of a model beside those that are timed: outputs that are compared, and an evaluation of unknown length."""
RECOVERY_CALLS = 1.75 * 4 * 8
"""Calls of a batch of one per step of the training after a conversion: its probes, a backward pass, the original."""
ZYGOTE_SECONDS = 2.5
PROCESS_SECONDS = {True: 0.15, False: 2.0}  # forked; started afresh
MAKING = {"compile": (12.0, 8.0), "executorch": (14.0, 7.0), "onnxruntime": (4.0, 0.5), "openvino": (4.0, 0.5)}
"""Seconds in which the first process of a case compiles or exports it, and a later one reads what is there, by engine.

They were seen on two slow cores. Where the metric `compile` was measured on this machine, both are scaled by it.
"""
RANK_SECONDS = 2.0
"""The start of a further rank, which imports torch for itself while the others do."""
CONTEXT_SECONDS = 1.0
"""A process's first use of a GPU, and the end of its context."""
DRAWN_PER_SECOND = 1e8
ROTATION = 4
"""Random numbers that a core draws, and the inputs that every process draws, as in `worker.metrics.inputs`."""
PROFILER_SECONDS = 1.5
"""The passes of a first round that only GPUs have: queued time and kernel time."""
ENERGY_SECONDS = 3.5
"""The pass with the energy counter of a GPU."""
HOST_RATE = 1e11
"""FLOP/s in float64 of the host of a GPU, which computes the exact outputs."""
FIRST_CALLS = {True: 10, False: 4}
"""Untimed calls of a first round, by whether calls are short: checks, memory, the split of the time, and two errors."""
LATER_CALLS = {True: 1, False: 0}
"""Untimed calls of a later round beside the first call: the checked blocks."""
EXACT_WORK = 2.0
"""The work of exact attention in float64, which errors are measured against, relative to that of the reference."""
EXACT = "sdpa"
EXACT_ROWS, EXACT_ROWS_ABOVE = 1024, 16_384
"""As in `worker.metrics.error`: above this length only so many rows are compared, on two inputs."""
SAMPLING_CALLS = 30
"""Samples after which a median is usually known well enough, where the budget allows that many."""
LONG_CALL = 0.25
LONG_SECONDS = 1.5
"""As in `worker.metrics.latency`: a long call has no warm-up but its first, and few samples."""
AUTHORS_CALLS, AUTHORS_LEAST_CALLS, AUTHORS_CPU_SECONDS = 50, 3, 10.0
"""As in `worker.authors`."""
AUTHORS_WORK = 1.5
"""Work of a call that keeps what a backward pass needs, in new memory, relative to one that does not."""
AUTHORS_OTHER_CALLS = 4
"""Two calls under the profiler, which slows them down."""
LEAST_CALL = 1e-3
"""Shorter calls are repeated within one sample of this length."""
_ONCE: Mapping[Case, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Estimate:
    """Predicted seconds of one call by case.

    `lacking` says what was not measured on this machine, such as `no training`; None if the prediction rests on results
    of this machine.
    `anywhere` is predicted without any measurement, and therefore equal on all machines. `exact` has the seconds of the
    exact outputs that errors are measured against, by the case that computes them. `making` has the seconds in which
    the first process of a case, and a later one, compile or export it. `left_out` are the cases that need not run once
    a shorter one has not ended (`longer_than_unending`).
    """

    calls: Mapping[Case, float]
    lacking: str | None
    pace: Pace
    anywhere: Mapping[Case, float]
    exact: Mapping[Case, float] = field(default_factory=dict)
    making: Mapping[Case, tuple[float, float]] = field(default_factory=dict)
    left_out: frozenset[Case] = frozenset()

    @property
    def caveat(self) -> str:
        """Why the estimate may be far off; empty if it is based on measurements in this environment."""
        return f"rough: {self.lacking} measured in this environment yet" if self.lacking else ""

    @property
    def measured(self) -> bool:
        """Whether it rests on measurements in this environment."""
        return self.lacking is None

    def overhead(self, case: Case, round: int) -> float:
        """Seconds of one process outside sampling: start, first call, warm-up, checks and, in round 1, other passes.

        A training, which takes no samples, makes the run longer by its part of the processor.
        """
        call = self.calls[case]
        if case.task is not None:
            return (PROCESS_SECONDS[self.pace.forked(case)] + call) / self.pace.jobs
        short = call < LONG_CALL
        warmup = (self.pace.warmup if round == 1 else LATER_SECONDS) if short else 0.0
        untimed = FIRST_CALLS if round == 1 else LATER_CALLS
        rest = warmup if 3 * call < warmup else 3 * call * short
        exact = self.exact.get(case, 0.0) if round == 1 else 0.0
        start = self._start(case) + self._gpu_overhead(case, round) + self._energy(case, round)
        start += self.making.get(case, (0.0, 0.0))[round > 1]
        return start + call + rest + untimed[short] * max(call, LEAST_CALL) + exact

    def _start(self, case: Case) -> float:
        """Seconds until the processes of a case have torch."""
        return PROCESS_SECONDS[self.pace.forked(case)] + RANK_SECONDS * ((case.ranks or 1) - 1)

    def _gpu_overhead(self, case: Case, round: int) -> float:
        """Seconds that only a process on a GPU takes."""
        if case.device_kind != "cuda":
            return 0.0
        drawn = ROTATION * case.batch * case.seq_len * case.dim / DRAWN_PER_SECOND
        return CONTEXT_SECONDS + drawn + (PROFILER_SECONDS if round == 1 else 0.0)

    def _energy(self, case: Case, round: int) -> float:
        """Seconds of the pass that measures the energy of a call, in the first process of a case."""
        if not self.pace.energy or round > 1 or (case.ranks or 1) > 1:
            return 0.0
        return ENERGY_SECONDS if case.device_kind == "cuda" else self.pace.cpu_energy

    @staticmethod
    def _model_calls(case: Case, round: int) -> float:
        """Calls of a whole model for the figures beside its latency."""
        if case.model is None:
            return 0.0
        return (MODEL_CALLS if round == 1 else 0) + RECOVERY_CALLS * (case.recover or 0) / case.batch

    def sampling(self, case: Case, round: int) -> float:
        """Seconds of sampling in one process."""
        if case.task is not None or case in self.left_out or not self.ends(case):
            return 0.0
        call = self.calls[case]
        least = self.pace.samples(round)
        if call >= LONG_CALL and not self.pace.exactly:
            least = max(1, min(least, math.ceil(LONG_SECONDS / call)))
            return least * call
        budget = self.pace.budget if round == 1 else self.pace.later_budget
        return max(least * call, min(budget, SAMPLING_CALLS * max(call, LEAST_CALL)))

    def seconds(self, case: Case, round: int) -> float:
        """Seconds of one process. No call but those on a schedule begins after its time limit.

        A process whose call takes longer than that is ended, and its case has no later round.
        """
        if case in self.left_out:
            return 0.0
        if not self.ends(case):
            together = 1 if case.task is None else self.pace.jobs
            return (self._start(case) + self._patience(case)) / together if round == 1 else 0.0
        call = self.calls[case]
        spent = min(self.overhead(case, round) + self.sampling(case, round), max(self.pace.limit, 2 * call))
        rest = self.scheduled(case, round) + self._model_calls(case, round) * call
        return spent + rest + self._by_authors(case, round)

    def in_rounds(self, case: Case, rounds: int) -> float:
        """Seconds of all processes of a case together. Those after the first take equally long."""
        return self.seconds(case, 1) + (rounds - 1) * self.seconds(case, 2) if rounds else 0.0

    def ends(self, case: Case) -> bool:
        """Whether a call, or a whole training, ends before the runner ends its process."""
        return self.calls[case] <= self._patience(case)

    def _patience(self, case: Case) -> float:
        """Seconds without a sign of life after which the runner ends the first process of a case."""
        if case.period is None:
            return self.pace.limit
        return self.pace.limit + longest_seconds(case.period, self.pace.releases, search=self.pace.search)

    def longer_than_unending(self, cases: Iterable[Case]) -> frozenset[Case]:
        """Return the cases for which a shorter case of the same row is not predicted to end."""
        shortest: dict[tuple[object, ...], int] = {}
        cases = list(cases)
        for case in cases:
            if not self.ends(case):
                shortest[case.row] = min(case.seq_len, shortest.get(case.row, case.seq_len))
        return frozenset(case for case in cases if case.seq_len > shortest.get(case.row, case.seq_len))

    def _by_authors(self, case: Case, round: int) -> float:
        """Seconds of the process that measures a case by the authors' protocol too."""
        if not self.pace.by_authors or round > 1 or case.task is not None:
            return 0.0
        call = AUTHORS_WORK * self.calls[case]
        calls = AUTHORS_CALLS
        if case.device_kind == "cpu":
            calls = min(calls, max(AUTHORS_LEAST_CALLS, math.ceil(AUTHORS_CPU_SECONDS / call)))
        context = CONTEXT_SECONDS if case.device_kind == "cuda" else 0.0
        return PROCESS_SECONDS[self.pace.forked(case)] + context + (calls + AUTHORS_OTHER_CALLS) * call

    def scheduled(self, case: Case, round: int) -> float:
        """Seconds of calls on a schedule in one process."""
        if case.period is None:
            return 0.0
        search = self.pace.search and round == 1
        return longest_seconds(max(case.period, self.calls[case]), self.pace.releases, search=search)

    def total(self, rounds: Mapping[Case, int], repeats: Mapping[Case, int] = _ONCE) -> float:
        """Seconds for all of the cases in all of their rounds; `repeats` as in `Plan`. Each round starts one parent."""
        starts = most_rounds(rounds) * ZYGOTE_SECONDS if any(map(self.pace.forked, rounds)) else 0.0
        return starts + sum(repeats.get(case, 1) * self.in_rounds(case, most) for case, most in rounds.items())


def estimate(
    cases: Sequence[Case],
    flops: Mapping[Case, int | None],
    stored: Iterable[Result] = (),
    pace: Pace = DEFAULT_PACE,
) -> Estimate:
    """Predict the seconds of one call of each case, or of its whole training.

    Args:
        cases: what will be measured.
        flops: FLOPs of one forward call, or of all forward passes of a training; None if the method states no formula,
            and exact attention's are used, or those of the costliest training of the same task.
        stored: results of this machine. A case that was measured is predicted by its own latency, another one by the
            rate of the same method at the nearest length.
        pace: how processes spend their time.
    """
    stored = list(stored)
    known, trained = _Known(stored), _Trained(stored, flops)
    calls, anywhere = _calls(cases, flops, stored), _calls(cases, flops, ())
    exact: dict[Case, float] = {}
    for case in {case.shape: case for case in reversed(cases) if case.scope not in ("encoder", "model")}.values():
        attention = replace(case, implementation=EXACT, ratio=None, kept=None, mode="forward", ranks=None)
        rows = min(1.0, EXACT_ROWS / case.seq_len) if case.seq_len > EXACT_ROWS_ABOVE else 1.0
        on_gpu = case.device_kind == "cuda"
        took = exact_flops(case) / HOST_RATE if on_gpu else EXACT_WORK * known.seconds(attention, exact_flops(case))
        exact[case] = 2 * rows * took
    making = {case: known.making(case) for case in cases if case.task is None}
    return Estimate(calls, _lacking(cases, known, trained), pace, anywhere, exact, making)


def _lacking(cases: Sequence[Case], known: _Known, trained: _Trained) -> str | None:
    """Return what is missing for the estimate, in words: latencies predict timed cases, and trainings trainings."""
    if not known.any and not trained.known:
        return "nothing"
    if not known.any and any(case.task is None for case in cases):
        return "no latency"
    return "no training" if not trained.known and any(case.task is not None for case in cases) else None


def _calls(cases: Sequence[Case], flops: Mapping[Case, int | None], stored: Sequence[Result]) -> dict[Case, float]:
    """Return the seconds of one call, or of a whole training, by what these results say about this machine."""
    known, trained = _Known(stored), _Trained(stored, flops)
    return {
        case: known.seconds(case, flops.get(case) or exact_flops(case) * _layers(case))
        if case.task is None
        else trained.seconds(case)
        for case in cases
    }


class _Trained:
    """What stored trainings say about the time of others. A training and its probes take `PROBED` times its own."""

    PROBED = 1 + len(RATES) / PROBE_SHARE

    def __init__(self, results: Iterable[Result], flops: Mapping[Case, int | None]) -> None:
        self.flops = {case: count for case, count in flops.items() if case.task is not None and count}
        taken: dict[Case, list[float]] = {}
        for result in results:
            figure = result.measurement("train.seconds")
            if figure is not None:
                taken.setdefault(result.case, []).append(self.PROBED * figure.samples[0])
        self.known = {case: statistics.median(seconds) for case, seconds in taken.items()}
        rates = [
            TRAINING_WORK * self.flops[case] / seconds for case, seconds in self.known.items() if case in self.flops
        ]
        self.rate = statistics.median(rates) if rates else TRAINING_RATE

    def seconds(self, case: Case) -> float:
        """Seconds of a training with its probes on one core."""
        if case in self.known:
            return self.known[case]
        same_task = (count for other, count in self.flops.items() if other.task == case.task)
        count = self.flops.get(case) or max(same_task, default=exact_flops(case))
        return TRAINING_WORK * count / self.rate


_Kind = tuple[str, str, str, str, int | None, int | None]
"""Implementation, device, dtype, engine, threads and ranks of cases that have one rate."""


class _Known:
    """What stored results say about the speed of methods here."""

    def __init__(self, results: Iterable[Result]) -> None:
        self.latencies: dict[Case, float] = {}
        self.rates: dict[_Kind, list[tuple[float, float]]] = {}
        self.made: dict[tuple[str, str], list[float]] = {}
        for result in results:
            made = result.measurement("compile")
            if made:
                self.made.setdefault((result.case.engine, result.case.device_kind), []).append(made.samples[0])
            latency, counted = result.measurement("latency"), result.measurement("flops")
            if not latency:
                continue
            case, seconds = result.case, statistics.median(latency.samples)
            self.latencies[case] = seconds
            if counted and counted.samples[0] >= FLOP.least:
                point = (math.log(case.seq_len), counted.samples[0] / seconds)
                self.rates.setdefault(self._kind(case), []).append(point)

    @property
    def any(self) -> bool:
        return bool(self.latencies)

    def seconds(self, case: Case, flops: float) -> float:
        if case in self.latencies:
            return self.latencies[case]
        points = self.rates.get(self._kind(case))
        if points:
            length = math.log(case.seq_len)
            rate = min(points, key=lambda point: abs(point[0] - length))[1]
        elif case.device_kind == "cuda" and not any(kind[1] == case.device for kind in self.rates):
            launches = LAUNCHES[case.engine] * LAUNCH_SECONDS if case.engine in LAUNCHES else 0.0
            return MODE_WORK[case.mode] * (flops / GPU_RATES[DTYPE_BYTES[case.dtype]] + launches)
        else:
            alike = (points for kind, points in self.rates.items() if kind[1].startswith(case.device_kind))
            rates = [rate for points in alike for _, rate in points]
            rate = statistics.median(rates) if rates else DEFAULT_RATE
        return max(SHORTEST, flops * MODE_WORK[case.mode] / rate)

    def making(self, case: Case) -> tuple[float, float]:
        """Seconds in which the first process of a case, and a later one, compile or export it."""
        first, later = MAKING.get(case.engine.partition("-")[0], (0.0, 0.0))
        made = self.made.get((case.engine, case.device_kind))
        scale = statistics.median(made) / first if made and first else 1.0
        return scale * first, scale * later

    def _kind(self, case: Case) -> _Kind:
        return (case.implementation, case.device, case.dtype, case.engine, case.threads, case.ranks)


def _layers(case: Case) -> int:
    return 1 if case.model is None else MODEL_WORK


def exact_flops(case: Case) -> int:
    """FLOPs of exact attention's layer at the case's shape: 8 b n d^2 + 4 b n^2 d."""
    return case.batch * (8 * case.seq_len * case.dim**2 + 4 * case.seq_len**2 * case.dim)
