"""The bytes that a case needs, from shapes alone: a case that cannot fit is refused before it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from dctbench.attention.sdpa import SDPAttention
from dctbench.errors import DctbenchError, UnsupportedError, UsageError
from dctbench.model import Case
from dctbench.text.format import format_size
from dctbench.worker.devices import DeviceModule
from dctbench.worker.metrics import memory
from dctbench.worker.what_ran import attention_kernel
from dctbench.worker.workload import make_module, shapes_only


class NotEnoughMemoryError(DctbenchError):
    """The case would need more memory than there is, by an estimate made before anything was allocated."""

    def __init__(self, needed: int, available: int) -> None:
        super().__init__(f"needs about {format_size(needed)} of {format_size(available)} (estimate)")
        self.needed = needed


def estimated_bytes(case: Case) -> int | None:
    """Return the bytes that a call of the case and its preparation would need, from shapes alone.

    None for code that cannot run on fake tensors.

    Raises:
        UsageError, UnsupportedError: from the implementation, for a shape or option it refuses.
    """

    def make() -> Callable[[], object]:
        subject = shapes_only(case, case.device)
        return lambda: subject.call(subject.prepare(0))

    try:
        training = case.mode != "forward"
        return memory.predicted_tensor_bytes(make, math_attention=runs_math_attention(case), gradients=training)
    except (UnsupportedError, UsageError):
        raise
    except Exception:
        return None


def runs_math_attention(case: Case) -> bool:
    """Return whether exact attention in the case, on one device, would run torch's composite kernel.

    Raises:
        UsageError, UnsupportedError: from the implementation, for a shape or option it refuses.
    """
    parts = make_module(replace(case, ranks=None), "meta").modules()
    return any(attention_kernel(case, part) == "math" for part in parts if isinstance(part, SDPAttention))


def refuse_what_cannot_fit(
    case: Case, device: DeviceModule, estimate: Callable[[Case], int | None] = estimated_bytes
) -> None:
    """Refuse a case that would not fit into the memory of the device. Small cases run without an estimate.

    Raises:
        NotEnoughMemoryError: for such a case.
    """
    if case.scope == "model":  # only running it shows what it needs
        return
    available = device.memory_bytes(case.device)
    quadratic = 4 * (case.ranks or 1) * case.batch * case.heads * case.seq_len**2 * getattr(torch, case.dtype).itemsize
    if quadratic < available // 4:
        return
    needed = estimate(case)
    if needed is not None and needed > available:
        raise NotEnoughMemoryError(needed, available)
