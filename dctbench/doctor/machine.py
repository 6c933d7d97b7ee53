"""The machine under the measurement: its clock, its processor, who else uses it, and what a container allows."""

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
from dctbench.machine.contention import NOTICED_CORES, NOTICED_STOLEN, Neighbours, Usage, busiest
from dctbench.spec import suites
from dctbench.text.format import format_percent, format_seconds, format_size

WATCHED_SECONDS = 0.5
"""How long other processes are watched."""
SLOW_CLOCKS = ("hpet", "acpi_pm", "jiffies", "refined-jiffies")
KEEPS_MEMORY = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
LITTLE_MEMORY = 0.1
_PRELOADED = ("jemalloc", "tcmalloc", "mimalloc")


def findings(facts: Mapping[str, Any]) -> list[Finding]:
    """Every check of the machine.

    Args:
        facts: of the environment that cases would run in (`dctbench.machine.environment.collect`).
    """
    return [
        timer(*clock_steps(), facts["clocksource"]),
        processor(facts),
        governor(facts["governor"], facts["boost"], facts["virtualisation"]),
        *neighbours(*watch()),
        affinity(facts),
        container(facts["container"], facts["cpu_quota"], host.cpu_throttled(), host.memory_limit()),
        memory(*_memory()),
        allocator(facts["allocator"], facts["libc"]),
    ]


def clock_steps(readings: int = 20_000) -> tuple[float, float]:
    """The least step that `time.perf_counter` was seen to make, and what one reading takes, in seconds.

    The first is infinite when the clock stood still, and negative when it went backwards.
    """
    times = [time.perf_counter() for _ in range(readings)]
    steps = [after - before for before, after in pairwise(times)]
    if min(steps) < 0:
        return min(steps), 0.0
    return min((step for step in steps if step), default=float("inf")), (times[-1] - times[0]) / readings


def timer(step: float, reading: float, clocksource: str | None) -> Finding:
    """Whether the clock is fine enough for calls of microseconds."""
    kept = f"; the kernel keeps time by {clocksource}" if clocksource else ""
    if not 0 < step < float("inf"):
        found = "stands still" if step > 0 else "goes backwards"
        return failure(
            "timer", f"perf_counter {found}{kept}", "no latency can be measured here", CannotJudgeError.exit_code
        )
    found = f"perf_counter moves in steps of {format_seconds(step)}, {format_seconds(reading)} per reading{kept}"
    if step > 1e-6 or reading > 1e-6 or clocksource in SLOW_CLOCKS:
        return warning("timer", found, "calls under 100 µs are uncertain; a kernel that keeps time by tsc is finer")
    return ok("timer", found)


def processor(facts: Mapping[str, Any]) -> Finding:
    """Which processor this is; nothing about it can be wrong."""
    physical, logical, caches = facts["cores_physical"], facts["cores_logical"], facts["caches"]
    cores = f"{logical} cores" if physical in (None, logical) else f"{physical} cores with {logical} threads"
    last = list(caches)[-1:] if caches else []
    parts = [
        facts["cpu"],
        cores,
        *(f"{name} {format_size(caches[name])}" for name in last),
        " ".join(facts["cpu_flags"]) or "no wide vectors",
        f"{facts['virtualisation']} virtual machine" if facts["virtualisation"] else "bare metal",
    ]
    return ok("processor", ", ".join(parts))


def governor(name: str | None, boost: bool | None, virtualisation: str | None) -> Finding:
    """Whether the clock may wander by policy."""
    boosting = {None: "", True: "; boost is on, so clocks depend on load and heat", False: "; boost is off"}[boost]
    if name is None:
        where = "the host sets it" if virtualisation else "this system does not tell"
        return ok("governor", f"not visible: {where}, and clocks may change unseen{boosting}")
    if name == "performance":
        return ok("governor", f"performance{boosting}")
    return warning(
        "governor",
        f"{name}: the clock follows the load, so that short calls run slower than long ones{boosting}",
        "while measuring: sudo cpupower frequency-set --governor performance",
    )


def watch() -> tuple[Usage | None, list[str]]:
    """What others use of the processor over half a second, and the busiest of them."""
    watched = Neighbours()
    names = busiest(WATCHED_SECONDS, count=3)
    return watched.usage(), names


