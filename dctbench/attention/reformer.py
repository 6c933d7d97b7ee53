"""Reformer: attention within hash buckets. Kitaev et al. 2020 (arXiv 2001.04451), section 2 and appendix A."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from dctbench.attention.layer import AttentionLayer
from dctbench.errors import UsageError

SELF_PENALTY = 1e5
"""Subtracted from a token's score with itself: it attends to itself only if it sees no other token (appendix A)."""


class ReformerAttention(AttentionLayer):
    """Softmax attention among the tokens that share a hash bucket in any of several rounds of hashing.

    Queries and keys share one projection (`q_proj`; there is no `k_proj`), k = q / |q|, so the method has no q, k, v
    form. A round hashes q by argmax [q R; -q R] with a random Gaussian R (head_dim x buckets / 2), sorts tokens by
    bucket and then by position, and cuts the sorted sequence into chunks of `chunk` tokens, twice the average bucket.
    A token attends to the tokens of its bucket in its own chunk and in the chunk before. Rounds are combined by their
    log-sum-exp, and a pair that occurs in several rounds counts once (N in appendix A), so the result is softmax
    attention over the union of the pairs of all rounds. A token attends to itself only if it sees no other token.

    The paper's decoder is causal. This layer, like most here, is not. The matrices R are drawn once from a generator
    seeded with `seed`, shared by all heads, and saved with the state, so that a call can be repeated.

    Padded tokens have a bucket of their own after all others. In half precision a token near the border between two
    buckets may be hashed into the other one, which changes what it sees: a few tokens differ much, the others not.
    """

    padding_leak = "the number of hash buckets follows the padded length"

    k_proj: nn.Linear | None  # type: ignore[assignment]
    rotations: Tensor

    def __init__(
        self,
        *,
        seq_len: int,
        dim: int,
        heads: int,
        rounds: int = 4,
        chunk: int = 64,
        seed: int = 0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads, dtype=dtype, device=device)
        if not 1 <= rounds <= 255 or chunk < 1:
            raise UsageError(f"reformer: rounds must be 1 to 255 and chunk at least 1; got {rounds} and {chunk}")
        self.k_proj = None
        self.rounds = rounds
        self.chunk = min(chunk, seq_len)
        self.chunks = -(-seq_len // self.chunk)  # half the number of buckets
        generator = torch.Generator().manual_seed(seed)
        rotations = torch.randn(
            rounds, self.head_dim, self.chunks, generator=generator, dtype=torch.float64, device="cpu"
        )
        self.register_buffer("rotations", rotations.to(self.q_proj.weight))

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, seq_len, dim) -> the same shape."""
        self.check(x, key_padding_mask)
        q = self.split_heads(self.q_proj(x))  # (batch, heads, seq_len, head_dim)
        v = self.split_heads(self.v_proj(x))
        bucket = self.hash(q, key_padding_mask)  # (batch, heads, rounds, length), length = chunks * chunk
        order = bucket.argsort(dim=-1, stable=True)  # position of each place in the sorted sequence
        place = order.argsort(dim=-1)
        outputs, log_weights = self.attend_in_chunks(q, v, order, self.visibility(bucket, order, place))

        outputs = rows_at(place, outputs)  # (batch, heads, rounds, length, head_dim), sorted by position again
        round_weights = torch.softmax(log_weights.gather(3, place), dim=2)[..., None].to(x.dtype)
        joined = (round_weights * outputs).sum(2)[:, :, : self.seq_len]
        out: Tensor = self.out_proj(self.join_heads(joined))
        return out

    def hash(self, q: Tensor, key_padding_mask: Tensor | None) -> Tensor:
        """Return the bucket of each position in each round, (batch, heads, rounds, chunks * chunk).

        An additional last bucket holds padded tokens and the positions that fill the last chunk.
        """
        rotated = torch.einsum("bhnd,rdk->bhrnk", q.detach(), self.rotations)
        bucket = torch.cat([rotated, -rotated], dim=-1).argmax(-1)  # (batch, heads, rounds, seq_len)
        none = 2 * self.chunks
        if key_padding_mask is not None:
            bucket = bucket.masked_fill(~key_padding_mask[:, None, None], none)
        return pad(bucket, (0, self.chunks * self.chunk - self.seq_len), value=none)

    def attend_in_chunks(self, q: Tensor, v: Tensor, order: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor]:
        """Return outputs (batch, heads, rounds, length, head_dim) and log-sum-exps (.., length) in sorted order."""
        precision = visibility.dtype
        k = normalize(q.to(precision), dim=-1).to(q.dtype)
        queries, keys, values = (self.sorted_chunks(x, order) for x in (q, k, v))
        scores = (queries / math.sqrt(self.head_dim)) @ with_previous(keys).transpose(-2, -1)
        scores = scores.to(precision) + visibility  # (batch, heads, rounds, chunks, chunk, 2 chunk)
        outputs = torch.softmax(scores, dim=-1).to(v.dtype) @ with_previous(values)
        return outputs.flatten(3, 4), torch.logsumexp(scores, dim=-1).flatten(3, 4)

    def visibility(self, bucket: Tensor, order: Tensor, place: Tensor) -> Tensor:
        """Return what is added to scores: (batch, heads, rounds, chunks, chunk, 2 chunk), float32 or wider.

        It is -log of the number of rounds in which the query sees the key, and -inf where it does not see it in this
        round. No row is all -inf, since a token sees itself.
        """
        # A query sees keys of its bucket in its own chunk or the one before; `code` packs bucket and chunk.
        code = bucket * (self.chunks + 1) + place // self.chunk  # (batch, heads, rounds, length)
        if 2 * (self.chunks + 1) ** 2 < 2**31:  # the comparison of pairs is limited by memory bandwidth
            code = code.int()
        precision = torch.promote_types(self.rotations.dtype, torch.float32)
        rounds_seen = torch.zeros((), dtype=torch.uint8, device=bucket.device)
        for r in range(self.rounds):
            rounds_seen = rounds_seen + self.sees(code[:, :, r : r + 1].expand_as(order), order)
        position = self.in_chunks(order.int()[..., None])
        itself = position == with_previous(position, filling=-1).transpose(-2, -1)
        visibility = rounds_seen.clamp_(min=1).to(precision).log_().neg_()
        visibility -= SELF_PENALTY * itself
        return visibility.masked_fill_(~self.sees(code, order), -torch.inf)

    def sees(self, code: Tensor, order: Tensor) -> Tensor:
        """Return which queries see which keys: bool (batch, heads, rounds, chunks, chunk, 2 chunk).

        `code` is that of the round that decides; `order` sorts the tokens of the round whose pairs are returned.
        """
        queries = self.in_chunks(code.gather(-1, order)[..., None])
        keys = with_previous(queries, filling=-2).transpose(-2, -1)
        return (queries == keys) | (queries == keys + 1)

    def sorted_chunks(self, x: Tensor, order: Tensor) -> Tensor:
        """(batch, heads, seq_len, width) -> (batch, heads, rounds, chunks, chunk, width), in sorted order."""
        x = pad(x, (0, 0, 0, order.shape[-1] - self.seq_len))[:, :, None]
        return self.in_chunks(rows_at(order, x))

    def in_chunks(self, x: Tensor) -> Tensor:
        """(.., length, width) -> (.., chunks, chunk, width)."""
        chunks: Tensor = x.unflatten(-2, (self.chunks, self.chunk))
        return chunks

    def projection_flops(self, batch: int = 1) -> int:
        """Three projections: 6 b n d^2."""
        return 6 * batch * self.seq_len * self.dim**2

    def flops(self, batch: int = 1) -> int:
        """Per round, 2 b n d chunks to hash and 8 b N chunk d to attend (N = chunks chunk); projections 6 b n d^2.

        Hashing into 2 n / chunk buckets is quadratic in n with a small constant, as in the paper.
        """
        hashing = 2 * self.seq_len * self.dim * self.chunks
        attending = 8 * self.chunks * self.chunk**2 * self.dim
        return self.projection_flops(batch) + batch * self.rounds * (hashing + attending)


def with_previous(x: Tensor, filling: float = 0) -> Tensor:
    """(.., chunks, chunk, width) -> (.., chunks, 2 chunk, width): the previous chunk, then the chunk itself.

    The first chunk has no previous one; `filling` takes its place.
    """
    before = pad(x[..., :-1, :, :], (0, 0, 0, 0, 1, 0), value=filling)
    return torch.cat([before, x], dim=-2)


def rows_at(index: Tensor, x: Tensor) -> Tensor:
    """Return the rows of x (.., length, width) in the order of index (.., length), to which x is expanded."""
    shape = (*index.shape, x.shape[-1])
    return x.expand(shape).gather(-2, index[..., None].expand(shape))
