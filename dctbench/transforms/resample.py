"""Resample a sequence to fewer positions through its DCT: band-limited, and preserving constants.

down = sqrt(m/n) D_m(m)^T D_m(n) maps n positions to m, and up = sqrt(n/m) D_m(n)^T D_m(m) maps them back. up is the
adjoint of down times n / m, down after up is the identity on m positions, and for m = n both are the identity.
The Fourier Transformer (He et al., ACL 2023, arXiv 2305.15099) shortens sequences in this way.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dctbench.transforms.planner import CostModel, make_dct


class Resampler(nn.Module):
    """Resampling between n and m = n_kept positions along dimension -2.

    Args:
        seq_len: n.
        n_kept: m.
        columns: the number of columns of one sequence, for the planner.
        batch: the number of sequences that one call resamples, for the planner.
        transform: as in `plan_dct`, for both transforms.
        cost_model: the machine's rates; the defaults for this device and dtype when None.
        dtype: of the data; torch's default when None.
        device: where the tables live.

    Raises:
        UsageError: for invalid sizes and a `transform` that does not exist at this shape.
    """

    def __init__(
        self,
        seq_len: int,
        n_kept: int,
        columns: int,
        *,
        batch: int = 1,
        transform: str = "auto",
        cost_model: CostModel | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.seq_len = seq_len
        self.n_kept = n_kept
        self.long = make_dct(
            seq_len,
            n_kept,
            columns,
            batch=batch,
            transform=transform,
            cost_model=cost_model,
            dtype=dtype,
            device=device,
        )
        # A block length that divides n need not divide m, so only the algorithm is passed on.
        self.short = make_dct(
            n_kept,
            n_kept,
            columns,
            batch=batch,
            transform=transform.partition(":")[0],
            cost_model=cost_model,
            dtype=dtype,
            device=device,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Down: (..., seq_len, columns) -> (..., n_kept, columns)."""
        return self.short.inverse(self.long(x) * math.sqrt(self.n_kept / self.seq_len))

    def inverse(self, z: Tensor) -> Tensor:
        """Up: (..., n_kept, columns) -> (..., seq_len, columns)."""
        return self.long.inverse(self.short(z) * math.sqrt(self.seq_len / self.n_kept))

    def flops(self, columns: int) -> int:
        """FLOPs of one direction on `columns` columns over all batches."""
        return self.long.flops(columns) + self.short.flops(columns)

    @property
    def like(self) -> Tensor:
        """An empty tensor with the dtype and device of the tables."""
        return self.long.like

    @property
    def plan(self) -> str:
        """Both plans, that of the long transform first."""
        return f"{self.long.plan} + {self.short.plan}"

    @property
    def table_bytes(self) -> int:
        """Bytes of the tables of both transforms."""
        return self.long.table_bytes + self.short.table_bytes
