"""What the DCT family shares: the transform, where biases go among frequencies, and rows of unequal length.

Scribano et al. 2022 ("DCT-Former", arXiv 2203.01178) keep the n_kept = n / ratio lowest DCT-II coefficients along
the sequence. Two facts make their layers cheap without changing what they compute. Projections act on columns and
the DCT on rows, so they commute, and a projection is made where there are fewer rows. And a bias, constant along the
sequence, is sqrt(n) times itself in the DC coefficient and nothing elsewhere.

*Padding*: the transform spans the padded length, so the same tokens padded further give another result (the authors'
code is no different). `true_lengths=True` transforms each sequence at its own length instead.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

from dctbench.attention.layer import AttentionLayer, checked_n_kept
from dctbench.errors import UnsupportedError
from dctbench.model import kept_coefficients
from dctbench.transforms import CostModel, Resampler, TruncatedDct, make_dct

T = TypeVar("T", TruncatedDct, Resampler)

_LENGTHS_REMEMBERED = 8
"""With `true_lengths`, transforms kept besides the layer's own: their tables are memory."""


class DctAttention(AttentionLayer, Generic[T]):
    """A layer that compresses the sequence by a DCT.

    Args:
        seq_len: length n; inputs must have it.
        dim: model width d.
        heads: number of heads h; must divide `dim`.
        ratio: n / n_kept, at least 1; n_kept = ceil(n / ratio).
        transform: "auto", or an algorithm to force: "basis", "rfft", "block", "block:128", "block:128:slots".
        cost_model: the machine's rates by which "auto" chooses; shipped ones when None.
        true_lengths: transform each sequence of a masked batch at its own number of real tokens (wherever these lie),
            so that padding changes nothing. Sequences of equal length go together; the lengths are read on the
            host, so a compiler breaks its graph there. Padded rows of the output are zero.
        dtype: of parameters and inputs; torch's default when None.
        device: where parameters and tables live.

    Raises:
        UsageError: for sizes that make no layer, a ratio below 1, and a transform that does not exist.
    """

    method: ClassVar[str]
    """The catalog name, for messages."""

    padding_leak = "the transform spans the padded length; true_lengths=True transforms each sequence at its own"

    def __init__(
        self,
        *,
        seq_len: int,
        dim: int,
        heads: int,
        ratio: float | None = None,
        transform: str = "auto",
        cost_model: CostModel | None = None,
        true_lengths: bool = False,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads, dtype=dtype, device=device)
        self.n_kept = checked_n_kept(self.method, seq_len, ratio)
        self.ratio = float(ratio or 1)
        self.requested = transform
        self.true_lengths = true_lengths
        if true_lengths:
            self.padding_leak = self.padded_content_leak = ""
        self.cost_model = cost_model
        weight = self.q_proj.weight
        self.transform: T = self.make_transform(seq_len, self.n_kept, transform, weight.dtype, weight.device)
        self.other_lengths = nn.ModuleDict()

    @property
    def plan(self) -> str:
        """Which algorithm transforms, as `transform=` takes it."""
        return self.transform.plan

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, seq_len, dim), bool mask (batch, seq_len) with True = real -> (batch, seq_len, dim).

        Raises:
            UsageError: for an input or mask of another shape or type.
        """
        self.check(x, key_padding_mask)
        if key_padding_mask is None or not self.true_lengths:
            return self.mix(x, mask=key_padding_mask, transform=self.transform)
        return self.by_length(self.mix, x, mask=key_padding_mask)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """The method on projected heads: q, k, v (batch, heads, seq_len, head_dim) -> the same shape."""
        rows = self.join_heads(q), self.join_heads(k), self.join_heads(v)
        if key_padding_mask is None or not self.true_lengths:
            return self.split_heads(self.mix_heads(*rows, mask=key_padding_mask, transform=self.transform))
        return self.split_heads(self.by_length(self.mix_heads, *rows, mask=key_padding_mask))

    @abstractmethod
    def mix(self, x: Tensor, *, mask: Tensor | None, transform: T) -> Tensor:
        """The layer, given the transform of x's length: x (batch, length, dim) -> the same shape."""

    def mix_heads(self, q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, transform: T) -> Tensor:
        """`attend`, given the transform, with heads joined: q, k, v (batch, length, dim) -> the same shape."""
        raise UnsupportedError(f"{self.method} has no q, k, v form: it needs the layer's input")

    @abstractmethod
    def make_transform(self, seq_len: int, n_kept: int, transform: str, dtype: torch.dtype, device: torch.device) -> T:
        """The transform of one length."""

    def by_length(self, mix: Callable[..., Tensor], *inputs: Tensor, mask: Tensor) -> Tensor:
        """`mix` on the real tokens of each row alone, rows of equal length together; zeros where there is no token."""
        out = torch.zeros_like(inputs[0])  # (batch, seq_len, dim)
        lengths = mask.sum(1)  # (batch,)
        for length in lengths[lengths > 0].unique().tolist():
            real = mask & (lengths == length)[:, None]  # (batch, seq_len)
            tokens = [x[real].view(-1, length, self.dim) for x in inputs]  # (rows of this length, length, dim)
            mixed = mix(*tokens, mask=None, transform=self.transform_at(length)).flatten(0, 1)
            out = out.to(mixed.dtype)  # which is not the inputs' under autocast
            out[real] = mixed
        return out

    def transform_at(self, length: int) -> T:
        """The transform for sequences of `length` real tokens, built when first met, as the layer's own was."""
        if length == self.seq_len:
            return self.transform
        key = str(length)
        if key not in self.other_lengths:
            if len(self.other_lengths) >= _LENGTHS_REMEMBERED:
                del self.other_lengths[next(iter(self.other_lengths))]
            # A block that divides seq_len need not divide `length`, so only the algorithm is handed on.
            algorithm, like = self.requested.partition(":")[0], self.transform.like
            self.other_lengths[key] = self.make_transform(
                length, kept_coefficients(length, self.ratio), algorithm, like.dtype, like.device
            )
        return self.other_lengths[key]  # type: ignore[return-value]

    def attend_among(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Softmax attention, head by head, of q (batch, rows, dim) over the rows of k and v -> q's shape."""
        q, k, v = self.split_heads(q), self.split_heads(k), self.split_heads(v)
        return self.join_heads(scaled_dot_product_attention(q, k, v))

    def extra_repr(self) -> str:
        """What `print(layer)` adds."""
        return f"{super().extra_repr()}, n_kept={self.n_kept}, true_lengths={self.true_lengths}"


class FrequencyAttention(DctAttention[TruncatedDct]):
    """A layer of the DCT family whose output comes back from coefficients by the inverse DCT."""

    def make_transform(
        self, seq_len: int, n_kept: int, transform: str, dtype: torch.dtype, device: torch.device
    ) -> TruncatedDct:
        """The truncated DCT that the planner chooses."""
        return make_dct(
            seq_len,
            n_kept,
            self.dim,
            transform=transform,
            cost_model=self.cost_model,
            dtype=dtype,
            device=device,
        )

    def project_out(self, y: Tensor, transform: TruncatedDct) -> Tensor:
        """(D_m^T y) W_o + b_o for coefficients y (batch, n_kept, dim), the projection made at n_kept rows."""
        return transform.inverse(linear_of_dct(y, self.out_proj, transform.seq_len), ordered=False)


class ResampledAttention(DctAttention[Resampler]):
    """A layer of the DCT family that attends among resampled positions."""

    def make_transform(
        self, seq_len: int, n_kept: int, transform: str, dtype: torch.dtype, device: torch.device
    ) -> Resampler:
        """The pair of truncated DCTs that the planner chooses."""
        return Resampler(
            seq_len,
            n_kept,
            self.dim,
            transform=transform,
            cost_model=self.cost_model,
            dtype=dtype,
            device=device,
        )


def linear_of_dct(z: Tensor, projection: nn.Linear, seq_len: int, dct_of_mask: Tensor | None = None) -> Tensor:
    """The DCT of a projection, from the DCT z (batch, n_kept, dim) of its input.

    D_m (x W^T + 1 b^T) = z W^T + (D_m 1) b^T, and D_m 1 = sqrt(n) in row 0. Under a multiplicative mask, D_m applied
    to the mask (batch, n_kept, 1) stands for D_m 1.
    """
    y = linear(z, projection.weight)
    if dct_of_mask is not None:
        return torch.addcmul(y, dct_of_mask, projection.bias)
    y[:, 0] += math.sqrt(seq_len) * projection.bias
    return y


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """x (batch, length, dim) with padded rows set to zero."""
    return x if mask is None else x * mask[..., None].to(x.dtype)
