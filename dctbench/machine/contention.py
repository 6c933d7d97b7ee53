"""The load that other processes put on this machine during a measurement, and which processes they are.

A latency measured beside a busy process depends on both programs. dctbench cannot prevent that, so it detects it, warns
with a remedy, and stores the load.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from dctbench.text.sanitize import sanitize_text

SHORTEST = 0.1
"""Seconds. The kernel counts processor time in ticks of 10 ms, so shorter windows are meaningless."""
NOTICED_CORES = 0.25
NOTICED_STOLEN = 0.05


@dataclass(frozen=True, slots=True)
class Usage:
    """The load over `seconds`: cores used by other processes, and the share of time that the hypervisor took."""

    seconds: float
    cores: float
    stolen: float
    of_cores: int


class Neighbours:
    """Counts what other processes use of this process's cores, from the construction of the object on."""

    def __init__(self) -> None:
        self._before = _Counters.read()

    def usage(self) -> Usage | None:
        """Return the load so far, or None within the first SHORTEST seconds and where the system does not report it."""
        before, now = self._before, _Counters.read()
        if before is None or now is None:
            return None
        seconds = now.wall - before.wall
        if seconds < SHORTEST:
            return None
        others = (now.busy - before.busy) - (now.own - before.own)
        stolen = (now.stolen - before.stolen) / (seconds * now.cores)
        return Usage(seconds, max(0.0, others / seconds), max(0.0, stolen), now.cores)


@dataclass(frozen=True, slots=True)
class _Counters:
    wall: float
    busy: float
    stolen: float
    own: float
    cores: int

    @classmethod
    def read(cls) -> _Counters | None:
        usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        try:
            every = psutil.cpu_times(percpu=True)
        except (OSError, LookupError, ValueError):  # some sandboxes hide /proc/stat or show an empty one
            return None
        if not every:
            return None
        own = [times for number, times in zip(processor_numbers(len(every)), every, strict=True) if number in usable]
        times = own or every  # a container may have other processor numbers
        parts = ("user", "nice", "system", "irq", "softirq")
        return cls(
            wall=time.monotonic(),
            busy=sum(getattr(cpu, part, 0.0) for cpu in times for part in parts),
            stolen=sum(getattr(cpu, "steal", 0.0) for cpu in times),
            own=time.process_time(),
            cores=len(times),
        )


def processor_numbers(count: int, stat: Path = Path("/proc/stat")) -> Sequence[int]:
    """Return the numbers of the `count` processors that are online, in the order of the kernel's counters."""
    with contextlib.suppress(OSError, ValueError):
        lines = stat.read_text(encoding="ascii").splitlines()
        found = [int(line.split()[0][3:]) for line in lines if line.startswith("cpu") and line[3:4] != " "]
        if len(found) == count:
            return found
    return range(count)


def busiest(seconds: float = 0.1, count: int = 2) -> list[str]:
    """Return the other processes that use the most time over the next `seconds`, as `name (pid 1234, 98%)`."""
    before = {process.pid: used for process, used in _used_by_others()}
    time.sleep(seconds)
    shares = [
        ((used - before[process.pid]) / seconds, process)
        for process, used in _used_by_others()
        if process.pid in before
    ]
    top = sorted(shares, key=lambda pair: pair[0], reverse=True)[:count]
    return [f"{_name(process)} (pid {process.pid}, {share:.0%})" for share, process in top if share >= 0.05]


def running(count: int = 1) -> list[str]:
    """Return the other processes that run at this moment, as `name (pid 1234)`, without waiting.

    Those that have used the most processor time come first.
    """
    found = []
    for process in psutil.process_iter(["name", "status", "cpu_times"]):
        times = process.info["cpu_times"]
        if process.info["status"] == psutil.STATUS_RUNNING and times is not None and process.pid != os.getpid():
            found.append((times.user + times.system, f"{_name(process)} (pid {process.pid})"))
    return [name for _, name in sorted(found, reverse=True)[:count]]


def _name(process: psutil.Process) -> str:
    """Return the name of a process, which it can set to anything; `?` where the system hides it."""
    return sanitize_text(process.info["name"] or "?")


def _used_by_others() -> list[tuple[psutil.Process, float]]:
    found = []
    for process in psutil.process_iter(["name", "cpu_times"]):
        times = process.info["cpu_times"]
        if times is not None and process.pid != os.getpid():
            found.append((process, times.user + times.system))
    return found
