"""The truncated DCT by its definition, one matrix product: the reference, and the fastest at tiny shapes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from dctbench.transforms.cosines import Array, dct_basis
from dctbench.transforms.dct import TruncatedDct

_TERMS_AT_ONCE = 512
"""Terms that a single product sums."""


class BasisDct(TruncatedDct):
    """D_m as an (n_kept, seq_len) matrix: 2 n m FLOPs per column, n m numbers of memory."""

    algorithm = "basis"
    basis: Tensor  # (n_kept, seq_len)

    def flops(self, columns: int) -> int:
        """2 n m per column."""
        return 2 * self.seq_len * self.n_kept * columns

    def _tables(self) -> Mapping[str, Array]:
        precision = np.float64 if self.like.dtype == torch.float64 else np.float32
        if self.like.is_meta:
            return {"basis": np.zeros((self.n_kept, self.seq_len), precision)}
        return {"basis": dct_basis(self.seq_len, self.n_kept, precision)}

    def _dct(self, x: Tensor, ordered: bool) -> Tensor:
        return long_product(self.basis, x)  # (batch, n_kept, columns)

    def _idct(self, z: Tensor, ordered: bool) -> Tensor:
        return long_product(self.basis.t(), z)  # (batch, seq_len, columns)


def long_product(matrix: Tensor, x: Tensor) -> Tensor:
    """Return matrix (rows, length) @ x (batch, length, columns), summed over pieces of the length.

    With few columns a GEMM adds its terms one by one, and its float32 error grows with the length (2e-5 at 65,536).
    A sum of partial sums avoids that. Half precision is summed in float32 inside a product and would be rounded
    between two products, so it is not split.
    """
    if matrix.shape[1] <= _TERMS_AT_ONCE or matrix.dtype.itemsize < 4:
        return matrix @ x
    total: Tensor | None = None
    for piece, part in zip(matrix.split(_TERMS_AT_ONCE, dim=1), x.split(_TERMS_AT_ONCE, dim=1), strict=True):
        product = piece @ part  # accumulating into `total` would continue its serial sum
        total = product if total is None else total.add_(product)
    assert total is not None
    return total
