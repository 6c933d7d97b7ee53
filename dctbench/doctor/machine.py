"""Checks of the machine: clock, processor, load by others, container limits, memory and allocator."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import psutil

from dctbench.doctor.finding import Finding, failure, ok, warning
from dctbench.errors import CannotJudgeError
from dctbench.machine import host
from dctbench.machine.cgroup import Throttling, throttling, worst_throttling
from dctbench.machine.contention import NOTICED_CORES, NOTICED_STOLEN, Neighbours, Usage, busiest
from dctbench.machine.processor import flags_known
from dctbench.spec import suites
from dctbench.text.format import format_percent, format_seconds, format_size

WATCHED_SECONDS = 0.5
"""How long the load by other processes is measured."""
SLOW_CLOCKS = ("hpet", "acpi_pm", "jiffies", "refined-jiffies")
KEEPS_MEMORY = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
LITTLE_MEMORY = 0.1
NOTICED_STOPPED = 0.01
"""The share of periods in which a quota stopped the container."""
_PRELOADED = ("jemalloc", "tcmalloc", "mimalloc")


def findings(facts: Mapping[str, Any]) -> list[Finding]:
    """Return the findings of every check of the machine.

    Args:
        facts: the facts of the environment in which cases would run (`dctbench.machine.environment.collect`).
    """
    return [
        timer(*clock_steps(), facts["clocksource"]),
        processor(facts, flags_known=flags_known(), hypervisor_known=host.hypervisor_known()),
        governor(facts["governor"], facts["boost"], facts["virtualisation"]),
        *neighbours(*measure_load()),
        affinity(facts),
        container(facts["container"], facts["cpu_quota"], worst_throttling(throttling()), host.memory_limit()),
        _memory(),
        allocator(facts["allocator"], facts["libc"]),
    ]


def clock_steps(readings: int = 20_000) -> tuple[float, float]:
    """Return the smallest observed step of `time.perf_counter` and the duration of one reading, in seconds.

    The step is infinite if the clock stood still, and negative if it went backwards.
    """
    times = [time.perf_counter() for _ in range(readings)]
    steps = [after - before for before, after in pairwise(times)]
    if min(steps) < 0:
        return min(steps), 0.0
    return min((step for step in steps if step), default=float("inf")), (times[-1] - times[0]) / readings


def timer(step: float, reading: float, clocksource: str | None) -> Finding:
    """Check whether the clock resolves calls of microseconds."""
    source = f"; the clock source of the kernel is {clocksource}" if clocksource else ""
    if not 0 < step < float("inf"):
        found = "stands still" if step > 0 else "goes backwards"
        return failure(
            "timer", f"perf_counter {found}{source}", "no latency can be measured here", CannotJudgeError.exit_code
        )
    found = f"perf_counter moves in steps of {format_seconds(step)}, {format_seconds(reading)} per reading{source}"
    if step > 1e-6 or reading > 1e-6 or clocksource in SLOW_CLOCKS:
        return warning("timer", found, "calls under 100 µs are uncertain; the clock source tsc is finer")
    return ok("timer", found)


def processor(facts: Mapping[str, Any], *, flags_known: bool, hypervisor_known: bool) -> Finding:
    """Report the processor; there is nothing to check.

    Args:
        facts: of the environment.
        flags_known: whether the system reports the flags of the processor.
        hypervisor_known: whether these flags tell if there is a hypervisor.
    """
    physical, logical, caches = facts["cores_physical"], facts["cores_logical"], facts["caches"]
    cores = f"{logical} cores" if physical in (None, logical) else f"{physical} cores with {logical} threads"
    last = list(caches)[-1:] if caches else []
    without = "bare metal" if hypervisor_known else "virtual or not: not known"
    parts = [
        facts["cpu"],
        cores,
        *(f"{name} {format_size(caches[name])}" for name in last),
        " ".join(facts["cpu_flags"]) or ("no wide vectors" if flags_known else "vectors not known"),
        f"{facts['virtualisation']} virtual machine" if facts["virtualisation"] else without,
    ]
    return ok("processor", ", ".join(parts))


def governor(name: str | None, boost: bool | None, virtualisation: str | None) -> Finding:
    """Check whether the frequency policy lets the clock vary."""
    boosting = {None: "", True: "; boost is on, so clocks depend on load and heat", False: "; boost is off"}[boost]
    if name is None:
        where = "the host sets it" if virtualisation else "this system does not report it"
        return ok("governor", f"not visible: {where}, and clocks may change unnoticed{boosting}")
    if name == "performance":
        return ok("governor", f"performance{boosting}")
    return warning(
        "governor",
        f"{name}: the clock follows the load, so short calls run slower than long ones{boosting}",
        "while measuring: sudo cpupower frequency-set --governor performance",
    )


def measure_load() -> tuple[Usage | None, list[str]]:
    """Measure the load by other processes over half a second, and find the busiest ones."""
    neighbours = Neighbours()
    names = busiest(WATCHED_SECONDS, count=3)
    return neighbours.usage(), names


def neighbours(usage: Usage | None, names: list[str]) -> list[Finding]:
    """Check the load by other processes, and the time that the hypervisor gave to other machines."""
    if usage is None:
        return [ok("other load", "not measured")]
    values = {"cores": round(usage.cores, 2), "stolen": round(usage.stolen, 4)}
    found = f"other processes use {usage.cores:.2f} of {usage.of_cores} cores"
    if usage.cores >= NOTICED_CORES:
        who = ", ".join(names) or "none that this user or container may see"
        remedy = "end them or wait: latencies measured now are higher and less stable"
        loads = [warning("other load", f"{found}: {who}", remedy, values)]
    else:
        loads = [ok("other load", found, values)]
    if usage.stolen >= NOTICED_STOLEN:
        loads.append(
            warning(
                "stolen time",
                f"the hypervisor gave {format_percent(usage.stolen)} of the time to other machines on this host",
                "measure at another time or on a dedicated host; more --rounds average it out",
            )
        )
    return loads


def affinity(facts: Mapping[str, Any]) -> Finding:
    """Check which cores processes may run on."""
    usable, logical, nodes = facts["cores_usable"], facts["cores_logical"], facts["numa_nodes"]
    if facts["affinity"] is None:
        return ok("affinity", f"this system does not report it; {logical} cores")
    pinned = len(host.affinity() or ()) < (logical or 0)
    found = f"pinned to cores {facts['affinity']}" if pinned else f"all {logical} cores, not pinned"
    if nodes > 1 and not pinned:
        return warning(
            "affinity",
            f"{found}, on {nodes} memory nodes: threads and memory are placed by chance",
            "use one node: numactl --cpunodebind=0 --membind=0 dctbench run ...",
        )
    return ok("affinity", found if usable == logical or pinned else f"{found}, {usable} of them usable")


def container(kind: str | None, quota: float | None, throttled: Throttling | None, limit: int | None) -> Finding:
    """Check the limits of a container or service manager.

    Args:
        kind: of the container.
        quota: in cores.
        throttled: what the quota has done since the container was started.
        limit: of the memory, in bytes.
    """
    where = kind or "none detected"
    memory_limit = f"memory limit {format_size(limit)}" if limit else "no memory limit"
    if quota is None:
        return ok("container", f"{where}; no CPU quota, {memory_limit}")
    found = f"{where}; CPU quota of {quota:g} cores, {memory_limit}"
    values = {"cpu_quota": quota}
    if throttled is not None:
        values |= {"periods": throttled.periods, "stopped": throttled.stopped, "seconds": throttled.seconds}
    if quota < 1:
        return warning("container", found, "one thread alone uses it up and is then stopped: raise the quota", values)
    if throttled is not None and throttled.stopped > NOTICED_STOPPED * throttled.periods:
        share = format_percent(throttled.stopped / throttled.periods)
        return warning(
            "container",
            f"{found}; it was stopped in {share} of its periods, tens of milliseconds each",
            f"use no more threads than the quota: OMP_NUM_THREADS={int(quota)}, or raise the quota",
            values,
        )
    return ok("container", found, values)


def memory(free: int, total: int, swapped: int) -> Finding:
    """Check whether enough memory is free for long cases."""
    found = (
        f"{format_size(free)} of {format_size(total)} free, {format_size(swapped) if swapped else 'nothing'} swapped"
    )
    if free < LITTLE_MEMORY * total:
        return warning("memory", found, "close programs that use it: longer cases will run out of memory or swap")
    return ok("memory", found)


def allocator(variables: Mapping[str, str], libc: str | None) -> Finding:
    """Report how the allocator treats freed memory, which decides whether every call has page faults."""
    preload = variables.get("LD_PRELOAD", "")
    other = next((name for name in _PRELOADED if name in preload), None)
    if other:
        return ok("allocator", f"{other}, preloaded: latencies are comparable only with those measured under it")
    if all(name in variables for name in KEEPS_MEMORY):
        chosen = ", ".join(f"{name}={variables[name]}" for name in KEEPS_MEMORY)
        return ok("allocator", f"{libc}, set to keep freed memory ({chosen}): not the default that users have")
    if not (libc or "").startswith("glibc"):
        return ok("allocator", f"the default of {libc or sys.platform}")
    advised = suites.load("ci").settings.env
    values = " and ".join(f'{name} = "{advised[name]}"' for name in KEEPS_MEMORY)
    return ok(
        "allocator",
        f"{libc} with its defaults: large tensors return to the system after each call, and the next call has their "
        "page faults again (up to half of its time), as for users",
        advice=f"to measure without them, as the suite ci does, set {values} in a suite's [settings.env]",
    )


def _memory() -> Finding:
    found, free = host.memory(), host.memory_available()
    if found is None or free is None:
        return ok("memory", "this system does not report it")
    try:
        swapped = psutil.swap_memory().used
    except (OSError, LookupError, ValueError):  # hidden files, as in `host.memory`
        swapped = 0
    return memory(free, host.memory_limit() or found.total, swapped)
