"""The base of the DCT family: the transform, biases in the frequency domain, and sequences of different lengths.

Scribano et al. 2022 ("DCT-Former", arXiv 2203.01178) keep the n_kept = n / ratio lowest DCT-II coefficients along
the sequence. Two facts make their layers cheap without changing their results. First, projections act on columns and
the DCT acts on rows, so they commute, and each projection is applied where there are fewer rows. Second, a bias is
constant along the sequence, so its DCT is sqrt(n) times the bias in the DC coefficient and zero elsewhere.

*Padding*: the transform spans the padded length, so the same tokens with more padding give another result, as in the
authors' code. `true_lengths=True` transforms each sequence at its own length instead.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from dctbench.attention.layer import AttentionLayer, checked_n_kept
from dctbench.errors import UnsupportedError, UsageError
from dctbench.transforms import CostModel, Resampler, TruncatedDct, make_dct

T = TypeVar("T", TruncatedDct, Resampler)

_LENGTHS_REMEMBERED = 8
"""How many transforms of other lengths `true_lengths` keeps, since their tables use memory."""


class DctAttention(AttentionLayer, Generic[T]):
    """A layer that compresses the sequence by a DCT.

    Args:
        seq_len: length n; inputs must have it.
        dim: model width d.
        heads: number of heads h; must divide `dim`.
        ratio: n / n_kept, at least 1; n_kept = ceil(n / ratio).
        kept: n_kept itself, in place of `ratio`; at most n are kept.
        transform: "auto", or the algorithm to use: "basis", "rfft", "block", "block:128", "block:128:slots", "triton".
        batch: the usual number of sequences in a call, from which "auto" chooses; every other number works, too.
        cost_model: the machine's rates, from which "auto" chooses; the shipped ones when None.
        true_lengths: transform each sequence of a masked batch at its own number of real tokens, wherever they are,
            so that padding changes nothing. Sequences of equal length are transformed together. The lengths are read
            on the host, so a compiler breaks its graph there. Padded rows of the output are zero.
        dtype: of parameters and inputs; torch's default when None.
        device: where parameters and tables live.

    Raises:
        UsageError: for invalid sizes, a ratio or number kept below 1, and a transform that does not exist.
        UnavailableError, UnsupportedError: for the transform "triton" where its kernel does not run.
    """

    method: ClassVar[str]
    """The name in the catalog, for messages."""

    attention_methods = ("attend_among",)  # `attend` transforms as well

    padding_leak = "the transform spans the padded length; true_lengths=True transforms each sequence at its own"

    def __init__(
        self,
        *,
        seq_len: int,
        dim: int,
        heads: int,
        ratio: float | None = None,
        kept: int | None = None,
        transform: str = "auto",
        batch: int = 1,
        cost_model: CostModel | None = None,
        true_lengths: bool = False,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads, dtype=dtype, device=device)
        if batch < 1:
            raise UsageError(f"{self.method}: batch must be at least 1; got {batch}")
        self.n_kept = checked_n_kept(self.method, seq_len, ratio, kept)
        self.ratio, self.kept = ratio, kept
        self.requested = transform
        self.true_lengths = true_lengths
        if true_lengths:
            self.padding_leak = self.padded_content_leak = ""
        self.batch = batch
        self.cost_model = cost_model
        weight = self.q_proj.weight
        self.transform: T = self.make_transform(seq_len, self.n_kept, transform, weight.dtype, weight.device)
        self.other_lengths = nn.ModuleDict()

    @property
    def plan(self) -> str:
        """The algorithm in use, in the form that `transform=` accepts."""
        return self.transform.plan

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, seq_len, dim), bool mask (batch, seq_len) with True = real token -> (batch, seq_len, dim).

        Raises:
            UsageError: for an input or mask of another shape or type.
        """
        self.check(x, key_padding_mask)
        if key_padding_mask is None or not self.true_lengths:
            return self.mix(x, mask=key_padding_mask, transform=self.transform)
        return self.by_length(self.mix, x, mask=key_padding_mask)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """Apply the method to projected heads: q, k, v (batch, heads, seq_len, head_dim) -> the same shape."""
        rows = self.join_heads(q), self.join_heads(k), self.join_heads(v)
        if key_padding_mask is None or not self.true_lengths:
            return self.split_heads(self.mix_heads(*rows, mask=key_padding_mask, transform=self.transform))
        return self.split_heads(self.by_length(self.mix_heads, *rows, mask=key_padding_mask))

    @abstractmethod
    def mix(self, x: Tensor, *, mask: Tensor | None, transform: T) -> Tensor:
        """Apply the layer with the transform for the length of x: x (batch, length, dim) -> the same shape."""

    def mix_heads(self, q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, transform: T) -> Tensor:
        """Attend with the given transform and joined heads: q, k, v (batch, length, dim) -> the same shape.

        Raises:
            UnsupportedError: for a method without a q, k, v form.
        """
        raise UnsupportedError(f"{self.method} has no q, k, v form: it needs the layer's input")

    @abstractmethod
    def make_transform(self, seq_len: int, n_kept: int, transform: str, dtype: torch.dtype, device: torch.device) -> T:
        """Return the transform for one length."""

    def by_length(self, mix: Callable[..., Tensor], *inputs: Tensor, mask: Tensor) -> Tensor:
        """Apply `mix` to the real tokens of each row only, to rows of equal length together.

        Args:
            mix: called with the tokens (rows, length, dim), `mask=None` and the transform for their length.
            inputs: (batch, seq_len, dim) each.
            mask: bool (batch, seq_len), True = real token.

        Returns:
            (batch, seq_len, dim), zero at padded positions.
        """
        out = torch.zeros_like(inputs[0])  # (batch, seq_len, dim)
        lengths = mask.sum(1)  # (batch,)
        for length in lengths[lengths > 0].unique().tolist():
            real = mask & (lengths == length)[:, None]  # (batch, seq_len)
            tokens = [x[real].view(-1, length, self.dim) for x in inputs]  # (rows of this length, length, dim)
            mixed = mix(*tokens, mask=None, transform=self.transform_at(length)).flatten(0, 1)
            out = out.to(mixed.dtype)  # under autocast it differs from the inputs' dtype
            out[real] = mixed
        return out

    def transform_at(self, length: int) -> T:
        """Return the transform for sequences of `length` real tokens; it is built when first needed."""
        if length == self.seq_len:
            return self.transform
        key = str(length)
        if key not in self.other_lengths:
            if len(self.other_lengths) >= _LENGTHS_REMEMBERED:
                del self.other_lengths[next(iter(self.other_lengths))]
            # A block length that divides seq_len need not divide `length`, so only the algorithm is passed on.
            algorithm, like = self.requested.partition(":")[0], self.transform.like
            self.other_lengths[key] = self.make_transform(
                length, checked_n_kept(self.method, length, self.ratio, self.kept), algorithm, like.dtype, like.device
            )
        return self.other_lengths[key]  # type: ignore[return-value]

    def extra_repr(self) -> str:
        """The arguments that `print(layer)` shows."""
        return f"{super().extra_repr()}, n_kept={self.n_kept}, true_lengths={self.true_lengths}"


