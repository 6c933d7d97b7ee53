"""DeltaNet: linear attention with the delta rule. Yang et al. 2024 (arXiv 2406.06484), sections 2 and 3."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pad, silu

from dctbench.attention.layer import AttentionLayer

CHUNK = 64
"""Positions per chunk; a power of two, as `inverse_of_unit_lower` requires."""


class DeltaNet(AttentionLayer):
    """S_t = S_{t-1} + beta_t (v_t - S_{t-1} k_t) k_t^T, o_t = S_t q_t: the delta rule, with head_dim^2 memory per head.

    **Causal**: unlike with every other method here, a token sees only itself and earlier tokens; there is no second
    pass from the end. As in the paper, q, k and v pass through a SiLU, q and k are L2 normalised, beta_t =
    sigmoid(W_b x_t) in each head, and the output is RMS normalised in each head before the output projection. The
    paper's optional short convolutions are omitted.

    The recurrence is computed in chunks of `CHUNK` positions (section 3). Within a chunk the corrections
    v_t - S_{t-1} k_t of all positions solve a triangular system (the UT transform), so only the chunks are computed
    one after another. Half precision is computed in float32, as the recurrence needs.

    Padded tokens write nothing (beta = 0), so padding never changes a real token.
    """

    def __init__(
        self,
        *,
        seq_len: int,
        dim: int,
        heads: int,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads, dtype=dtype, device=device)
        self.beta_proj = nn.Linear(dim, heads, bias=False, dtype=dtype, device=device)
        self.norm = nn.RMSNorm(self.head_dim, eps=1e-5, dtype=dtype, device=device)
        self.chunks = -(-seq_len // CHUNK)

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, seq_len, dim) -> the same shape."""
        self.check(x, key_padding_mask)
        precision = torch.promote_types(x.dtype, torch.float32)
        q, k, v = (self.split_heads(proj(x)).to(precision) for proj in (self.q_proj, self.k_proj, self.v_proj))
        beta = torch.sigmoid(self.beta_proj(x).to(precision)).transpose(1, 2)[..., None]  # (batch, heads, seq_len, 1)
        if key_padding_mask is not None:
            padded = ~key_padding_mask[:, None, :, None]
            beta, v = beta.masked_fill(padded, 0.0), v.masked_fill(padded, 0.0)
            k = k.masked_fill(padded, 0.0)
        out = self.delta_rule(normalize(silu(q), dim=-1), normalize(silu(k), dim=-1), silu(v), beta)
        out = self.norm(out.to(x.dtype))
        projected: Tensor = self.out_proj(self.join_heads(out))
        return projected

    def delta_rule(self, q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> Tensor:
        """Compute the recurrence chunk by chunk.

        Within a chunk that starts from the memory S (a map from k to v, so transposed here), row t of U is the
        correction that position t writes: U = T (V - K S), T = (I + tril(diag(beta) K K^T, -1))^(-1) diag(beta).

        Args:
            q, k, v: (batch, heads, seq_len, head_dim).
            beta: (batch, heads, seq_len, 1).

        Returns:
            (batch, heads, seq_len, head_dim).
        """
        q, k, v, beta = (self.in_chunks(x) for x in (q, k, v, beta))  # (batch, heads, chunks, CHUNK, ...)
        overlap = k @ k.transpose(-2, -1)
        solve = inverse_of_unit_lower((beta * overlap).tril(-1)) * beta.transpose(-2, -1)
        own = solve @ v  # the corrections for an empty memory
        seen = solve @ k  # how the memory at the start of the chunk changes them
        inner = (q @ k.transpose(-2, -1)).tril()

        memory = v.new_zeros(*v.shape[:2], self.head_dim, self.head_dim)  # k -> v
        outputs = []
        for c in range(self.chunks):
            written = own[:, :, c] - seen[:, :, c] @ memory
            outputs.append(q[:, :, c] @ memory + inner[:, :, c] @ written)
            memory = memory + k[:, :, c].transpose(-2, -1) @ written
        return torch.cat(outputs, dim=2)[:, :, : self.seq_len]

    def in_chunks(self, x: Tensor) -> Tensor:
        """(batch, heads, seq_len, width) -> (batch, heads, chunks, CHUNK, width), padded with zeros at the end."""
        chunks: Tensor = pad(x, (0, 0, 0, self.chunks * CHUNK - self.seq_len)).unflatten(2, (self.chunks, CHUNK))
        return chunks

    def flops(self, batch: int = 1) -> int:
        """Four projections, 2 b n d h for beta, and b N (10 C d + 6 d head_dim + 2/3 h (C^2 - 1)) for the recurrence.

        N is the length rounded up to whole chunks of C positions. The terms are five products inside chunks, three
        with the memory, and one inverse.
        """
        n, d, h = self.chunks * CHUNK, self.dim, self.heads
        inside = 10 * CHUNK * d + 6 * d * self.head_dim + 2 * h * (CHUNK**2 - 1) // 3
        return self.projection_flops(batch) + batch * (2 * self.seq_len * d * h + n * inside)


def inverse_of_unit_lower(strict: Tensor) -> Tensor:
    """Return (I + L)^(-1) for strictly lower triangular L (..., size, size), size a power of two.

    Block substitution: diagonal blocks are inverted first and joined in pairs, [[A, 0], [B, C]]^(-1) =
    [[A', 0], [-C' B A', C']], in log2(size) steps of batched products. It is as stable as substitution row by row. The
    product (I - L)(I + L^2)(I + L^4) ... is as fast, but powers of L grow without bound when keys repeat.
    """
    size = strict.shape[-1]
    inverse = torch.ones_like(strict[..., :1]).unsqueeze(-1)  # (..., blocks, width, width), at first width 1
    width = 1
    while width < size:
        pairs = strict.unflatten(-1, (-1, 2 * width)).unflatten(-3, (-1, 2 * width))
        pairs = pairs.diagonal(dim1=-4, dim2=-2).movedim(-1, -3)  # (..., blocks / 2, 2 width, 2 width)
        upper, lower = inverse[..., 0::2, :, :], inverse[..., 1::2, :, :]
        corner = -lower @ pairs[..., width:, :width] @ upper
        top = torch.cat([upper, torch.zeros_like(upper)], dim=-1)
        inverse = torch.cat([top, torch.cat([corner, lower], dim=-1)], dim=-2)
        width *= 2
    return inverse.squeeze(-3)
