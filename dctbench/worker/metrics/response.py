"""The response times of calls that are released on a schedule, with a likely cause of each late one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from dctbench.machine import cgroup, periodic
from dctbench.model import Schedule
from dctbench.model.schedule import MOST_CAUSES


@dataclass(frozen=True, slots=True)
class Responses:
    """Response times in seconds in order of release, how the schedule went, and the highest sustained rate in Hz."""

    seconds: tuple[float, ...]
    schedule: Schedule
    rate: float | None


def measure(
    prepare: Callable[[int], Any],
    prepare_new: Callable[[int], Any],
    call: Callable[[Any], object],
    *,
    period: float,
    deadline: float,
    count: int,
    priority: bool,
    search: bool,
) -> Responses:
    """Release `call(prepare_new(number))` once in every period.

    Args:
        prepare: makes what call `number` needs.
        prepare_new: the same from new values, before its release.
        call: what must be done at its deadline. It returns when the device is done.
        period, deadline: in seconds.
        count: how many calls, unless every one is late.
        priority: run before all other programs, where the system allows it.
        search: also search for the highest rate that is sustained.
    """
    raising = periodic.raised_priority() if priority else nullcontext()
    with periodic.Observer(cgroup.throttled_seconds) as observer, raising as raised:
        found = periodic.release(prepare_new, call, period=period, deadline=deadline, count=count, observer=observer)
        rate = periodic.sustained_rate(prepare, call, prepare_new=prepare_new, slowest=period) if search else None
    causes = periodic.causes(found, period=period, deadline=deadline)
    kept = dict(list(causes.items())[:MOST_CAUSES])
    words = (None, None) if raised is None else tuple(raised)
    return Responses(tuple(found.responses), Schedule(found.rate, found.late, kept, *words), rate)
