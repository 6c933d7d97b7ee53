"""The definition as one matrix product: the plain reference, and the fastest at tiny shapes."""

from __future__ import annotations

import torch
from torch import Tensor

from dctbench.transforms.cosines import dct_rows
from dctbench.transforms.dct import TruncatedDct

_ROWS_AT_ONCE = 256
"""Rows of the table built in float64 at a time, so that building never holds a second table."""


class BasisDct(TruncatedDct):
    """D_m held as an (n_kept, seq_len) matrix; 2 n m FLOPs per column and n m numbers of memory."""

    algorithm = "basis"

    def __init__(
        self,
        seq_len: int,
        n_kept: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(seq_len, n_kept, dtype=dtype, device=device)
        self.register_buffer("basis", None, persistent=False)
        self._build()

    basis: Tensor  # (n_kept, seq_len)

    def flops(self, columns: int) -> int:
        """2 n m per column."""
        return 2 * self.seq_len * self.n_kept * columns

    def _build(self) -> None:
        basis = self._like.new_empty(self.n_kept, self.seq_len)
        if not basis.is_meta:
            for first in range(0, self.n_kept, _ROWS_AT_ONCE):
                last = min(first + _ROWS_AT_ONCE, self.n_kept)
                basis[first:last] = dct_rows(self.seq_len, first, last)
        self.basis = basis

    def _dct(self, x: Tensor, ordered: bool) -> Tensor:
        return self.basis @ x  # (batch, n_kept, columns)

    def _idct(self, z: Tensor, ordered: bool) -> Tensor:
        return self.basis.t() @ z  # (batch, seq_len, columns)
