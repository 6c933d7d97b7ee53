"""Gated DeltaNet: the delta rule with a decay. Yang, Kautz and Hatamizadeh 2025 (arXiv 2412.06464), section 3."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from dctbench.attention.delta_net import DeltaNet

DECAY_RATES = (1.0, 16.0)
TIME_STEPS = (1e-3, 0.1)
"""The ranges of the initial decay: those of Mamba-2 (Dao and Gu 2024, arXiv 2405.21060), as in the authors' code."""


class GatedDeltaNet(DeltaNet):
    """DeltaNet whose memory decays by a_t = exp(-A softplus(W_a x_t + b_a)) in each head, with a gate on its output.

    S_t = a_t S_{t-1} (I - beta_t k_t k_t^T) + beta_t v_t k_t^T. The normalised output is multiplied by SiLU(W_g x_t)
    before the output projection. **Causal**, as DeltaNet is, and with its option `convolution`. Unlike in the paper's
    models, v has the width of k.

    Padded tokens write nothing and decay nothing, so padding never changes a real token.
    """

    decays = True

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
        super().__init__(seq_len=seq_len, dim=dim, heads=heads, convolution=convolution, dtype=dtype, device=device)
        self.gate_proj = nn.Linear(dim, dim, bias=False, dtype=dtype, device=device)
        self.decay_proj = nn.Linear(dim, heads, bias=False, dtype=dtype, device=device)
        rates = torch.empty(heads, dtype=dtype, device=device).uniform_(*DECAY_RATES)
        self.log_rate = nn.Parameter(rates.log())  # log A, (heads,)
        steps = torch.empty(heads, dtype=dtype, device=device).uniform_(*map(math.log, TIME_STEPS)).exp()
        self.decay_bias = nn.Parameter(steps + torch.log(-torch.expm1(-steps)))  # b_a: the inverse of softplus

    def log_decay(self, x: Tensor) -> Tensor:
        """Return log a_t, (batch, seq_len, heads), float32 or wider."""
        precision = torch.promote_types(x.dtype, torch.float32)
        steps = softplus((self.decay_proj(x) + self.decay_bias).to(precision))
        return -self.log_rate.to(precision).exp() * steps

    def gated(self, y: Tensor, x: Tensor) -> Tensor:
        """Return y (batch, seq_len, dim) times the gate."""
        gate: Tensor = self.gate_proj(x)
        return y * silu(gate)

    def flops(self, batch: int = 1) -> int:
        """DeltaNet's, 2 b n d^2 for the gate and 2 b n d h for the decay."""
        return super().flops(batch) + 2 * batch * self.seq_len * self.dim * (self.dim + self.heads)


class BidirectionalGatedDeltaNet(GatedDeltaNet):
    """Gated DeltaNet run from both ends with the same parameters; what both read is added."""

    both_directions = True
