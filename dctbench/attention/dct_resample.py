"""Attention among band-limited positions: shorten the sequence by a DCT, attend there, and bring the result back.

    z = sqrt(m/n) IDCT_m(D_m X)
    Y = softmax attention among the m rows of z
    out = sqrt(n/m) IDCT_n(DCT_m(Y)) W_o + b_o

(The idea of the Fourier Transformer, He et al., ACL 2023, arXiv 2305.15099.) Unlike DCT-Former's forms, which attend
among frequencies at the same cost, the softmax runs over positions, resampled ones: this approximates softmax attention
on smooth input, and at ratio 1 it equals it.
"""

from __future__ import annotations

from torch import Tensor

from dctbench.attention.dct_layer import ResampledAttention, masked
from dctbench.transforms import Resampler


class DctResampleAttention(ResampledAttention):
    """Softmax attention among `n_kept` resampled positions.

    Padded rows of x are set to zero before resampling. Padding leaks: zeros are resampled along with tokens, and the
    length of the transform is the padded one, unless `true_lengths`.
    """

    method = "dct-resample"

    def mix(self, x: Tensor, *, mask: Tensor | None, transform: Resampler) -> Tensor:
        """x (batch, length, dim) -> the same shape."""
        z = transform(masked(x, mask))  # (batch, n_kept, dim)
        y = self.attend_among(self.q_proj(z), self.k_proj(z), self.v_proj(z))
        # Resampling keeps constants, so that the output projection, bias included, is made at n_kept rows.
        return transform.inverse(self.out_proj(y))

    def mix_heads(self, q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, transform: Resampler) -> Tensor:
        """q, k, v (batch, length, dim) -> the same shape.

        Here the mask multiplies q, k and v; in the layer it multiplies x, so that padded tokens keep the biases.
        """
        z = (transform(masked(part, mask)) for part in (q, k, v))  # (batch, n_kept, dim)
        return transform.inverse(self.attend_among(*z))

    def attend_flops(self, batch: int = 1) -> int:
        """Four resamplings and 4 b m^2 d."""
        return 4 * self.transform.flops(batch * self.dim) + 4 * batch * self.n_kept**2 * self.dim

    def flops(self, batch: int = 1) -> int:
        """Two resamplings; four projections and two products at n_kept rows: 8 b m d^2 + 4 b m^2 d."""
        m, d = self.n_kept, self.dim
        return 2 * self.transform.flops(batch * d) + batch * (8 * m * d**2 + 4 * m**2 * d)
