"""Calls that are released on a fixed schedule: response times, and a likely cause for each one that was late.

A response time runs from the intended release to the end of the call. A call that starts late because the one before it
was slow has waited, as a sensor's next reading would have, so that no slow call hides the ones behind it.

This module imports nothing but the standard library, and runs under Python 3.9: a bundle for a target without torch and
without dctbench carries a copy of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NamedTuple

RELEASES = 60
"""Calls of one process, unless another number is asked for: five processes then suffice for a p99."""
SEARCHED = 100
"""Calls for each rate that a search tries."""
LATE_CALLS = 30
"""If that many calls from the first one on are all late, the schedule cannot be held, and more would show nothing."""
LATE_LEAST, LATE_SECONDS = 5, 10.0
"""The same for fewer calls that take longer than this together."""
HELD_SHARE = 0.01
"""A rate is sustained if at most this share of the calls ends after the next release."""
PROBES = 7
PRIORITY = 50
"""Of SCHED_FIFO, whose priorities run from 1 to 99: below the kernel's own threads for interrupts."""

QUEUED = "queued"  # the call before it was still running at the release
COMPUTE = "compute"  # the call takes longer than the deadline by itself, as most of them do
STOPPED = "stopped"  # a signal had stopped the process, and another one continued it
COLLECTION = "collection"  # Python's garbage collector ran
THROTTLED = "throttled"  # a CPU quota had stopped the control group
WAITED = "waited"  # it was ready to run, and other programs had the cores
STOLEN = "stolen"  # the hypervisor gave the time to other machines
FAULTS = "faults"  # pages had to be read or mapped
CLOCK = "clock"  # the processor's clock was slower than usual
PREEMPTED = "preempted"  # it was taken off its core; for how long is not known
UNKNOWN = "unknown"
CAUSES = (QUEUED, COMPUTE, STOPPED, COLLECTION, THROTTLED, WAITED, STOLEN, FAULTS, CLOCK, PREEMPTED, UNKNOWN)

_FAULT_SECONDS = 1e-6
"""What a fault without a read costs at most, roughly."""
_SLOWER_CLOCK = 0.9
_LEAST_STOLEN = 0.015
"""Seconds. Linux counts stolen time in ticks of 10 ms, and most of a single tick may be from before the call."""
_MCL_CURRENT, _MCL_FUTURE = 1, 2

clock = time.monotonic
"""CLOCK_MONOTONIC on Linux, which the sleep of Python 3.11 uses too."""


class Counters(NamedTuple):
    """What the system has counted for this process up to a moment.

    Attributes:
        involuntary: context switches that it did not ask for, over all threads.
        major, minor: page faults with and without a read.
        waited: seconds in which its threads were ready to run and did not.
        stolen: seconds that the hypervisor took from the cores that this process may use, added up.
        throttled: seconds for which a CPU quota stopped its group.
        continued: how often SIGCONT has continued it.
        collecting: seconds in Python's garbage collector.
        hertz: the clock of a core at this moment; 0 where it cannot be read.
    """

    involuntary: int = 0
    major: int = 0
    minor: int = 0
    waited: float = 0.0
    stolen: float = 0.0
    throttled: float = 0.0
    continued: int = 0
    collecting: float = 0.0
    hertz: float = 0.0


class Call(NamedTuple):
    """One call: when it began and ended, in seconds after its intended release, and what was counted meanwhile."""

    began: float
    ended: float
    seen: Counters


class Releases(NamedTuple):
    """Calls in order of release.

    Attributes:
        calls: of which `ended` is the response time.
        elapsed: seconds from the first release to the end of the last call.
        late: whether it was given up because every call was late.
    """

    calls: Sequence[Call]
    elapsed: float
    late: bool

    @property
    def responses(self) -> list[float]:
        """The response times in seconds."""
        return [call.ended for call in self.calls]

    @property
    def rate(self) -> float:
        """Calls per second that were completed."""
        return len(self.calls) / self.elapsed


class Observer:
    """Reads the counters of this process. Use it as a context manager, in the main thread to notice signals.

    Args:
        throttled: returns the seconds for which CPU quotas have stopped this process so far.
    """

    def __init__(self, throttled: Callable[[], float] = lambda: 0.0) -> None:
        self._throttled = throttled
        self._continued = 0
        self._collecting = 0.0
        self._collection_began = 0.0
        self._handler: Any = None
        self._clock_file = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")

    def __enter__(self) -> Observer:
        gc.callbacks.append(self._collection)
        if hasattr(signal, "SIGCONT") and threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGCONT, self._on_continue)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        gc.callbacks.remove(self._collection)
        if self._handler is not None:
            signal.signal(signal.SIGCONT, self._handler)

    def read(self) -> Counters:
        """Return the counters as they are now; those that this system lacks stay 0."""
        involuntary = major = minor = 0
        with contextlib.suppress(ImportError):
            import resource  # noqa: PLC0415 - Windows has none

            used = resource.getrusage(resource.RUSAGE_SELF)
            involuntary, major, minor = used.ru_nivcsw, used.ru_majflt, used.ru_minflt
        return Counters(
            involuntary, major, minor, _waited(), _stolen(), self._throttled(), self._continued, self._collecting,
            1000.0 * _number(self._clock_file),
        )  # fmt: skip

    def _on_continue(self, number: int, frame: FrameType | None) -> None:
        self._continued += 1

    def _collection(self, phase: str, info: object) -> None:
        if phase == "start":
            self._collection_began = clock()
        else:
            self._collecting += clock() - self._collection_began


