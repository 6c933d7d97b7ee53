"""What every algorithm for the truncated DCT shares: shapes, gradients, tables that follow the module.

D is the orthonormal DCT-II of length n and D_m its first m rows: D_m[k, j] = c_k cos(pi k (2j + 1) / 2n).
Every algorithm computes the same two linear maps, X -> D_m X and its adjoint Z -> D_m^T Z (which is the inverse DCT
of zero-padded coefficients), so each is the other's gradient and one autograd rule serves all.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dctbench.errors import UsageError


class TruncatedDct(nn.Module):
    """The first `n_kept` coefficients of the orthonormal DCT-II along dimension -2, and the inverse of those.

    Tables are buffers that no state_dict holds: they follow from the shape. They are rebuilt, not rounded, when the
    module changes its dtype, so that `layer.double()` computes with float64 tables.

    Args:
        seq_len: n.
        n_kept: m, 1 <= m <= n.
        dtype: of the tables and of what is transformed; torch's default when None.
        device: where the tables live; "meta" for counting FLOPs.

    Raises:
        UsageError: for sizes that make no transform.
    """

    algorithm: ClassVar[str]
    """The name in a plan."""

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
            raise UsageError(
                f"a DCT of length {seq_len} keeps 1 to {seq_len} coefficients; got n_kept = {n_kept}"
            )
        self.seq_len = seq_len
        self.n_kept = n_kept
        # One empty tensor that every `.to(...)` moves along: it says what dtype and device the tables must have.
        self.register_buffer("_like", torch.empty(0, dtype=dtype, device=device), persistent=False)

    _like: Tensor

    def forward(self, x: Tensor, *, ordered: bool = True) -> Tensor:
        """D_m x: (..., seq_len, columns) -> (..., n_kept, columns).

        `ordered=False` allows the rows in the algorithm's own order, which saves a gather: k = 0 is row 0 in any
        order, `inverse(..., ordered=False)` expects the same one, and attention does not care about it.
        """
        self._check(x, self.seq_len)
        return _apply_linear(self._dct, self._idct, x, ordered)

    def inverse(self, z: Tensor, *, ordered: bool = True) -> Tensor:
        """D_m^T z: (..., n_kept, columns) -> (..., seq_len, columns), the inverse DCT of z padded with zeros."""
        self._check(z, self.n_kept)
        return _apply_linear(self._idct, self._dct, z, ordered)

    @abstractmethod
    def flops(self, columns: int) -> int:
        """FLOPs of `forward`, and of `inverse`, for this many columns over all batches (multiply-add = 2)."""

    @property
    def table_bytes(self) -> int:
        """Bytes of the tables; those of a view count once."""
        storages = {
            t.untyped_storage().data_ptr() or id(t): t.untyped_storage().nbytes() for t in self.buffers()
        }
        return sum(storages.values())

    @abstractmethod
    def _build(self) -> None:
        """Set the tables, with dtype and device of `self._like`."""

    @abstractmethod
    def _dct(self, x: Tensor, ordered: bool) -> Tensor:
        """D_m x for x (batch, seq_len, columns), without gradients of its own under eager autograd."""

    @abstractmethod
    def _idct(self, z: Tensor, ordered: bool) -> Tensor:
        """D_m^T z for z (batch, n_kept, columns)."""

    def _table(self, values: Tensor) -> Tensor:
        """A float64 table in the module's dtype, on its device."""
        return values.to(self._like).contiguous()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> TruncatedDct:
        before = self._like
        super()._apply(fn, recurse)
        if self._like.dtype != before.dtype or (before.is_meta and not self._like.is_meta):
            self._build()
        return self

    def _check(self, x: Tensor, length: int) -> None:
        if x.ndim < 2 or x.shape[-2] != length:
            raise UsageError(f"expected (..., {length}, columns); got {tuple(x.shape)}")

    def extra_repr(self) -> str:
        """What `print` adds."""
        return f"seq_len={self.seq_len}, n_kept={self.n_kept}"


Kernel = Callable[[Tensor, bool], Tensor]


class _Linear(torch.autograd.Function):
    """A linear map whose gradient is its adjoint: nothing is saved, and no stage is differentiated by itself."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, apply: Kernel, adjoint: Kernel, ordered: bool) -> Tensor:
        ctx.apply, ctx.adjoint, ctx.ordered = apply, adjoint, ordered
        return apply(x, ordered)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        # Through the Function again, so that second derivatives exist.
        return _Linear.apply(gradients[0], ctx.adjoint, ctx.apply, ctx.ordered), None, None, None


def _apply_linear(apply: Kernel, adjoint: Kernel, x: Tensor, ordered: bool) -> Tensor:
    """`apply(x)` over the leading dimensions of x as one batch, differentiable."""
    batched = x if x.ndim == 3 else x.reshape(-1, *x.shape[-2:])
    if torch.compiler.is_compiling() or not (torch.is_grad_enabled() and x.requires_grad):
        y = apply(batched, ordered)
    else:
        y = _Linear.apply(batched, apply, adjoint, ordered)
    return y if x.ndim == 3 else y.reshape(*x.shape[:-2], *y.shape[-2:])
