"""Which attention kernels a call runs, as torch dispatches them.

`scaled_dot_product_attention` chooses among several kernels without saying which, and most methods call it on shapes of
their own. So the operators of a real call are observed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.autograd.profiler import profile
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_KERNEL = re.compile(r"aten::_scaled_dot_product_(flash|efficient|cudnn|fused)_attention")
_CHOOSES = torch.ops.aten.scaled_dot_product_attention.default
_NAMES = {"fused": "overrideable"}
"""Where the operator and torch's enumeration of kernels use different words."""
_MATH = "aten::_scaled_dot_product_attention_math"
"""The composite kernel, which a compiler replaces by products of its own."""


def attention_kernels(call: Callable[[], object]) -> tuple[str, ...]:
    """Return the fused attention kernels that `call` runs, each once, in the order of their first use.

    A call of `scaled_dot_product_attention` without a fused kernel runs torch's composite one, `math`. FlexAttention is
    no operator and is not seen.
    """
    seen = _Kernels()
    with _Calls(seen), seen:
        call()
    return tuple(seen.names)


def compiled_attention_kernels(call: Callable[[], object]) -> tuple[str, ...]:
    """Return the attention kernels that a call of a compiled module runs, as `attention_kernels`.

    The modes of `attention_kernels` would turn the compiled module off, and the call would be the one of torch without
    a compiler. The profiler leaves it as it is. Attention that the compiler made of ordinary products has no kernel.

    There are two calls, since the profiler would also see the operators of a compilation.
    """
    call()
    with profile(use_kineto=False) as profiled:
        call()
    began = sorted(profiled.function_events or (), key=lambda event: event.time_range.start)
    found = (_name(event.name) for event in began)
    return tuple(dict.fromkeys(name for name in found if name is not None))


def _name(operator: str) -> str | None:
    """Return the name of the attention kernel that an operator is, or None for any other operator."""
    if operator == _MATH:
        return "math"
    found = _KERNEL.match(operator)
    return _NAMES.get(found[1], found[1]) if found else None


class _Calls(TorchFunctionMode):
    """Watches the calls of `scaled_dot_product_attention`, whose composite kernel consists of ordinary products."""

    def __init__(self, seen: _Kernels) -> None:
        super().__init__()
        self.seen = seen

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        before = self.seen.operators
        result = func(*args, **(kwargs or {}))
        if func is scaled_dot_product_attention and self.seen.operators == before:
            self.seen.names["math"] = None
        return result


class _Kernels(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: dict[str, None] = {}
        self.operators = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        found = _name(func.name())
        if found is not None:
            self.names[found] = None
            self.operators += 1
        if func is _CHOOSES:  # tensors made in inference mode reach this mode before torch has chosen
            with self:
                return func.decompose(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))
