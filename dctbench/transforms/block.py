"""The truncated DCT as small matrix products, without its full basis: compress blocks, then combine them.

Write j = j1 L + j2 for blocks of length L. With t = 2 j1 + 1 - n1 and u = 2 j2 + 1 - L the angle of the DCT splits:

    pi k (2j + 1) / 2n  =  pi k / 2  +  a_k(t)  +  b_k(u),     a_k = pi k t / 2 n1,  b_k = pi k u / 2n

1. *Compress*: within a block, cos b_k and sin b_k for all k < m lie in p ~ L / ratio + 10 dimensions, spanned by even
   and odd prolate sequences E and O (`slepian`). All that is needed of x is y = [E | O]^T x per block, a GEMM.
2. *Across blocks*, for each k: cos a_k or sin a_k over t, times (cos b_k^T E | sin b_k^T O). This is either one
   (m x n1 p) matrix (`BlockGemmDct`: any n, small m) or two steps (`BlockSlotsDct`: L must divide n), because a_k has
   only 2 n1 distinct functions of t.

The adjoint consists of the same stages transposed. docs/block-dct.md has the derivation, the error bound and prior art.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from dctbench.transforms.basis import long_product
from dctbench.transforms.cosines import Array, cos_sin, row_scale
from dctbench.transforms.dct import TruncatedDct
from dctbench.transforms.slepian import TOLERANCE, block_basis, padded_ranks


class _BlockDct(TruncatedDct):
    """The base of both forms: blocks of length `block`, and the compression of a block."""

    algorithm = "block"
    across: ClassVar[str]

    def __init__(
        self,
        seq_len: int,
        n_kept: int,
        *,
        block: int,
        tolerance: float | None = None,
        alignment: int = 1,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        self.block = block
        self.tolerance = tolerance
        self.alignment = alignment
        self.blocks = seq_len // block
        super().__init__(seq_len, n_kept, dtype=dtype, device=device)

    def _compression(self, length: int) -> tuple[Array, Array, Array, Array]:
        """Return E (length, p_even), O (length, p_odd), c_k cos b_k^T E and c_k sin b_k^T O, each (n_kept, p)."""
        tolerance = self.tolerance or TOLERANCE.get(self.like.dtype, TOLERANCE[torch.float32])
        even, odd, of_even, of_odd = block_basis(self.seq_len, self.n_kept, length, tolerance)
        scale = row_scale(self.seq_len, self.n_kept)[:, None]
        columns = padded_ranks(even.shape[1], odd.shape[1], length, self.alignment)
        even, of_even = (_with_columns(table, columns[0]) for table in (even, scale * of_even))
        odd, of_odd = (_with_columns(table, columns[1]) for table in (odd, scale * of_odd))
        return even, odd, of_even, of_odd

    @property
    def plan(self) -> str:
        """`block:length:slots` or `block:length:gemm`."""
        return f"{self.algorithm}:{self.block}:{self.across}"


def _with_columns(table: Array, columns: int) -> Array:
    """Return a table (rows, p) with zeros as further columns: (rows, columns)."""
    return np.pad(table, ((0, 0), (0, columns - table.shape[1])))


class BlockSlotsDct(_BlockDct):
    """Compression, then cos or sin of a_k over the blocks, then a product per slot: the k that share that function.

    k = n1 c + r has a_k(t) = pi g t + (-1)^c pi kappa t / 2 n1, with kappa = r for even c and n1 - r for odd c, and
    g = ceil(c / 2). pi g t only changes signs, and k and kappa have the same parity. So for each kappa the even parts
    of y need one function of t (cos for even kappa, else sin) and the odd parts need the other one. The odd one
    vanishes for kappa = 0 and the even one for kappa = n1, so both share slot 0 = n1 mod n1. There are n1 slots of
    w = ceil(m / n1) coefficients. FLOPs per column: 2 n p + 2 n1^2 p + 2 n1 w p.

    Args:
        seq_len: n.
        n_kept: m.
        block: L; must divide n.
        tolerance: the part of a unit cosine that a block may lose; that of the dtype when None.
        alignment: the tables of each parity are padded with zeros to a multiple of so many columns.
        dtype: of the tables and the data; torch's default when None.
        device: where the tables live.
    """

    across = "slots"
    compress: Tensor  # (block, p): [E | O]
    across_even: Tensor  # (n1, n1): for each slot its function of t for the even parts
    across_odd: Tensor  # (n1, n1)
    combine: Tensor  # (n1, w, p): for each slot the weights of its coefficients
    slot_of_row: Tensor  # (n_kept,): the index of coefficient k in slot order

    def flops(self, columns: int) -> int:
        """2 n p + 2 n1^2 p + 2 n1 w p per column."""
        p = self.compress.shape[1]
        return 2 * p * (self.seq_len + self.blocks**2 + self.combine.shape[0] * self.combine.shape[1]) * columns

    @property
    def _full(self) -> bool:
        """Whether every slot has w coefficients, so that slot order has no gaps."""
        return self.n_kept % self.blocks == 0

    def _tables(self) -> Mapping[str, Array]:
        even, odd, of_even, of_odd = self._compression(self.block)
        self.p_even = even.shape[1]
        n1 = self.blocks
        k = np.arange(self.n_kept)
        c, r = k // n1, k % n1
        kappa = np.where(c % 2 == 0, r, n1 - r)

        t = 2 * np.arange(n1) + 1 - n1
        slot = np.arange(n1)[:, None]
        cosines, sines = cos_sin(slot * t, 2 * n1)  # (n1, n1)
        across_even = np.where(slot % 2 == 0, cosines, sines)
        across_odd = np.where(slot % 2 == 0, sines, cosines)
        across_odd[0] = cos_sin(n1 * t, 2 * n1)[1 - n1 % 2]  # kappa = n1: cos for odd n1, sin for even

        # cos(pi k/2 + a + b) is (-1)^(k/2) [cos a cos b - sin a sin b] for even k and
        # -(-1)^((k-1)/2) [sin a cos b + cos a sin b] for odd k; sin a is odd in the sign of kappa.
        quarter = 1 - 2 * (k // 2 % 2)
        turns = 1 - 2 * ((c + 1) // 2 * (n1 - 1) % 2)  # cos(pi g t), with t of n1 - 1's parity
        mirrored = 1 - 2 * (c % 2)
        sign_even = quarter * turns * np.where(k % 2 == 0, 1, -mirrored) * (kappa < n1)
        sign_odd = quarter * turns * np.where(k % 2 == 0, -mirrored, -1) * (kappa > 0)

        width = -(-self.n_kept // n1)
        slot_of_row = kappa % n1 * width + c
        combine = np.zeros((n1 * width, even.shape[1] + odd.shape[1]))
        combine[slot_of_row] = np.hstack([sign_even[:, None] * of_even, sign_odd[:, None] * of_odd])
        return {
            "compress": np.hstack([even, odd]),
            "across_even": across_even,
            "across_odd": across_odd,
            "combine": combine.reshape(n1, width, -1),
            "slot_of_row": slot_of_row,
        }

    def _across(self, y: Tensor, even: Tensor, odd: Tensor) -> Tensor:
        """Apply `even` and `odd` (n1, n1) over the blocks to the even and odd parts of y (batch, n1, p, columns)."""
        batch, n1, p, columns = y.shape
        y = y.view(batch, n1, p * columns)
        split = self.p_even * columns
        even, odd = even.to(y.dtype), odd.to(y.dtype)  # autocast changes the dtype of y, but not that of `out=`
        if torch.compiler.is_compiling():  # `out=` has no gradient, and the compiler removes the copy
            parts = even @ y[..., :split], odd @ y[..., split:]
            return torch.cat(parts, -1).view(batch, n1, p, columns)
        t = torch.empty_like(y)
        torch.bmm(even.expand(batch, -1, -1), y[..., :split], out=t[..., :split])
        torch.bmm(odd.expand(batch, -1, -1), y[..., split:], out=t[..., split:])
        return t.view(batch, n1, p, columns)

    def _dct(self, x: Tensor, ordered: bool) -> Tensor:
        batch, _, columns = x.shape
        n1, width, p = self.combine.shape
        blocks = x.reshape(batch * n1, self.block, columns)
        y = torch.bmm(self.compress.t().expand(batch * n1, -1, -1), blocks).view(batch, n1, p, columns)
        y = self._across(y, self.across_even, self.across_odd)
        combine = self.combine if batch == 1 else self.combine.repeat(batch, 1, 1)
        z = torch.bmm(combine, y.view(batch * n1, p, columns)).view(batch, n1 * width, columns)
        return z if self._full and not ordered else z.index_select(1, self.slot_of_row)

    def _idct(self, z: Tensor, ordered: bool) -> Tensor:
        batch, _, columns = z.shape
        n1, width, p = self.combine.shape
        if not self._full or ordered:
            z = z.new_zeros(batch, n1 * width, columns).index_copy(1, self.slot_of_row, z)
        combine = self.combine.transpose(1, 2)
        combine = combine if batch == 1 else combine.repeat(batch, 1, 1)
        z = z.reshape(batch * n1, width, columns)
        compress = self.compress.expand(batch * n1, -1, -1)
        if torch.compiler.is_compiling():
            y = self._across((combine @ z).view(batch, n1, p, columns), self.across_even.t(), self.across_odd.t())
            return (compress @ y.view(batch * n1, p, columns)).view(batch, self.seq_len, columns)
        x = z.new_empty(batch, self.seq_len, columns)
        # Since p <= block, the first stage fits into the output's memory, which only the last stage overwrites.
        y = x.view(-1)[: batch * n1 * p * columns].view(batch * n1, p, columns)
        torch.bmm(combine, z, out=y)
        y = self._across(y.view(batch, n1, p, columns), self.across_even.t(), self.across_odd.t())
        torch.bmm(compress, y.view(batch * n1, p, columns), out=x.view(batch * n1, self.block, columns))
        return x


class BlockGemmDct(_BlockDct):
    """Compression, then one (n_kept x n1 p) matrix product, for any length. Best for small n_kept.

    If equal blocks do not fill n, the last block is shorter and has a basis of its own. FLOPs per column: 2 n p for
    the compression (the last block has its own p) and 2 m times the compressed length.
    """

    across = "gemm"
    compress: Tensor  # (block, p)
    compress_tail: Tensor  # (n mod block, p_tail)
    combine: Tensor  # (n_kept, n1 p + p_tail)

    def flops(self, columns: int) -> int:
        """2 n p + 2 m n1 p per column, with the rank of the last block for its part."""
        compression = self.blocks * self.compress.numel() + self.compress_tail.numel()
        return 2 * (compression + self.combine.numel()) * columns

    def _tables(self) -> Mapping[str, Array]:
        body = self.blocks * self.block
        tail = self.seq_len - body
        compress, combine = self._segment(self.block, np.arange(self.blocks) * self.block)
        if not tail:
            return {"compress": compress, "compress_tail": np.zeros((0, 0)), "combine": combine}
        compress_tail, combine_tail = self._segment(tail, np.array([body]))
        return {
            "compress": compress,
            "compress_tail": compress_tail,
            "combine": np.hstack([combine, combine_tail]),
        }

    def _segment(self, length: int, starts: Array) -> tuple[Array, Array]:
        """Return [E | O] (length, p) and the columns of `combine` (n_kept, len(starts) p) for blocks of one length."""
        even, odd, of_even, of_odd = self._compression(length)
        # 2j + 1 = (2 start + length) + u: the angle at the middle of the block, plus b_k.
        cosines, sines = cos_sin(np.arange(self.n_kept)[:, None] * (2 * starts + length), 2 * self.seq_len)
        parts = [cosines[:, :, None] * of_even[:, None], -sines[:, :, None] * of_odd[:, None]]
        return np.hstack([even, odd]), np.concatenate(parts, axis=2).reshape(self.n_kept, -1)

    def _dct(self, x: Tensor, ordered: bool) -> Tensor:
        body = self.blocks * self.block
        y = self.compress.t() @ x[:, :body].unflatten(1, (self.blocks, self.block))  # (batch, n1, p, columns)
        y = y.flatten(1, 2)
        if body < self.seq_len:
            y = torch.cat([y, self.compress_tail.t() @ x[:, body:]], 1)
        return long_product(self.combine, y)

    def _idct(self, z: Tensor, ordered: bool) -> Tensor:
        body = self.blocks * self.block
        y = long_product(self.combine.t(), z)  # (batch, n1 p + p_tail, columns)
        split = self.blocks * self.compress.shape[1]
        x = (self.compress @ y[:, :split].unflatten(1, (self.blocks, -1))).flatten(1, 2)
        return x if body == self.seq_len else torch.cat([x, self.compress_tail @ y[:, split:]], 1)
