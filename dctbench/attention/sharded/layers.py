"""The layers of one rank: exact attention, dct-x and dct-kv over a sequence whose positions are divided among ranks."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from dctbench.attention.dct_layer import linear_of_dct
from dctbench.attention.layer import AttentionLayer, checked_n_kept
from dctbench.attention.sharded.communication import Communicator, rank_bounds
from dctbench.errors import UnsupportedError
from dctbench.transforms import CostModel, make_dct
from dctbench.transforms.basis import long_product
from dctbench.transforms.cosines import Array, cos_sin, row_scale


def refuse_mask(key_padding_mask: Tensor | None) -> None:
    """Refuse a mask, which no layer of a rank applies.

    Raises:
        UnsupportedError: for any mask.
    """
    if key_padding_mask is not None:
        raise UnsupportedError("a layer over several devices takes no mask")


class ShardedLayer(AttentionLayer):
    """A layer over the positions of one rank.

    Args:
        communicator: of the rank.
        seq_len: length n of the whole sequence.
        dim: model width d.
        heads: number of heads h; must divide `dim`.
        dtype: of parameters and inputs.
        device: of this rank.

    Raises:
        UsageError: for invalid sizes.
    """

    def __init__(
        self,
        *,
        communicator: Communicator,
        seq_len: int,
        dim: int,
        heads: int,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads, dtype=dtype, device=device)
        self.communicator = communicator
        bounds = rank_bounds(seq_len, communicator.size)
        self.start, self.stop = bounds[communicator.rank], bounds[communicator.rank + 1]


class ShardedSdpa(ShardedLayer):
    """Exact attention: keys and values of all ranks are gathered, queries stay.

    Ring attention (Liu et al. 2023, arXiv 2310.01889) sends the same bytes, in steps that overlap with products.
    """

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, rows of this rank, dim) -> the same shape."""
        refuse_mask(key_padding_mask)
        k_and_v = torch.cat([self.k_proj(x), self.v_proj(x)], dim=-1).transpose(0, 1)  # (rows, batch, 2 dim)
        k, v = self.communicator.gather(k_and_v, self.seq_len).transpose(0, 1).chunk(2, dim=-1)  # (batch, n, dim) each
        out: Tensor = self.out_proj(self.attend_among(self.q_proj(x), k, v))
        return out


class ShardedDct(ShardedLayer):
    """A layer of the DCT family. The columns of D_m that belong to this rank are a table (n_kept, rows of this rank).

    Args:
        ratio: n / n_kept, at least 1.
        kept: n_kept itself, in place of `ratio`.
        others: as `ShardedLayer`.
    """

    method: str
    columns: Tensor  # (n_kept, rows of this rank)

    def __init__(
        self,
        *,
        communicator: Communicator,
        seq_len: int,
        dim: int,
        heads: int,
        ratio: float | None = None,
        kept: int | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(communicator=communicator, seq_len=seq_len, dim=dim, heads=heads, dtype=dtype, device=device)
        self.n_kept = checked_n_kept(self.method, seq_len, ratio, kept)
        weight = self.q_proj.weight
        shape = (self.n_kept, self.stop - self.start)
        table = torch.empty(shape) if weight.is_meta else torch.from_numpy(self._columns())
        self.register_buffer("columns", table.to(weight.device, weight.dtype), persistent=False)

    def _columns(self) -> Array:
        """Return D_m[:, start:stop] in float64: c_k cos(pi k (2 j + 1) / 2 n)."""
        odd_numbers = 2 * np.arange(self.start, self.stop) + 1
        cosines, _ = cos_sin(np.outer(np.arange(self.n_kept), odd_numbers), 2 * self.seq_len)
        return row_scale(self.seq_len, self.n_kept)[:, None] * cosines

    @property
    def plan(self) -> str:
        """The algorithm of the transform: a matrix product with the columns of this rank."""
        return "basis"

    def coefficients(self, x: Tensor) -> Tensor:
        """x (batch, rows of this rank, dim) -> the coefficients of the whole sequence (batch, n_kept, dim)."""
        return self.communicator.sum(long_product(self.columns, x))


class ShardedDctX(ShardedDct):
    """Attention among the coefficients of the input, which every rank computes, and its own rows of the inverse DCT."""

    method = "dct-x"

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, rows of this rank, dim) -> the same shape."""
        refuse_mask(key_padding_mask)
        z = self.coefficients(x)
        y = self.attend_among(self.q_proj(z), self.k_proj(z), self.v_proj(z))  # (batch, n_kept, dim)
        return long_product(self.columns.t(), linear_of_dct(y, self.out_proj, self.seq_len))


class ShardedDctKv(ShardedDct):
    """The queries of this rank over resampled keys and values, which every rank computes.

    Args:
        batch: number of sequences in a call, for which the transform back to positions is planned.
        cost_model: the machine's rates, by which it is planned; the shipped ones when None.
        others: as `ShardedDct`.
    """

    method = "dct-kv"

    def __init__(
        self,
        *,
        communicator: Communicator,
        seq_len: int,
        dim: int,
        heads: int,
        ratio: float | None = None,
        kept: int | None = None,
        batch: int = 1,
        cost_model: CostModel | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(
            communicator=communicator, seq_len=seq_len, dim=dim, heads=heads, ratio=ratio, kept=kept, dtype=dtype,
            device=device,
        )  # fmt: skip
        self.short = make_dct(
            self.n_kept, self.n_kept, dim, batch=batch, cost_model=cost_model, dtype=self.columns.dtype,
            device=self.columns.device,
        )  # fmt: skip

    @property
    def plan(self) -> str:
        """The algorithms of the transform to coefficients, and of that back to `n_kept` positions."""
        return f"basis + {self.short.plan}"

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, rows of this rank, dim) -> the same shape."""
        refuse_mask(key_padding_mask)
        z = self.short.inverse(self.coefficients(x) * math.sqrt(self.n_kept / self.seq_len))
        out: Tensor = self.out_proj(self.attend_among(self.q_proj(x), self.k_proj(z), self.v_proj(z)))
        return out
