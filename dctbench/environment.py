"""Where a measurement was taken: everything needed to reproduce it, and the fingerprint that says "same machine".

Nothing here imports torch; versions are read from package metadata. The fingerprint hashes only what is stable:
a current clock or load in it would make one machine look like many.
"""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from dctbench.model import Environment, digest

STABLE = ("system", "machine", "cpu", "cores_physical", "cores_logical", "cores_usable", "memory_bytes", "gpu",
          "torch", "python", "allocator", "thread_env")  # fmt: skip
"""The facts in the fingerprint: latency is compared only where all of them are equal."""

_ALLOCATOR_VARIABLES = ("LD_PRELOAD", "MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_",
                        "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES", "PYTORCH_ALLOC_CONF")  # fmt: skip
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_PROC_BIND", "OMP_WAIT_POLICY", "KMP_AFFINITY",
                     "GOMP_CPU_AFFINITY", "ATEN_CPU_CAPABILITY")  # fmt: skip


def collect(variables: Mapping[str, str] | None = None) -> Environment:
    """The environment of processes started now.

    Args:
        variables: the environment variables they get; this process's own when None.
    """
    import psutil

    variables = os.environ if variables is None else variables
    facts: dict[str, Any] = {
        "host": socket.gethostname(),
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "cpu": cpu_model(),
        "cores_physical": psutil.cpu_count(logical=False),
        "cores_logical": psutil.cpu_count(logical=True),
        "cores_usable": usable_cores(),
        "memory_bytes": memory_limit() or psutil.virtual_memory().total,
        "governor": read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_average": list(os.getloadavg()),
        "gpu": None,
        "python": platform.python_version(),
        "torch": package_version("torch"),
        "numpy": package_version("numpy"),
        "allocator": {name: variables[name] for name in _ALLOCATOR_VARIABLES if name in variables},
        "thread_env": {name: variables[name] for name in _THREAD_VARIABLES if name in variables},
        "executable": Path(sys.executable).name,
        "git": git_state(),
    }
    return Environment(facts, digest({key: facts[key] for key in STABLE}))


def package_version(name: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def cpu_model() -> str:
    """The processor's own name for itself."""
    for line in (read_text("/proc/cpuinfo") or "").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Cores this process may run on, by affinity and by the container's CPU quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = (read_text("/sys/fs/cgroup/cpu.max") or "").partition(" ")
    if quota.isdigit() and period.isdigit() and int(period):
        cores = min(cores, max(1, round(int(quota) / int(period))))
    return cores


def memory_limit() -> int | None:
    """The container's memory limit in bytes, or None where there is none."""
    text = read_text("/sys/fs/cgroup/memory.max") or ""
    return int(text) if text.isdigit() else None


def git_state() -> dict[str, Any] | None:
    """Commit and dirty flag of the repository in the current folder, or None outside of one."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", *words], capture_output=True, text=True, timeout=5, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}


def read_text(path: str) -> str | None:
    """A small system file's text without its last newline, or None where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
