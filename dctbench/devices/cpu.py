"""The processor, through torch."""

from __future__ import annotations

import re

import psutil

from dctbench.environment import memory_limit, read_text

_ASKED = re.compile(r"tried to allocate (\d+) bytes")


def synchronize(name: str) -> None:
    """Nothing to wait for: torch's CPU calls return when they are done."""


def memory_bytes(name: str) -> int:
    """Memory that is free on this machine and inside the container's limit, in bytes."""
    free = psutil.virtual_memory().available
    limit = memory_limit()
    if limit is None:
        return int(free)
    used = read_text("/sys/fs/cgroup/memory.current") or "0"
    return int(min(free, limit - int(used)))


def out_of_memory(error: BaseException) -> str | None:
    """torch raises a plain RuntimeError when the allocator fails; its text is all there is to tell it by."""
    if isinstance(error, MemoryError):
        return "out of memory in Python"
    asked = _ASKED.search(str(error))
    if isinstance(error, RuntimeError) and ("can't allocate memory" in str(error) or asked):
        return f"out of memory: one tensor of {int(asked[1]):,} bytes" if asked else "out of memory"
    return None
