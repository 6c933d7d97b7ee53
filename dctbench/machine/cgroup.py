"""What the control groups of this process allow it: processor time and memory, for both versions of cgroups.

Groups are nested, and each of the enclosing groups limits what is inside. `root` is the folder with /proc and /sys.

This module imports nothing but the standard library, and runs under Python 3.9: a bundle carries a copy of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

if __package__:
    from dctbench.machine.system_files import read_counts, read_text
else:
    from system_files import read_counts, read_text  # type: ignore[no-redef]  # the copy in a bundle

ROOT = Path("/")
_UNLIMITED = 1 << 60  # cgroups v1 writes "no limit" as a number near 2^63
_MEMORY_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""For each version of cgroups the files of limit and usage, and the key of reclaimable memory in memory.stat."""


class Throttling(NamedTuple):
    """What a CPU quota has done to a group: periods that passed, those in which it stopped the group, and the seconds.

    The seconds are added up over processor cores.
    """

    periods: int
    stopped: int
    seconds: float


def cpu_quota(root: Path = ROOT) -> float | None:
    """Return the least CPU quota of this process's groups in cores, or None without one."""
    quotas = []
    for group in _groups("cpu", root):
        limit, _, period = (read_text(group / "cpu.max") or "").partition(" ")  # version 2
        if not period:
            limit, period = (read_text(group / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period"))
        if limit.isdecimal() and period.isdecimal() and int(period):
            quotas.append(int(limit) / int(period))
    return min(quotas, default=None)


def allowed_cores(cores: int) -> int:
    """Return how many of some cores the CPU quota of this process's groups allows.

    A quota is rounded down: with more threads than whole cores the quota is used up before its period ends, and all
    threads stand still for the rest of it.
    """
    quota = cpu_quota()
    return cores if quota is None or quota >= cores else max(1, int(quota))


def throttled_seconds() -> float:
    """Return the seconds for which CPU quotas have stopped the groups of this process so far."""
    return sum(one.seconds for one in throttling().values())


def throttling(root: Path = ROOT) -> Mapping[Path, Throttling]:
    """Return what CPU quotas have done so far to each of this process's groups that has, or had, one."""
    found = {}
    for group in _groups("cpu", root):
        counts = read_counts(group / "cpu.stat")
        if counts.get("nr_periods"):
            nanoseconds = counts.get("throttled_time", 1000 * counts.get("throttled_usec", 0))
            found[group] = Throttling(counts["nr_periods"], counts.get("nr_throttled", 0), nanoseconds * 1e-9)
    return found


def worst_throttling(
    now: Mapping[Path, Throttling], before: Mapping[Path, Throttling] | None = None
) -> Throttling | None:
    """Return what happened since `before` to the group that was stopped most often, or None where no quota applies.

    Args:
        now: by group, as of `throttling`.
        before: by group, at an earlier time; None for everything since the groups were made.
    """
    changes = []
    for group, after in now.items():
        periods, stopped, seconds = (before or {}).get(group, (0, 0, 0.0))
        changes.append(Throttling(after.periods - periods, after.stopped - stopped, after.seconds - seconds))
    return max(changes, key=lambda change: (change.stopped, change.seconds), default=None)


def memory_limit(root: Path = ROOT) -> int | None:
    """Return the least memory limit of this process's groups in bytes, or None without one."""
    limits = [limit for group in _groups("memory", root) for limit, _ in _memory(group)]
    return min(limits, default=None)


def memory_available(root: Path = ROOT) -> int | None:
    """Return the bytes that the memory limits leave, the least over all groups; None without a limit.

    Inactive file pages do not count as used, since the kernel reclaims them before it kills a process.
    """
    left = [max(0, limit - used) for group in _groups("memory", root) for limit, used in _memory(group)]
    return min(left, default=None)


def oom_kills(root: Path = ROOT) -> int:
    """Return how many processes the OOM killer has ended in this process's group, or else on the machine."""
    controls = [group / name for group in _groups("memory", root) for name in ("memory.events", "memory.oom_control")]
    for control in (*controls, root / "proc/vmstat"):
        killed = read_counts(control).get("oom_kill")
        if killed is not None:
            return killed
    return 0


def _memory(group: Path) -> Iterator[tuple[int, int]]:
    """Yield limit and use of a group that has a limit, in bytes."""
    for limit_name, usage_name, cache_name in _MEMORY_FILES:
        limit = read_text(group / limit_name) or ""
        if limit.isdecimal() and int(limit) < _UNLIMITED:
            usage = int(read_text(group / usage_name) or 0)
            yield int(limit), max(0, usage - read_counts(group / "memory.stat").get(cache_name, 0))


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Yield the folders of this process's group and of every enclosing group, for both versions of cgroups."""
    mounted = root / "sys/fs/cgroup"
    for line in (read_text(root / "proc/self/cgroup") or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        top = mounted / controllers if controllers else mounted
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            yield folder
            if folder == top:
                break
