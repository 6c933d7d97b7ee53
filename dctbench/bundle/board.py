"""The machine on which the program of a bundle runs: its facts under the names that dctbench uses, and its memory."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import socket
import sys
from typing import Any

if __package__:
    from dctbench.machine import cgroup
    from dctbench.machine.processor import cpu_id, cpu_model
    from dctbench.machine.system_files import read_text
else:  # the copies beside this program, in a bundle
    import cgroup  # type: ignore[no-redef]
    from processor import cpu_id, cpu_model  # type: ignore[no-redef]
    from system_files import read_text  # type: ignore[no-redef]

STABLE = ("system", "machine", "cpu", "cpu_id", "cores_usable", "python", "onnxruntime", "numpy", "libc")
"""The facts that make the fingerprint of a machine."""


def environment() -> dict[str, Any]:
    """Return the facts of this machine and of the packages that measure on it; memory in bytes."""
    import numpy
    import onnxruntime

    return {
        "host": socket.gethostname(), "system": platform.system(), "release": platform.release(),
        "machine": platform.machine(), "cpu": cpu_model(), "cpu_id": cpu_id(), "cores_usable": usable_cores(),
        "cores_logical": os.cpu_count(), "memory_bytes": memory(),
        "governor": read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "gpu": None, "python": platform.python_version(), "libc": " ".join(platform.libc_ver()), "torch": None,
        "numpy": numpy.__version__, "onnxruntime": onnxruntime.__version__, "source": "bundle",
    }  # fmt: skip


def usable_cores() -> int:
    """Return the number of cores that affinity and the container's CPU quota allow."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cgroup.allowed_cores(cores)


def fingerprint(facts: dict[str, Any]) -> str:
    """Return the identity of a machine and its software."""
    return digest({name: facts[name] for name in STABLE})


def digest(value: Any) -> str:
    """Return 16 hexadecimal digits of the hash of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def memory() -> int | None:
    """Return the bytes of main memory, or None."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def most_resident() -> int | None:
    """Return the most bytes of main memory that this process held, or None.

    Linux keeps the figure of getrusage over the start of a program, so that it can be that of its parent.
    """
    with contextlib.suppress(OSError, ValueError, StopIteration), open("/proc/self/status", encoding="utf-8") as file:
        return int(next(row for row in file if row.startswith("VmHWM:")).split()[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
