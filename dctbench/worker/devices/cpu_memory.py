"""The memory that a call needs on the CPU: tensors to the byte, and growth of the process as the kernel sees it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path

from torch.autograd.profiler import profile

from dctbench.errors import UnsupportedError

RESOLVED = 8 << 20
"""Bytes. A smaller growth of the resident set is lost among pages that the process already held."""
_PROCESS = Path("/proc/self")


def peak_tensor_bytes(call: Callable[[], object]) -> int:
    """Return the most bytes of CPU tensors that were alive at once during `call`, above what was live before it.

    The running sum of the profiler's allocation events is exact for what torch allocates, also inside a kernel. What a
    library takes for itself, such as the scratch memory of an FFT, is not seen. The resident set misses memory that the
    allocator already holds and counts what it keeps. The result of `call` counts,
    its inputs do not. Profiling slows the call down, so it must not be timed here.
    """
    with profile(profile_memory=True, use_kineto=False) as profiled:
        result = call()
    del result
    assert profiled.kineto_results is not None
    # The profiler's summary adds up events per operator and loses their order, so the raw events are used.
    changes = sorted(
        (event.start_ns(), order, event.nbytes())
        for order, event in enumerate(profiled.kineto_results.events())
        if event.name() == "[memory]"
    )
    live = peak = 0
    for _, _, change in changes:
        live += change
        peak = max(peak, live)
    return int(peak)


def resident_growth_bytes(call: Callable[[], object]) -> int:
    """Return by how much the resident set grew during `call` at most, from the kernel's high-water mark (Linux).

    Memory that the allocator kept from earlier calls is returned to the system first, or it would hide what this
    call needs.

    Raises:
        UnsupportedError: on other systems, and for a growth under 8 MiB, which page accounting does not resolve.
    """
    if sys.platform != "linux":
        raise UnsupportedError("the high-water mark of a process can be reset on Linux only")
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
    try:
        (_PROCESS / "clear_refs").write_text("5", encoding="ascii")  # proc(5): resets VmHWM to VmRSS
    except OSError as error:
        raise UnsupportedError(f"/proc/self/clear_refs cannot be written: {error.strerror}") from None
    before = _status_bytes("VmHWM")
    result = call()
    growth = _status_bytes("VmHWM") - before
    del result
    if growth < RESOLVED:
        raise UnsupportedError(f"grew by less than {RESOLVED >> 20} MiB, which the page accounting does not resolve")
    return growth


def _status_bytes(key: str) -> int:
    for line in (_PROCESS / "status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) << 10
    raise UnsupportedError(f"/proc/self/status has no {key}")