class FrequencyAttention(DctAttention[TruncatedDct]):
    """A layer of the DCT family that works on coefficients; the inverse DCT returns them to positions."""

    def make_transform(
        self, seq_len: int, n_kept: int, transform: str, dtype: torch.dtype, device: torch.device
    ) -> TruncatedDct:
        """Return the truncated DCT that the planner chooses."""
        return make_dct(
            seq_len,
            n_kept,
            self.dim,
            batch=self.batch,
            transform=transform,
            cost_model=self.cost_model,
            dtype=dtype,
            device=device,
        )

    def project_out(self, y: Tensor, transform: TruncatedDct) -> Tensor:
        """Return (D_m^T y) W_o + b_o (batch, seq_len, dim) for coefficients y (batch, n_kept, dim).

        The projection is applied to the n_kept rows, before the inverse transform.
        """
        return transform.inverse(linear_of_dct(y, self.out_proj, transform.seq_len), ordered=False)


class ResampledAttention(DctAttention[Resampler]):
    """A layer of the DCT family that attends among resampled positions."""

    def make_transform(
        self, seq_len: int, n_kept: int, transform: str, dtype: torch.dtype, device: torch.device
    ) -> Resampler:
        """Return the pair of truncated DCTs that the planner chooses."""
        return Resampler(
            seq_len,
            n_kept,
            self.dim,
            batch=self.batch,
            transform=transform,
            cost_model=self.cost_model,
            dtype=dtype,
            device=device,
        )


def linear_of_dct(z: Tensor, projection: nn.Linear, seq_len: int, dct_of_mask: Tensor | None = None) -> Tensor:
    """Return the DCT of a projection (batch, n_kept, dim), given the DCT z (batch, n_kept, dim) of its input.

    D_m (x W^T + 1 b^T) = z W^T + (D_m 1) b^T, and D_m 1 = sqrt(n) in row 0. Under a multiplicative mask the
    DCT of the mask, `dct_of_mask` (batch, n_kept, 1), takes the place of D_m 1.
    """
    y = linear(z, projection.weight)
    if dct_of_mask is not None:
        return torch.addcmul(y, dct_of_mask, projection.bias)
    y[:, 0].add_(projection.bias, alpha=math.sqrt(seq_len))  # one kernel
    return y


def zero_padding(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return x (batch, length, dim) with padded rows set to zero."""
    return x if mask is None else x * mask[..., None].to(x.dtype)
