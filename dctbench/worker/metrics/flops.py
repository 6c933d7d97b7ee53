"""FLOPs of a call, counted on the meta device and never zero.

On the CPU torch's counter ignores fused attention kernels and FFTs, so a naive count would miss most of the work of the
methods under comparison. On the meta device attention decomposes into matrix products. The FFT formulas are registered
here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from dctbench.errors import DctbenchError, text_of

CONVENTION = "multiply-add = 2; a real FFT of length n = 2.5 n log2 n, a complex one 5 n log2 n; element-wise free"


class UncountableError(DctbenchError):
    """The method does not run on the meta device, or its count is zero."""


@dataclass(frozen=True, slots=True)
class Count:
    """FLOPs of a call, and the names of the operations that compute values but have no formula, so count as zero."""

    flops: int
    uncounted: tuple[str, ...]


def count(call: Callable[[], object]) -> Count:
    """Count the FLOPs of `call`, which must work on meta tensors.

    Raises:
        UncountableError: for a call that fails on the meta device, and for a count of zero.
    """
    counter = FlopCounterMode(display=False, custom_mapping=FFT_FORMULAS)
    seen = _Operations()
    try:
        with seen, counter:
            call()
    except Exception as error:
        raise UncountableError(f"the method does not run on the meta device: {_first_line(error)}") from error
    total = int(counter.get_total_flops())
    if total <= 0:
        raise UncountableError("no operation that the counter knows was called, so the count would be zero")
    return Count(total, tuple(sorted(name for name, known in seen.names(counter.flop_registry) if not known)))


class _Operations(TorchDispatchMode):
    """Records every operation that computes values; views and empty tensors do not."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[Any] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not func.is_view and func.overloadpacket not in _NO_WORK:
            self.seen.add(func.overloadpacket)
        return func(*args, **(kwargs or {}))

    def names(self, registry: Mapping[Any, Any]) -> Iterator[tuple[str, bool]]:
        """Yield the name of each operation, and whether the registry has a formula for it."""
        return ((str(packet).removeprefix("aten."), packet in registry) for packet in self.seen)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {text_of(error).strip()}".splitlines()[0][:300]


def _transform_flops(shape: torch.Size, dims: list[int], real: bool) -> int:
    """Return the FLOPs of the transforms over `dims` of a tensor of `shape`."""
    size = math.prod(shape)
    length = math.prod(shape[dim] for dim in dims)
    return round((2.5 if real else 5.0) * size * math.log2(max(length, 2)))


def _real_to_complex(shape: torch.Size, dim: list[int], *_: Any, **__: Any) -> int:
    return _transform_flops(shape, dim, real=True)


def _complex_to_real(
    shape: torch.Size, dim: list[int], normalization: int, last_dim_size: int, *_: Any, **__: Any
) -> int:
    whole = torch.Size([*shape])
    sizes = list(whole)
    sizes[dim[-1]] = last_dim_size
    return _transform_flops(torch.Size(sizes), dim, real=True)


def _complex_to_complex(shape: torch.Size, dim: list[int], *_: Any, **__: Any) -> int:
    return _transform_flops(shape, dim, real=False)


FFT_FORMULAS: dict[Any, Any] = {
    torch.ops.aten._fft_r2c: _real_to_complex,
    torch.ops.aten._fft_c2r: _complex_to_real,
    torch.ops.aten._fft_c2c: _complex_to_complex,
}

_NO_WORK = {
    getattr(torch.ops.aten, name)
    for name in ("empty", "empty_like", "empty_strided", "new_empty", "detach", "_unsafe_view", "resize_", "set_")
}
