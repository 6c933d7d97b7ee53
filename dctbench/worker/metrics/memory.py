"""Memory figures that need no measuring: the estimate for a call that may not fit, and the bytes a module keeps.

What a call really allocates is asked of its device (`peak_tensor_bytes` and `process_bytes` of `worker.devices`).
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


def predicted_tensor_bytes(
    make: Callable[[], Callable[[], object]], math_attention: bool = False, gradients: bool = False
) -> int:
    """Estimate the peak tensor bytes of the call that `make` returns, without allocating them.

    Both run on fake tensors, which have shapes but no memory. Scratch memory inside a kernel is not included.

    Args:
        make: builds the call, also under fake tensors.
        math_attention: whether the device would run torch's composite attention kernel. Fake tensors do not show its
            n x n matrices, so it is replaced by the operations that it consists of.
        gradients: whether the call runs with gradients enabled and keeps what a backward pass needs.
    """
    attention = _MathAttention() if math_attention else nullcontext()
    with FakeTensorMode(), torch.inference_mode(not gradients), attention, _LiveStorages() as storages:
        call = make()
        before = storages.live
        storages.peak = before
        call()
    return int(storages.peak - before)


class _MathAttention(TorchFunctionMode):
    """Replaces attention by the operations of torch's composite kernel."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is scaled_dot_product_attention:
            return _composite(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _composite(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, attn_mask: torch.Tensor | None = None
) -> torch.Tensor:
    scale = q.shape[-1] ** -0.25  # like ATen, which scales both factors into new tensors
    q, k = q * scale, k * scale
    logits = q @ k.transpose(-1, -2)
    if attn_mask is not None:
        logits = logits + attn_mask
    weights = torch.softmax(logits, dim=-1)
    return weights @ v


class _LiveStorages(TorchDispatchMode):
    """Sums the storages that operators create, until each is released."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        self.peak = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_iter(result):
            if isinstance(tensor, torch.Tensor):
                self._add(tensor.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._seen:
            return
        self._seen.add(key)
        size = storage.nbytes()
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.live -= size


def state_bytes(module: nn.Module) -> int:
    """Return the bytes of the parameters and buffers of a module; shared storage counts once."""
    return storage_bytes([*module.parameters(), *module.buffers()])


class Kept:
    """What a method keeps besides parameters and buffers: tables in attributes, closures and caches.

    Make one before the method is built. Every tensor that Python holds later and did not hold then is state, wherever
    it is kept.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._before = set(self._alive())

    def bytes(self, apart: Iterable[torch.Tensor]) -> int:
        """Return the bytes of new tensors on the device, without those that share memory with a tensor of `apart`."""
        others = self._before | {tensor.untyped_storage()._cdata for tensor in apart}
        return sum(size for storage, size in self._alive().items() if storage not in others)

    def _alive(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for one in gc.get_objects():
            if not issubclass(type(one), torch.Tensor) or isinstance(one, FakeTensor):
                continue
            here = one.device == self._device or one.device.type == self._device.type == "cpu"
            if here and one.layout is torch.strided:
                storage = one.untyped_storage()
                found[storage._cdata] = storage.nbytes()
        return found


def storage_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Return the bytes of the distinct storages of the tensors."""
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())
