"""DeltaNet: linear attention by the delta rule. Yang et al. 2024 (arXiv 2406.06484)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pad, silu

from dctbench.attention.delta_rule import delta_rule, in_chunks_flops, kernel_name
from dctbench.attention.layer import AttentionLayer
from dctbench.errors import UsageError


class DeltaNet(AttentionLayer):
    """S_t = S_{t-1} + beta_t (v_t - S_{t-1} k_t) k_t^T, o_t = S_t q_t: the delta rule, with head_dim^2 memory per head.

    **Causal**: unlike with most methods here, a token sees only itself and earlier tokens. As in the paper, q, k and v
    pass through a SiLU, q and k are L2 normalised, beta_t = sigmoid(W_b x_t) in each head, and the output is RMS
    normalised in each head before the output projection.

    `convolution` adds the paper's short convolutions before each SiLU: depthwise, causal, one filter for each channel
    of q, k and v. The paper and its models for language use 4 taps.

    Padded tokens write nothing (beta = 0), so padding never changes a real token.

    Args:
        convolution: the taps of the short convolutions, or None for none.

    Raises:
        UsageError: for invalid sizes and fewer than one tap.
    """

    attention_methods = ("recurrence",)
    both_directions: ClassVar[bool] = False
    decays: ClassVar[bool] = False

    def __init__(
        self,
        *,
        seq_len: int,
        dim: int,
        heads: int,
        convolution: int | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads, dtype=dtype, device=device)
        if convolution is not None and convolution < 1:
            raise UsageError(f"a short convolution has at least 1 tap; got {convolution}")
        self.beta_proj = nn.Linear(dim, heads, bias=False, dtype=dtype, device=device)
        self.norm = nn.RMSNorm(self.head_dim, eps=1e-5, dtype=dtype, device=device)
        self.taps = convolution or 0
        self.convolutions = nn.ModuleList(
            nn.Conv1d(dim, dim, self.taps, groups=dim, bias=False, dtype=dtype, device=device)
            for _ in range(3 if self.taps else 0)
        )

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, seq_len, dim) -> the same shape."""
        self.check(x, key_padding_mask)
        real = None if key_padding_mask is None else key_padding_mask[..., None]  # (batch, seq_len, 1)
        parts = [self.q_proj(x), self.k_proj(x), self.v_proj(x), torch.sigmoid(self.beta_proj(x))]
        decay = self.log_decay(x)
        if decay is not None:
            parts.append(decay)
        if real is not None:
            parts = [part.masked_fill(~real, 0.0) for part in parts]
        if self.both_directions:
            parts = [torch.cat([part, part.flip(1)]) for part in parts]
        out = self.recurrence(*parts)
        if self.both_directions:
            forwards, backwards = out.chunk(2)
            out = forwards + backwards.flip(2)
        out = out.to(self.norm.weight.dtype)  # under autocast it differs
        projected: Tensor = self.out_proj(self.gated(self.join_heads(self.norm(out)), x))
        return projected

    def recurrence(self, q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor | None = None) -> Tensor:
        """Convolve, activate, and apply the delta rule.

        Args:
            q, k, v: (batch, seq_len, dim).
            beta, log_decay: (batch, seq_len, heads).

        Returns:
            (batch, heads, seq_len, head_dim).
        """
        if self.taps:
            q, k, v = (self.convolved(part, i) for i, part in enumerate((q, k, v)))
        q, k, v = (self.split_heads(silu(part)) for part in (q, k, v))
        precision = torch.promote_types(v.dtype, torch.float32)  # the norm of a row of zeros would underflow in float16
        q, k = (normalize(part.to(precision), dim=-1) for part in (q, k))
        return delta_rule(q, k, v, beta.transpose(1, 2), None if log_decay is None else log_decay.transpose(1, 2))

    def kernel(self, device_type: str, dtype: torch.dtype) -> str:
        """Return what computes the recurrence there: "fla", flash-linear-attention, or "chunks", torch's products."""
        return kernel_name(device_type, dtype, gated=self.decays)

    def convolved(self, x: Tensor, which: int) -> Tensor:
        """Apply short convolution `which` of q, k, v: (batch, seq_len, dim) -> the same shape."""
        rows: Tensor = self.convolutions[which](pad(x.transpose(1, 2), (self.taps - 1, 0)))
        return rows.transpose(1, 2)

    def log_decay(self, x: Tensor) -> Tensor | None:
        """Return the logarithm of the decay of the memory at each token, (batch, seq_len, heads), or None for none."""
        return None

    def gated(self, y: Tensor, x: Tensor) -> Tensor:
        """Return the input of the output projection, given what was read, y (batch, seq_len, dim), and x."""
        return y

    def flops(self, batch: int = 1) -> int:
        """Four projections, 2 b n d h for beta, the recurrence in each direction, and 6 b n d for each tap."""
        n, d, h = self.seq_len, self.dim, self.heads
        directions = 2 if self.both_directions else 1
        recurrence = in_chunks_flops(n, h, self.head_dim) + 6 * n * d * self.taps
        return self.projection_flops(batch) + batch * (2 * n * d * h + directions * recurrence)


class BidirectionalDeltaNet(DeltaNet):
    """DeltaNet run from both ends with the same parameters; what both read is added. Every token sees all others.

    This form is not from the paper. It is what makes the recurrence comparable with attention that is not causal.
    """

    both_directions = True
