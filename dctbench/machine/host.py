"""What the operating system reports about the machine: cores, caches, memory, container limits, hypervisor.

Functions return None (or an empty collection) if the system does not report a fact; nothing is guessed.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from dctbench.errors import UnavailableError
from dctbench.machine import cgroup, processor
from dctbench.machine.system_files import read_text

_CPU = "/sys/devices/system/cpu"
_SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_HYPERVISORS = {"kvm-clock": "KVM", "hyperv": "Hyper-V", "xen": "Xen"}


def hypervisor_known() -> bool:
    """Return whether the flags of the processor tell if there is a hypervisor, as on x86."""
    return bool(processor.facts().get("flags"))


def cache_sizes() -> dict[str, int]:
    """Return the bytes of each data cache of the first core: L1d, L2, L3."""
    caches = _data_caches(sorted(Path(f"{_CPU}/cpu0/cache").glob("index*")))
    return {f"L{cache.level}{'d' if cache.kind == 'Data' else ''}": cache.bytes for cache in caches}


def last_level_cache_bytes() -> int | None:
    """Return the bytes of all last-level caches, shared ones counted once, or None if they are not known."""
    levels: dict[int, dict[str, int]] = {}
    for cache in _data_caches(Path(_CPU).glob("cpu[0-9]*/cache/index[0-9]*")):
        levels.setdefault(cache.level, {})[cache.shared] = cache.bytes
    return sum(levels[max(levels)].values()) if levels else None


class _Cache(NamedTuple):
    """A cache of one core, and the cores that share it."""

    level: int
    kind: str
    bytes: int
    shared: str


def _data_caches(folders: Iterable[Path]) -> Iterator[_Cache]:
    """Yield the data caches among the folders, each of which describes one cache."""
    for folder in folders:
        names = ("level", "type", "size", "shared_cpu_list")
        level, kind, size, shared = (read_text(folder / name) or "" for name in names)
        if kind in ("Data", "Unified") and level.isdigit() and size[:-1].isdigit() and size[-1:] in _SIZES:
            yield _Cache(int(level), kind, int(size[:-1]) * _SIZES[size[-1]], shared)


def governor() -> str | None:
    """Return the frequency policy of the first core."""
    return read_text(f"{_CPU}/cpu0/cpufreq/scaling_governor")


def boost() -> bool | None:
    """Return whether clocks above the nominal one are allowed."""
    for path, on in ((f"{_CPU}/cpufreq/boost", "1"), (f"{_CPU}/intel_pstate/no_turbo", "0")):
        text = read_text(path)
        if text is not None:
            return text == on
    return None


def numa_nodes() -> int:
    """Return the number of NUMA nodes, at least 1."""
    return max(1, len(list(Path("/sys/devices/system/node").glob("node[0-9]*"))))


def clocksource() -> str | None:
    """Return the clock source of the kernel."""
    return read_text("/sys/devices/system/clocksource/clocksource0/current_clocksource")


def huge_pages() -> str | None:
    """Return the policy for transparent huge pages: always, madvise or never."""
    chosen = re.search(r"\[(\w+)\]", read_text("/sys/kernel/mm/transparent_hugepage/enabled") or "")
    return chosen[1] if chosen else None


def libc() -> str | None:
    """Return name and version of the C library, whose allocator provides torch's CPU tensors."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError):
        return " ".join(platform.libc_ver()).strip() or None


def virtualisation() -> str | None:
    """Return the hypervisor (`unknown` if only its presence is known), or None on bare metal and where it is not known.

    `hypervisor_known` tells these two apart.
    """
    if "hypervisor" not in processor.facts().get("flags", "").split():
        return None
    clocks = read_text("/sys/devices/system/clocksource/clocksource0/available_clocksource") or ""
    known = next((name for word, name in _HYPERVISORS.items() if word in clocks), None)
    return known or read_text("/sys/class/dmi/id/sys_vendor") or "unknown"


def container() -> str | None:
    """Return the kind of container around this process, or None if none is recognised."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return "kubernetes"
    if Path("/.dockerenv").exists():
        return "docker"
    if Path("/run/.containerenv").exists():
        return "podman"
    return os.environ.get("container") or None  # noqa: SIM112  (systemd and podman write it so)


def affinity() -> list[int] | None:
    """Return the logical cores that this process may run on."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def usable_cores() -> int:
    """Return the number of cores that affinity and the container's CPU quota allow."""
    return cgroup.allowed_cores(_cores())


def cpu_quota() -> float | None:
    """Return the CPU quota of the container in cores, or None if it is not below the cores that affinity allows."""
    quota = cgroup.cpu_quota()
    return quota if quota is not None and quota < _cores() else None


def memory_limit() -> int | None:
    """Return the memory limit of the container in bytes, or None if it is not below the memory of the machine."""
    limit, machine = cgroup.memory_limit(), memory()
    return limit if limit is not None and (machine is None or limit < machine.total) else None


class Memory(NamedTuple):
    """The memory of the machine, and how much of it a process could get now, in bytes."""

    total: int
    available: int


def memory() -> Memory | None:
    """Return the memory of the machine."""
    try:
        found = psutil.virtual_memory()
    except (OSError, LookupError, ValueError):  # some sandboxes hide /proc/meminfo or show an empty one
        return None
    return Memory(found.total, found.available)


def memory_available() -> int | None:
    """Return the bytes that a process could get now, within the limits of the container; None if they are not known."""
    machine, inside = memory(), cgroup.memory_available()
    known = [free for free in (None if machine is None else machine.available, inside) if free is not None]
    return min(known, default=None)


def load_average() -> list[float] | None:
    """Return how many processes ran or waited over the last 1, 5 and 15 minutes."""
    try:
        return list(os.getloadavg())
    except (OSError, AttributeError):  # some sandboxes hide /proc/loadavg; Windows has none
        return None


def physical_cores() -> int | None:
    """Return the number of processor cores, without the further threads of each."""
    try:
        return psutil.cpu_count(logical=False)
    except (OSError, LookupError, ValueError):  # hidden files, as in `memory`
        return None


def require_proc(folder: Path = Path("/proc")) -> None:
    """Check that this process can see itself in /proc.

    Raises:
        UnavailableError: on Linux without that file system. Nobody could then tell what a case leaves behind.
    """
    if sys.platform == "linux" and not (folder / "self/stat").exists():
        raise UnavailableError(
            f"{folder} is not mounted, and without it the processes of a case can neither be watched nor ended",
            hint=f"mount it: mount -t proc proc {folder}; in a container or sandbox, do not hide it",
        )


def _cores() -> int:
    return len(affinity() or ()) or os.cpu_count() or 1
