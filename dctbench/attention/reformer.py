"""Reformer: attention within hash buckets. Kitaev et al. 2020 (arXiv 2001.04451), section 2 and appendix A."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, normalize, pad

from dctbench.attention.layer import AttentionLayer
from dctbench.attention.logsumexp import attention_with_logsumexp
from dctbench.errors import UsageError

SELF_PENALTY = 1e5
"""Subtracted from a token's score with itself: it attends to itself only if it sees no other token (appendix A)."""


class ReformerAttention(AttentionLayer):
    """Softmax attention among tokens that are near each other after sorting by hash, in several rounds of hashing.

    Queries and keys share one projection (`q_proj`; there is no `k_proj`), k = q / |q|, so the method has no q, k, v
    form. A round hashes q by argmax [q R; -q R] with a random Gaussian R, sorts tokens by bucket and then by
    position, and cuts the sorted sequence into chunks of `chunk` tokens, twice the average bucket. Rounds are combined
    by their log-sum-exp. A token attends to itself only if it sees no other token.

    A token attends to all tokens of its own chunk and of the one before; the chunk before the first is the last. A
    pair that occurs in two rounds counts twice. The authors' code does both, since it needs no comparison of buckets.
    With `attend_across_buckets=False` a token sees only tokens of its own bucket, and a pair of several rounds counts
    once (N in appendix A): softmax attention over the union of the pairs of all rounds.

    More than 2 `chunk` buckets are a pair of hashes with about the square root of that number each, as in the authors'
    code, so that hashing is not quadratic in the length.

    The paper's decoder is causal. This layer, like most here, is not. The matrices R are drawn once from a generator
    seeded with `seed`, shared by all heads, and saved with the state, so that a call can be repeated.

    Padded tokens have a bucket of their own after all others. In half precision a token near the border between two
    buckets may be hashed into the other one, which changes what it sees: a few tokens differ much, the others not.

    Args:
        rounds: number of hash rounds, at most 255.
        chunk: tokens per chunk.
        attend_across_buckets: whether a token sees tokens of other buckets in the two chunks.
        seed: of the rotations R.
    """

    attention_methods = ("attend_among_buckets",)
    padding_leak = "the number of hash buckets follows the padded length"

    k_proj: nn.Linear | None  # type: ignore[assignment]
    rotations: Tensor  # (rounds, head_dim, sum of factors / 2)

    def __init__(
        self,
        *,
        seq_len: int,
        dim: int,
        heads: int,
        rounds: int = 4,
        chunk: int = 64,
        attend_across_buckets: bool = True,
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
        self.chunks = -(-seq_len // self.chunk)
        self.length = self.chunks * self.chunk
        self.attend_across_buckets = attend_across_buckets
        self.factors = bucket_factors(2 * self.chunks, self.chunk)
        generator = torch.Generator().manual_seed(seed)
        rotations = torch.randn(
            rounds, self.head_dim, sum(self.factors) // 2, generator=generator, dtype=torch.float64, device="cpu"
        )
        self.register_buffer("rotations", rotations.to(self.q_proj.weight))

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, seq_len, dim) -> the same shape."""
        self.check(x, key_padding_mask)
        q = self.q_proj(x).unflatten(-1, (self.heads, self.head_dim))  # (batch, seq_len, heads, head_dim)
        v = self.v_proj(x).unflatten(-1, (self.heads, self.head_dim))
        out: Tensor = self.out_proj(self.attend_among_buckets(q, v, key_padding_mask))
        return out

    def attend_among_buckets(self, q: Tensor, v: Tensor, key_padding_mask: Tensor | None) -> Tensor:
        """Hash, sort and attend: q, v (batch, seq_len, heads, head_dim) -> (batch, seq_len, dim)."""
        bucket = self.hash(q, key_padding_mask)  # (batch, heads, rounds, length)
        order = bucket.argsort(dim=-1, stable=True)  # position of each place in the sorted sequence
        place = torch.empty_like(order).scatter_(-1, order, torch.arange(self.length, device=q.device).expand_as(order))

        precision = torch.promote_types(q.dtype, torch.float32)
        k = normalize(q.to(precision), dim=-1).to(q.dtype)
        rows = self.rows_of(order)
        queries = in_order(q, rows).unflatten(1, (self.chunks, self.chunk))
        before = self.with_last_chunk_first(rows)
        keys, values = (self.windows(in_order(part, before)) for part in (k, v))
        if self.attend_across_buckets:
            bias = self.chunk_bias(key_padding_mask, precision, q.device)
        else:
            bias = self.bucket_bias(bucket, order, place, precision).flatten(0, 2)
        out, logsumexp = attention_with_logsumexp(queries, keys, values, bias)

        # Sorted by position again: each token's rows, one per round, joined with the weights of the rounds.
        first = torch.arange(0, place.numel(), self.length, device=q.device).view(*place.shape[:3], 1)
        of_token = (place + first)[..., : self.seq_len].permute(0, 3, 1, 2).reshape(-1, self.rounds)
        weights = torch.softmax(logsumexp.reshape(-1)[of_token], dim=-1).to(out.dtype)
        joined = embedding_bag(of_token, out.reshape(-1, self.head_dim), mode="sum", per_sample_weights=weights)
        return joined.view(-1, self.seq_len, self.dim)

    def hash(self, q: Tensor, key_padding_mask: Tensor | None) -> Tensor:
        """Return the bucket of each position in each round, (batch, heads, rounds, length).

        An additional last bucket holds padded tokens and the positions that fill the last chunk.

        Args:
            q: (batch, seq_len, heads, head_dim).
            key_padding_mask: bool (batch, seq_len), True = real token.
        """
        rotations = self.rotations.permute(1, 0, 2).flatten(1)
        rotated = (q.detach() @ rotations).unflatten(-1, (self.rounds, -1))  # (batch, seq_len, heads, rounds, ..)
        bucket, buckets = torch.zeros((), dtype=torch.long, device=q.device), 1
        for part, factor in zip(rotated.split([f // 2 for f in self.factors], dim=-1), self.factors, strict=True):
            # argmax [part; -part] without the copy
            largest = part.abs().argmax(-1, keepdim=True)
            negative = part.gather(-1, largest) < 0
            bucket = bucket + buckets * (largest + factor // 2 * negative).squeeze(-1)
            buckets *= factor
        bucket = bucket.permute(0, 2, 3, 1)  # (batch, heads, rounds, seq_len)
        if key_padding_mask is not None:
            bucket = bucket.masked_fill(~key_padding_mask[:, None, None], buckets)
        return pad(bucket, (0, self.length - self.seq_len), value=buckets)

    def rows_of(self, order: Tensor) -> Tensor:
        """Return row numbers of a (batch, seq_len, heads, ..) tensor for the places of `order`: (-1, length).

        Positions that fill the last chunk get the row of the last token; no other token sees them.
        """
        batch, heads = (torch.arange(size, device=order.device) for size in order.shape[:2])
        rows = batch[:, None, None, None] * self.seq_len + order.clamp(max=self.seq_len - 1)
        return (rows * self.heads + heads[:, None, None]).flatten(0, 2)

    def with_last_chunk_first(self, x: Tensor) -> Tensor:
        """Put a copy of the last chunk before the first one: (.., length) -> (.., chunk + length).

        A single chunk has no other one before it.
        """
        return x if self.chunks == 1 else torch.cat([x[..., -self.chunk :], x], dim=-1)

    def windows(self, x: Tensor) -> Tensor:
        """Return each chunk with the one before, a view.

        (groups, chunk + length) -> (groups, chunks, 2 chunk), and with a last dimension (.., width).
        """
        windows = x.unfold(1, min(2, self.chunks) * self.chunk, self.chunk)  # the chunk becomes the last dimension
        return windows if x.ndim == 2 else windows.transpose(2, 3)

    def chunk_bias(self, key_padding_mask: Tensor | None, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return what is added to scores when buckets do not matter: `SELF_PENALTY`, and -inf for padded keys.

        Padded tokens are the last places of the sorted sequence, so only their number is needed.

        Returns:
            (chunk, 2 chunk), or with padding (1 or batch heads rounds, chunks, chunk, 2 chunk).
        """
        itself = torch.zeros(self.chunk, min(2, self.chunks) * self.chunk, dtype=torch.bool, device=device)
        itself.diagonal(self.chunk if self.chunks > 1 else 0).fill_(True)
        bias = torch.zeros(itself.shape, dtype=dtype, device=device).masked_fill_(itself, -SELF_PENALTY)
        if key_padding_mask is not None:
            real = key_padding_mask.sum(1)
        elif self.length > self.seq_len:
            real = torch.full((1,), self.seq_len, device=device)
        else:
            return bias
        places = self.windows(self.with_last_chunk_first(torch.arange(self.length, device=device))[None])
        padded = (places >= real[:, None, None])[:, :, None]  # (1 or batch, chunks, 1, 2 chunk)
        bias = bias.masked_fill(padded & ~itself, -torch.inf)  # a padded query sees itself, so that no row is all -inf
        return bias if len(real) == 1 else bias.repeat_interleave(self.heads * self.rounds, dim=0)

    def bucket_bias(self, bucket: Tensor, order: Tensor, place: Tensor, dtype: torch.dtype) -> Tensor:
        """Return what is added to scores within buckets: (batch, heads, rounds, chunks, chunk, 2 chunk).

        It is -log of the number of rounds in which the query sees the key, and -inf where it does not see it in this
        round. No row is all -inf, since a token sees itself.
        """
        # A query sees keys of its bucket in its own chunk or the one before; `code` packs bucket and chunk.
        code = bucket * (self.chunks + 1) + place // self.chunk  # (batch, heads, rounds, length)
        if 2 * (self.chunks + 1) * (self.chunks + 2) < 2**31:  # the comparison is limited by memory bandwidth
            code = code.int()
        rounds_seen = torch.zeros((), dtype=torch.uint8, device=bucket.device)
        for r in range(self.rounds):
            rounds_seen = rounds_seen + self.sees(code[:, :, r : r + 1].expand_as(order), order)
        queries, keys = self.pairs(order.int())
        bias = rounds_seen.clamp_(min=1).to(dtype).log_().neg_()
        bias -= SELF_PENALTY * (queries == keys)
        return bias.masked_fill_(~self.sees(code, order), -torch.inf)

    def sees(self, code: Tensor, order: Tensor) -> Tensor:
        """Return which queries see which keys: bool (batch, heads, rounds, chunks, chunk, 2 chunk).

        `code` is that of the round that decides; `order` sorts the tokens of the round whose pairs are returned.
        The chunk before the first has a code that no query of the first sees.
        """
        queries, keys = self.pairs(code.gather(-1, order))
        return (queries == keys) | (queries == keys + 1)

    def pairs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(.., length) -> that of queries (.., chunks, chunk, 1) and of keys (.., chunks, 1, 2 chunk)."""
        keys = self.windows(self.with_last_chunk_first(x.flatten(0, -2))).unflatten(0, x.shape[:-1])
        return x.unflatten(-1, (self.chunks, self.chunk))[..., None], keys[..., None, :]

    def projection_flops(self, batch: int = 1) -> int:
        """Three projections: 6 b n d^2."""
        return 6 * batch * self.seq_len * self.dim**2

    def flops(self, batch: int = 1) -> int:
        """Per round, b n d times the sum of hash factors to hash, 8 b N chunk d to attend; projections 6 b n d^2.

        N is the length rounded up to whole chunks. The factors are 2 N / chunk buckets, or about its square root twice.
        """
        hashing = self.seq_len * self.dim * sum(self.factors)
        attending = 4 * self.length * min(2, self.chunks) * self.chunk * self.dim
        return self.projection_flops(batch) + batch * self.rounds * (hashing + attending)


def bucket_factors(buckets: int, chunk: int) -> tuple[int, ...]:
    """Return the sizes of the hashes whose product is at least `buckets`: one of that size up to 2 chunk, else two.

    Both are even; the first is a power of two near the square root.
    """
    if buckets <= 2 * chunk:
        return (buckets,)
    first: int = 2 ** ((buckets.bit_length() - 1) // 2)
    return first, 2 * -(-buckets // (2 * first))


def in_order(x: Tensor, rows: Tensor) -> Tensor:
    """Return the given rows of x (batch, seq_len, heads, width): (groups, places) -> (groups, places, width)."""
    return x.flatten(0, 2).index_select(0, rows.flatten()).view(*rows.shape, x.shape[-1])
