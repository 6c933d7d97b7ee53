"""FNet: tokens mixed by a Fourier transform, without parameters. Lee-Thorp et al. 2021 (arXiv 2105.03824)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dctbench.attention.layer import AttentionLayer


class FNetMixing(AttentionLayer):
    """y = Re(F_seq(F_hidden(x))), the unnormalised discrete Fourier transform along both axes (section 3.2).

    The sublayer has no parameters: it has none of the four projections, ignores `heads`, and cannot take the weights
    that other methods share. Outputs are about sqrt(n d) times larger than inputs; the paper relies on the LayerNorm
    that follows. Half precision is transformed in float32, since torch lacks half-precision transforms on some devices.

    The paper has no mask. Here padded tokens are set to zero before the transform, so their content never reaches a
    real token.
    """

    padding_leak = "every frequency of the transform depends on the padded length"

    q_proj: nn.Linear | None  # type: ignore[assignment]
    k_proj: nn.Linear | None  # type: ignore[assignment]
    v_proj: nn.Linear | None  # type: ignore[assignment]
    out_proj: nn.Linear | None  # type: ignore[assignment]

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
        self.q_proj = self.k_proj = self.v_proj = self.out_proj = None

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, seq_len, dim) -> the same shape."""
        self.check(x, key_padding_mask)
        if key_padding_mask is not None:
            x = x.masked_fill(~key_padding_mask[..., None], 0.0)
        if x.numel() == 0:  # not every library of Fourier transforms takes an empty batch
            return x
        precise = x.to(torch.promote_types(x.dtype, torch.float32))
        half = torch.fft.rfft2(precise, dim=(1, 2)).real  # (batch, seq_len, dim // 2 + 1)
        # The spectrum of a real input is Hermitian, F[-a, -b] = conj F[a, b], which gives the other columns.
        mirrored = half[:, :, 1 : (self.dim + 1) // 2]
        other = torch.cat([mirrored[:, :1].flip(2), mirrored[:, 1:].flip((1, 2))], dim=1)
        return torch.cat([half, other], dim=2).to(x.dtype)

    def flops(self, batch: int = 1) -> int:
        """2.5 b n d log2(n d), for one real transform over both dimensions.

        torch's own counter ignores transforms. The usual estimate is 5 n log2 n for a complex transform of length n
        and half of that for a real one.
        """
        n, d = self.seq_len, self.dim
        return round(2.5 * batch * n * d * math.log2(n * d))