def _waited() -> float:
    """Return the seconds that the threads of this process have waited for a core."""
    total = 0
    with contextlib.suppress(OSError, ValueError, IndexError):
        for task in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[1])
    return total * 1e-9


def _stolen(stat: str = "/proc/stat") -> float:
    """Return the seconds that the hypervisor has taken from the cores that this process may use."""
    ticks = 0
    with contextlib.suppress(OSError, ValueError, IndexError), open(stat, encoding="ascii") as file:
        cores = os.sched_getaffinity(0)
        file.readline()  # the sum over all cores
        for line in file:
            name, *counts = line.split()
            if not name.startswith("cpu"):
                break
            if int(name[3:]) in cores:
                ticks += int(counts[7])
        return ticks / float(os.sysconf("SC_CLK_TCK"))
    return 0.0


def _number(path: Path) -> float:
    try:
        return float(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0.0


def release(
    prepare: Callable[[int], Any],
    call: Callable[[Any], object],
    *,
    period: float,
    deadline: float,
    count: int,
    observer: Observer | None,
) -> Releases:
    """Call `call(prepare(number))` once in every period, and return the response times.

    What a call needs is prepared before its release, and the counters are read after its end, in the idle time of the
    period as long as there is any.

    Args:
        prepare: makes the argument of call `number`.
        call: what is timed.
        period: seconds between two releases.
        deadline: seconds after its release at which a call must have ended.
        count: how many calls.
        observer: entered. None counts nothing, and reading it takes no time.
    """
    read = Counters if observer is None else observer.read
    calls: list[Call] = []
    on_time = False
    before = read()
    start = clock() + period
    ended = start
    for number in range(count):
        intended = start + number * period
        argument = prepare(number)
        _sleep_until(intended)
        began = clock()
        call(argument)
        ended = clock()
        now = read()
        calls.append(Call(began - intended, ended - intended, _since(now, before)))
        before = now
        on_time = on_time or ended - intended <= deadline
        if not on_time and (len(calls) >= LATE_CALLS or (len(calls) >= LATE_LEAST and ended - start > LATE_SECONDS)):
            return Releases(calls, ended - start, late=True)
    return Releases(calls, ended - start, late=False)


def _sleep_until(moment: float) -> None:
    left = moment - clock()
    while left > 0:  # a signal may end a sleep
        time.sleep(left)
        left = moment - clock()


def _since(now: Counters, before: Counters) -> Counters:
    """Return what was counted between two readings. The clock is a level, and stays what it is now."""
    counted = [after - earlier for after, earlier in zip(now[:-1], before[:-1])]  # noqa: B905 - Python 3.9
    return Counters._make([*counted, now.hertz])


def causes(releases: Releases, *, period: float, deadline: float) -> dict[int, str]:
    """Return a likely cause for each call that ended after its deadline, by the number of the call.

    A cause of known duration must account for half of what the call took beyond the median. What has no duration must
    stand out from the other calls. If nothing does, the cause is unknown, and nothing is guessed.
    """
    calls = releases.calls
    late = [number for number, call in enumerate(calls) if call.ended > deadline]
    if not late:
        return {}
    usual = Usual.of(calls)
    found = {}
    for number in late:
        previous_end = calls[number - 1].ended - period if number else 0.0
        found[number] = _cause(calls[number], max(0.0, previous_end), usual, deadline)
    return found


class Usual(NamedTuple):
    """The medians of calls that all others are held against."""

    response: float
    work: float
    minor: float
    involuntary: float
    hertz: float

    @classmethod
    def of(cls, calls: Sequence[Call]) -> Usual:
        """Return the medians over `calls`."""
        return cls(
            statistics.median(call.ended for call in calls),
            statistics.median(call.ended - call.began for call in calls),
            statistics.median(call.seen.minor for call in calls),
            statistics.median(call.seen.involuntary for call in calls),
            statistics.median(call.seen.hertz for call in calls),
        )


def _cause(call: Call, queued: float, usual: Usual, deadline: float) -> str:
    seen = call.seen
    if queued and call.ended - queued <= deadline:
        return QUEUED
    if usual.work > deadline and call.ended - call.began < 1.5 * usual.work:
        return COMPUTE
    if seen.continued:
        return STOPPED
    return _counted_cause(seen, call.ended - queued - min(usual.response, deadline), usual)


def _counted_cause(seen: Counters, excess: float, usual: Usual) -> str:
    """Return what the counters say about a call that took `excess` seconds too long."""
    durations = {
        COLLECTION: seen.collecting,
        THROTTLED: seen.throttled,
        WAITED: seen.waited,
        STOLEN: seen.stolen if seen.stolen > _LEAST_STOLEN else 0.0,
        FAULTS: _FAULT_SECONDS * (seen.minor - usual.minor),
    }
    longest = max(durations, key=lambda name: durations[name])
    if durations[longest] >= excess / 2:
        return longest
    if seen.major:
        return FAULTS
    if seen.hertz < _SLOWER_CLOCK * usual.hertz:
        return CLOCK
    return PREEMPTED if seen.involuntary > usual.involuntary else UNKNOWN


def longest_seconds(period: float, count: int, *, search: bool) -> float:
    """Return how long calls on a schedule take at most, including a search, unless single calls hang."""
    return period * (count + 1 + (SEARCHED * (PROBES + 1) if search else 0))


def sustained_rate(
    prepare: Callable[[int], Any],
    call: Callable[[Any], object],
    *,
    prepare_new: Callable[[int], Any],
    slowest: float,
    count: int = SEARCHED,
) -> float | None:
    """Return the highest rate in calls per second at which at most 1% of the calls end after the next release.

    The period is bisected between the median of a few calls, which no schedule can beat, and `slowest`. At the highest
    rate there is no idle time, so nothing is counted between the calls, and their inputs are not new.

    Args:
        prepare, call: as for `release`. Between two calls there is time for nothing but `prepare`.
        prepare_new: as `prepare`, from new values: a call that remembers outputs is no faster for these few calls.
        slowest: the longest period to try, in seconds.
        count: calls for each period that is tried.

    Returns:
        None if not even the longest period is held.
    """

    def held(period: float) -> bool:
        found = release(prepare, call, period=period, deadline=period, count=count, observer=None)
        late = sum(response > period for response in found.responses)
        return not found.late and late <= HELD_SHARE * count

    fastest = _usual_seconds(prepare_new, call)
    if fastest >= slowest or not held(slowest):
        return None
    for _ in range(PROBES):
        middle = (fastest * slowest) ** 0.5
        fastest, slowest = (fastest, middle) if held(middle) else (middle, slowest)
    return 1 / slowest


def _usual_seconds(prepare: Callable[[int], Any], call: Callable[[Any], object]) -> float:
    seconds = []
    for number in range(9):
        argument = prepare(number)
        began = clock()
        call(argument)
        seconds.append(clock() - began)
    return statistics.median(seconds)


class Priority(NamedTuple):
    """What became of the wish to run before all other programs: what is in force, or why it is not."""

    scheduler: str
    memory: str


@contextlib.contextmanager
def raised_priority() -> Iterator[Priority]:
    """Run every thread of this process under SCHED_FIFO with its memory locked, as far as the system allows."""
    before = _schedulers()
    scheduler = _set_schedulers({thread: (_fifo(), PRIORITY) for thread in before})
    memory = _lock_memory()
    try:
        yield Priority(scheduler or f"SCHED_FIFO {PRIORITY}", memory or "locked")
    finally:
        if memory is None:
            ctypes.CDLL(None).munlockall()
        _set_schedulers(before)


def _fifo() -> int:
    return int(getattr(os, "SCHED_FIFO", -1))


def _schedulers() -> dict[int, tuple[int, int]]:
    """Return scheduler and priority of every thread of this process."""
    found = {}
    with contextlib.suppress(OSError, AttributeError):
        for name in os.listdir("/proc/self/task"):
            thread = int(name)
            with contextlib.suppress(ProcessLookupError):
                found[thread] = (os.sched_getscheduler(thread), os.sched_getparam(thread).sched_priority)
    return found


def _set_schedulers(wanted: dict[int, tuple[int, int]]) -> str | None:
    """Set the schedulers of threads. Return why that failed, or None."""
    if not wanted:
        return "this system has no SCHED_FIFO"
    for thread, (scheduler, priority) in wanted.items():
        try:
            os.sched_setscheduler(thread, scheduler, os.sched_param(priority))
        except ProcessLookupError:
            continue
        except OSError as error:
            return f"SCHED_FIFO is not allowed: {error.strerror}"
    return None


def _lock_memory() -> str | None:
    """Lock all pages of this process. Return why that failed, or None."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if library.mlockall(_MCL_CURRENT | _MCL_FUTURE) == 0:
            return None
        return f"locking memory is not allowed: {os.strerror(ctypes.get_errno())}"
    except (OSError, AttributeError, TypeError):
        return "this system cannot lock memory"
