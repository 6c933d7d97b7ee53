"""Sliding-window attention: a token sees only its neighbours. Beltagy et al. 2020 (arXiv 2004.05150), section 3."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn.functional import pad, scaled_dot_product_attention

from dctbench.attention.layer import AttentionLayer
from dctbench.errors import UnavailableError, UsageError, text_of

FORMS = ("auto", "chunked", "flex")
_FLEX_BLOCK = 128
"""The positions of a block of FlexAttention, in queries and in keys."""


class WindowAttention(AttentionLayer):
    """Softmax attention of position i over the positions j with |i - j| <= half_width; linear in the length.

    It has two forms with the same result:

    - "chunked": blocks of `half_width` queries attend to the 3 half_width keys that any of them may see, through
      `scaled_dot_product_attention`. The mask of these blocks is stored once for all heads.
    - "flex": torch's FlexAttention with a block mask, compiled in the first call at its shape. Calls with a padding
      mask are chunked.

    "auto" is "flex" on a CUDA device where a probe of it runs, which is compiled once per process when a layer is
    built, else "chunked". On the CPU, FlexAttention has no gradients, and its kernel took 1.4 times the time of the
    chunks (n = 2048, d = 512, one core of an AMD EPYC). Where every token sees all others, both are exact attention,
    and `scaled_dot_product_attention` computes it without blocks. On a sequence so short that the blocks would have
    more scores than the whole matrix, "chunked" computes that matrix with the window as its mask.

    Not causal. Padded keys get no weight, so padding never changes a real token.

    Args:
        half_width: how far a token sees in either direction.
        form: one of `FORMS`.

    Raises:
        UsageError: for an invalid width or form.
        UnavailableError: if "flex" is requested by name and does not run.
    """

    def __init__(
        self,
        *,
        seq_len: int,
        dim: int,
        heads: int,
        half_width: int = 128,
        form: str = "auto",
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads, dtype=dtype, device=device)
        if half_width < 0:
            raise UsageError(f"window: half_width must not be negative; got {half_width}")
        if form not in FORMS:
            raise UsageError(f"window: unknown form {form!r}", hint=f"known: {', '.join(FORMS)}")
        self.half_width = min(half_width, seq_len - 1)  # a wider window reaches beyond both ends
        self.block = max(self.half_width, 1)
        self.blocks = -(-seq_len // self.block)
        self.form = self.chosen_form(form)
        self._block_mask: Any = None
        if self.runs_flex:
            self._block_mask = near_blocks(seq_len, self.half_width, self.q_proj.weight.device)

    @property
    def sees_all(self) -> bool:
        """Whether every token sees all others."""
        return self.half_width == self.seq_len - 1

    @property
    def computes_all(self) -> bool:
        """Whether "chunked" computes all n x n scores, which are no more than those of the blocks."""
        return self.seq_len**2 <= self.blocks * self.block * (self.block + 2 * self.half_width)

    @property
    def runs_flex(self) -> bool:
        """Whether calls without a padding mask run FlexAttention."""
        return self.form == "flex" and not self.sees_all

    def chosen_form(self, form: str) -> str:
        """Return "flex" or "chunked" for the device and dtype of the layer's weights.

        Fake tensors are not probed: the probe would fail on them, and its result is cached.
        """
        weight = self.q_proj.weight
        if form == "chunked" or (form == "auto" and weight.device.type != "cuda") or isinstance(weight, FakeTensor):
            return "chunked"
        reason = flex_failure(weight.device.type, weight.dtype, self.head_dim)
        if reason and form == "flex":
            raise UnavailableError(f"unavailable: FlexAttention does not run here: {reason}")
        return "chunked" if reason else "flex"

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """q, k, v (batch, heads, seq_len, head_dim) -> the same shape."""
        if self._block_mask is not None and key_padding_mask is None:
            out: Tensor = compiled_flex()(q, k, v, block_mask=self._block_mask)
            return out
        if self.computes_all:
            return scaled_dot_product_attention(q, k, v, attn_mask=self.whole_mask(key_padding_mask, q.device))
        batch, _, seq_len, _ = q.shape
        if batch > 1 and key_padding_mask is None:
            return self.attend_by_head(q, k, v)
        real = q.new_ones(batch, seq_len, dtype=torch.bool) if key_padding_mask is None else key_padding_mask
        attended = scaled_dot_product_attention(
            self.queries(q), self.keys(k), self.keys(v), attn_mask=self.visible(real)
        )  # (batch * blocks, heads, block, head_dim)
        joined: Tensor = attended.transpose(1, 2).unflatten(0, (batch, self.blocks)).flatten(1, 2)
        return joined[:, :seq_len].transpose(1, 2)

    def attend_by_head(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """The same without padding, with the blocks in the place of the heads, and the heads beside the batch.

        The keys of all blocks are views then. Beside a batch, the overlapping blocks of several samples would be
        copied. For one sample there is nothing to copy either way, and the output is in the right order above.
        """
        batch, heads, seq_len, _ = q.shape
        before, after = self.margins()
        queries = pad(q, (0, 0, 0, after - before)).unflatten(2, (self.blocks, self.block)).flatten(0, 1)
        keys, values = (
            pad(x, (0, 0, before, after)).unfold(2, self.block + 2 * self.half_width, self.block).mT.flatten(0, 1)
            for x in (k, v)
        )  # (batch * heads, blocks, block + 2 half_width, head_dim)
        mask = self.visible(q.new_ones(1, seq_len, dtype=torch.bool)).transpose(0, 1)
        attended = scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        in_order: Tensor = attended.unflatten(0, (batch, heads)).permute(0, 2, 3, 1, 4).flatten(1, 2)
        return in_order[:, :seq_len].transpose(1, 2)

    def whole_mask(self, real: Tensor | None, device: torch.device) -> Tensor | None:
        """Return the mask of near, real keys, bool, broadcastable to (batch, 1, seq_len, seq_len); None for all."""
        present = None if real is None else real[:, None, None]
        if self.sees_all:
            return present
        position = torch.arange(self.seq_len, device=device)
        near = (position[:, None] - position).abs() <= self.half_width
        return near if present is None else near & present

    def queries(self, q: Tensor) -> Tensor:
        """(batch, heads, seq_len, head_dim) -> (batch * blocks, heads, block, head_dim)."""
        q = pad(q.transpose(1, 2), (0, 0, 0, 0, 0, self.blocks * self.block - self.seq_len))
        blocks: Tensor = q.unflatten(1, (self.blocks, self.block)).flatten(0, 1).transpose(1, 2)
        return blocks

    def keys(self, k: Tensor) -> Tensor:
        """(batch, heads, seq_len, head_dim) -> (batch * blocks, heads, block + 2 half_width, head_dim)."""
        k = self.stretches(pad(k.transpose(1, 2), (0, 0, 0, 0, *self.margins())))
        return k.permute(0, 1, 2, 4, 3).flatten(0, 1)

    def visible(self, real: Tensor) -> Tensor:
        """Return the mask of near, real keys, bool (batch * blocks, 1, block, block + 2 half_width)."""
        query = torch.arange(self.block, device=real.device)[:, None] + self.half_width
        key = torch.arange(self.block + 2 * self.half_width, device=real.device)
        near = (query - key).abs() <= self.half_width
        present = self.stretches(pad(real, self.margins())).flatten(0, 1)[:, None, None]
        return near & present  # only padded rows have no key; torch returns zeros for them

    def margins(self) -> tuple[int, int]:
        """The numbers of positions to add before and after the sequence, for the keys of the first and last blocks."""
        return self.half_width, self.half_width + self.blocks * self.block - self.seq_len

    def stretches(self, x: Tensor) -> Tensor:
        """(batch, padded length, ...) -> (batch, blocks, ..., block + 2 half_width), overlapping views."""
        return x.unfold(1, self.block + 2 * self.half_width, self.block)

    def attend_flops(self, batch: int = 1) -> int:
        """4 b N (block + 2 half_width) d, where N is the length rounded up to whole blocks; at most 4 b n^2 d.

        The method itself needs 4 b n (2 half_width + 1) d, two
        thirds of the blocks; the rest is masked. It is the count of "chunked" whichever form runs: "flex" computes
        whole tiles of 128 x 128, which is less at a width of 128, and several times more at narrow widths.
        """
        scores = min(self.seq_len**2, self.blocks * self.block * (self.block + 2 * self.half_width))
        return 4 * batch * scores * self.dim


# FlexAttention is imported where it is used: its import loads the compiler, which takes a second.


@functools.cache
def compiled_flex() -> Callable[..., Tensor]:
    """Return FlexAttention compiled; without a compiler it would store the n x n matrix."""
    from torch.nn.attention.flex_attention import flex_attention  # noqa: PLC0415

    return torch.compile(flex_attention, dynamic=False)


def near_blocks(seq_len: int, half_width: int, device: torch.device) -> Any:
    """Return the block mask of |i - j| <= half_width.

    torch's own function for block masks stores n x n distances, twice, in 64 bits.
    """
    from torch.nn.attention.flex_attention import BlockMask  # noqa: PLC0415

    def near(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (query - key).abs() <= half_width

    block = torch.arange(-(-seq_len // _FLEX_BLOCK), device=device)
    apart = _FLEX_BLOCK * (block[:, None] - block).abs()
    whole = _FLEX_BLOCK * (block + 1) <= seq_len  # the last block may be shorter
    full = (apart + _FLEX_BLOCK - 1 <= half_width) & whole[:, None] & whole
    partial = (apart - _FLEX_BLOCK + 1 <= half_width) & ~full
    return BlockMask.from_kv_blocks(
        *_in_rows(partial), *_in_rows(full), BLOCK_SIZE=_FLEX_BLOCK, mask_mod=near, seq_lengths=(seq_len, seq_len)
    )


def _in_rows(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Return how many blocks each row of a bool matrix has, and all columns, its own ones first."""
    columns = torch.argsort(blocks.int(), dim=-1, descending=True, stable=True)
    return blocks.sum(-1).int()[None, None], columns.int()[None, None]


@functools.cache
def flex_failure(device_type: str, dtype: torch.dtype, head_dim: int) -> str:
    """Return why FlexAttention does not run, "" if it does: compile and run it once on a short sequence."""
    try:
        mask = near_blocks(256, 16, torch.device(device_type))
        with torch.inference_mode():
            x = torch.ones(1, 1, 256, head_dim, dtype=dtype, device=device_type)
            out = compiled_flex()(x, x, x, block_mask=mask)
            return "" if bool(out.isfinite().all()) else "its result is not finite"
    except Exception as failure:  # a missing compiler, an unsupported dtype: torch raises errors of many classes
        return f"{type(failure).__name__}: {text_of(failure)}".partition("\n")[0][:200]
