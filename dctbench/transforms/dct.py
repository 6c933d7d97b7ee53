"""The base class of the truncated DCT algorithms: shapes, gradients, and tables in the dtype of the module.

D is the orthonormal DCT-II of length n and D_m its first m rows, D_m[k, j] = c_k cos(pi k (2j + 1) / 2n).
Every algorithm computes the same two linear maps, x -> D_m x and its adjoint z -> D_m^T z (the inverse DCT of
coefficients padded with zeros). Each is the gradient of the other, so all algorithms share one autograd rule.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from dctbench.errors import UsageError
from dctbench.transforms.cosines import Array


class TruncatedDct(nn.Module):
    """The first `n_kept` coefficients of the orthonormal DCT-II along dimension -2, and their inverse transform.

    Tables are buffers that a state_dict omits, since they follow from the shape. When the dtype of the module changes
    they are rebuilt instead of converted, so after `.double()` they have float64 accuracy.

    Args:
        seq_len: n.
        n_kept: m, 1 <= m <= n.
        dtype: of the tables and the data; torch's default when None.
        device: where the tables live; use "meta" to count FLOPs.

    Raises:
        UsageError: for invalid sizes.
    """

    algorithm: ClassVar[str]
    """The first part of its plans."""

    def __init__(
        self,
        seq_len: int,
        n_kept: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if not 1 <= n_kept <= seq_len:
            raise UsageError(f"a DCT of length {seq_len} keeps 1 to {seq_len} coefficients, not {n_kept}")
        self.seq_len = seq_len
        self.n_kept = n_kept
        # An empty tensor that `.to(...)` moves: it records the dtype and device that the tables must have.
        self.register_buffer("like", torch.empty(0, dtype=dtype, device=device), persistent=False)
        self._build()

    like: Tensor

    def forward(self, x: Tensor, *, ordered: bool = True) -> Tensor:
        """D_m x: (..., seq_len, columns) -> (..., n_kept, columns).

        With `ordered=False` rows may have the algorithm's own order, which saves a gather. Row 0 is the DC coefficient
        in any order. `inverse(..., ordered=False)` expects the same order, and attention does not depend on it.

        Raises:
            UsageError: if dimension -2 is not `seq_len`.
        """
        _check_length(x, self.seq_len)
        return self._transform(x, False, ordered)

    def inverse(self, z: Tensor, *, ordered: bool = True) -> Tensor:
        """D_m^T z: (..., n_kept, columns) -> (..., seq_len, columns), the inverse DCT of zero-padded z.

        Raises:
            UsageError: if dimension -2 is not `n_kept`.
        """
        _check_length(z, self.n_kept)
        return self._transform(z, True, ordered)

    @abstractmethod
    def flops(self, columns: int) -> int:
        """FLOPs of `forward` or of `inverse` on `columns` columns over all batches (multiply-add = 2)."""

    @property
    def plan(self) -> str:
        """The algorithm and its parameters, in the form that `transform=` accepts."""
        return self.algorithm

    @property
    def table_bytes(self) -> int:
        """Bytes of the tables."""
        return sum(table.nbytes for table in self.buffers())

    @abstractmethod
    def _tables(self) -> Mapping[str, Array]:
        """Return the tables by attribute name: integers, or floats at least as precise as `self.like`."""

    @abstractmethod
    def _dct(self, x: Tensor, ordered: bool) -> Tensor:
        """Return D_m x for x (batch, seq_len, columns)."""

    @abstractmethod
    def _idct(self, z: Tensor, ordered: bool) -> Tensor:
        """Return D_m^T z for z (batch, n_kept, columns)."""

    def compute(self, x: Tensor, inverse: bool, ordered: bool) -> Tensor:
        """Transform (batch, rows, columns) in the dtype of the tables; autocast may have changed that of x."""
        x = x.to(self.like.dtype)
        return self._idct(x, ordered) if inverse else self._dct(x, ordered)

    def _transform(self, x: Tensor, inverse: bool, ordered: bool) -> Tensor:
        """Call `compute` with the leading dimensions of x as one batch, differentiably.

        A compiler differentiates and fuses the stages itself, so it does not get the autograd function.
        """
        batched = x if x.ndim == 3 else x.reshape(-1, *x.shape[-2:])
        plain = torch.compiler.is_compiling() or not (
            (torch.is_grad_enabled() and x.requires_grad) or _in_function_transform()
        )
        y = self.compute(batched, inverse, ordered) if plain else _differentiable(batched, self, inverse, ordered)
        return y if x.ndim == 3 else y.reshape(*x.shape[:-2], *y.shape[-2:])

    def _build(self) -> None:
        with torch.inference_mode(False):  # tables first built during inference may be used in training
            for name, table in self._tables().items():
                dtype = torch.int64 if table.dtype.kind == "i" else self.like.dtype
                self.register_buffer(name, torch.tensor(table, dtype=dtype, device=self.like.device), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        before = self.like
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.like.dtype != before.dtype or before.is_meta:
            self._build()
        return self

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"seq_len={self.seq_len}, n_kept={self.n_kept}, plan={self.plan}"


class _LinearMap(torch.autograd.Function):
    """A transform with its adjoint as gradient, so that no stage saves tensors or is differentiated by itself.

    It has rules for all transforms of `torch.func`: grad, jvp, vmap and what is built from them.
    """

    @staticmethod
    def forward(x: Tensor, transform: TruncatedDct, inverse: bool, ordered: bool) -> Tensor:
        return transform.compute(x, inverse, ordered)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.transform, ctx.inverse, ctx.ordered = inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        # Itself differentiable, so that second derivatives exist.
        return _differentiable(gradients[0], ctx.transform, not ctx.inverse, ctx.ordered), None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        return _differentiable(tangents[0], ctx.transform, ctx.inverse, ctx.ordered)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], x: Tensor, transform: TruncatedDct, inverse: bool, ordered: bool
    ) -> tuple[Tensor, int]:
        # x (batch, rows, columns) has one more dimension, which joins the batch.
        assert in_dims[0] is not None
        x = x.movedim(in_dims[0], 0)
        y = _differentiable(x.flatten(0, 1), transform, inverse, ordered)
        return y.unflatten(0, x.shape[:2]), 0


def _differentiable(x: Tensor, transform: TruncatedDct, inverse: bool, ordered: bool) -> Tensor:
    y: Tensor = _LinearMap.apply(x, transform, inverse, ordered)  # type: ignore[no-untyped-call]
    return y


def _in_function_transform() -> bool:
    """Return whether a transform of `torch.func` is active: it may map over x, or differentiate by it, unseen."""
    return bool(torch._C._are_functorch_transforms_active())  # torch's own autograd functions ask so; no public name


def _check_length(x: Tensor, length: int) -> None:
    if x.ndim < 2 or x.shape[-2] != length:
        raise UsageError(f"expected an input (..., {length}, columns); got {tuple(x.shape)}")