def neighbours(usage: Usage | None, names: list[str]) -> list[Finding]:
    """Who else is computing here, in this system and under it."""
    if usage is None:
        return [ok("other load", "not watched")]
    values = {"cores": round(usage.cores, 2), "stolen": round(usage.stolen, 4)}
    found = f"other processes use {usage.cores:.2f} of {usage.of_cores} cores"
    if usage.cores >= NOTICED_CORES:
        who = ", ".join(names) or "none that this user or container may see"
        remedy = "end them or wait: what is measured now is slower and wanders"
        loads = [warning("other load", f"{found}: {who}", remedy, values)]
    else:
        loads = [ok("other load", found, values)]
    if usage.stolen >= NOTICED_STOLEN:
        loads.append(
            warning(
                "stolen time",
                f"the hypervisor gave {format_percent(usage.stolen)} of the time to other machines on this host",
                "measure at another hour, or on a host that is not shared; more --rounds average it out",
            )
        )
    return loads


def affinity(facts: Mapping[str, Any]) -> Finding:
    """Which cores processes may run on."""
    usable, logical, nodes = facts["cores_usable"], facts["cores_logical"], facts["numa_nodes"]
    if facts["affinity"] is None:
        return ok("affinity", f"this system does not tell; {logical} cores")
    pinned = len(host.affinity() or ()) < (logical or 0)
    found = f"pinned to cores {facts['affinity']}" if pinned else f"all {logical} cores, not pinned"
    if nodes > 1 and not pinned:
        return warning(
            "affinity",
            f"{found}, over {nodes} memory nodes: threads and memory land on either by chance",
            "stay on one: numactl --cpunodebind=0 --membind=0 dctbench run ...",
        )
    return ok("affinity", found if usable == logical or pinned else f"{found}, {usable} of them usable")


def container(kind: str | None, quota: float | None, throttled: tuple[int, int] | None, limit: int | None) -> Finding:
    """What a container, or a service manager, allows."""
    where = kind or "none seen"
    memory_limit = f"memory limit {format_size(limit)}" if limit else "no memory limit"
    if quota is None:
        return ok("container", f"{where}; no CPU quota, {memory_limit}")
    found = f"{where}; CPU quota of {quota:g} cores, {memory_limit}"
    stopped = throttled[0] / throttled[1] if throttled else 0.0
    if stopped > 0.01:
        return warning(
            "container",
            f"{found}; it was stopped in {format_percent(stopped)} of its periods, tens of milliseconds each",
            f"use fewer threads than the quota: OMP_NUM_THREADS={max(1, int(quota))}, or raise the quota",
        )
    if quota != int(quota):
        return warning("container", found, f"a fraction of a core stops threads: OMP_NUM_THREADS={max(1, int(quota))}")
    return ok("container", found)


def memory(free: int, total: int, swapped: int) -> Finding:
    """Whether there is room for the longer cases."""
    found = (
        f"{format_size(free)} of {format_size(total)} free, {format_size(swapped) if swapped else 'nothing'} swapped"
    )
    if free < LITTLE_MEMORY * total:
        return warning("memory", found, "close what holds it: longer cases will end as oom, or in swap")
    return ok("memory", found)


def allocator(variables: Mapping[str, str], libc: str | None) -> Finding:
    """How freed memory is treated, which decides whether every call pays for page faults again."""
    preload = variables.get("LD_PRELOAD", "")
    other = next((name for name in _PRELOADED if name in preload), None)
    if other:
        return ok("allocator", f"{other}, preloaded: figures are comparable only with those taken under it")
    if all(name in variables for name in KEEPS_MEMORY):
        chosen = ", ".join(f"{name}={variables[name]}" for name in KEEPS_MEMORY)
        return ok("allocator", f"{libc}, told to keep freed memory ({chosen}): not what users get by default")
    if not (libc or "").startswith("glibc"):
        return ok("allocator", f"that of {libc or sys.platform}")
    told = suites.load("ci").settings.env
    values = " and ".join(f'{name} = "{told[name]}"' for name in KEEPS_MEMORY)
    return ok(
        "allocator",
        f"{libc} by default: large tensors go back to the system after each call, and the next call pays their page "
        "faults again (up to half of its time); users get the same",
        advice=f"to measure without, as the suite ci does: {values} in a suite's [settings.env]",
    )


def _memory() -> tuple[int, int, int]:
    found, inside = psutil.virtual_memory(), host.memory_available()
    free = found.available if inside is None else min(found.available, inside)
    return free, min(found.total, host.memory_limit() or found.total), psutil.swap_memory().used
