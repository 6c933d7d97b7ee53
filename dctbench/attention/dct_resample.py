"""Attention among band-limited positions: shorten the sequence by a DCT, attend, and resample to full length.

    z = sqrt(m/n) IDCT_m(D_m X)
    Y = softmax attention among the m rows of z
    out = sqrt(n/m) IDCT_n(DCT_m(Y)) W_o + b_o

The idea is that of the Fourier Transformer (He et al., ACL 2023, arXiv 2305.15099). DCT-Former's forms attend among
frequencies at the same cost. Here the softmax runs over resampled positions, so the method approximates softmax
attention on smooth input and equals it at ratio 1.
"""

from __future__ import annotations

from torch import Tensor

from dctbench.attention.dct_layer import ResampledAttention, zero_padding
from dctbench.transforms import Resampler


class DctResampleAttention(ResampledAttention):
    """Softmax attention among `n_kept` resampled positions.

    Padded rows of x are set to zero before resampling. Padding leaks unless `true_lengths` is set: the zeros are
    resampled along with the tokens, and the transform has the padded length.
    """

    method = "dct-resample"

    def mix(self, x: Tensor, *, mask: Tensor | None, transform: Resampler) -> Tensor:
        """x (batch, length, dim) -> the same shape."""
        z = transform(zero_padding(x, mask))  # (batch, n_kept, dim)
        y = self.attend_among(self.q_proj(z), self.k_proj(z), self.v_proj(z))
        # Resampling preserves constants, so the output projection with its bias is applied to n_kept rows.
        return transform.inverse(self.out_proj(y))

    def mix_heads(self, q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, transform: Resampler) -> Tensor:
        """q, k, v (batch, length, dim) -> the same shape.

        Here the mask multiplies q, k and v. In the layer it multiplies x, so padded tokens keep the biases.
        """
        z = (transform(zero_padding(part, mask)) for part in (q, k, v))  # (batch, n_kept, dim)
        return transform.inverse(self.attend_among(*z))

    def attend_flops(self, batch: int = 1) -> int:
        """Four resamplings and two products, 4 b m^2 d."""
        return 4 * self.transform.flops(batch * self.dim) + 4 * batch * self.n_kept**2 * self.dim

    def flops(self, batch: int = 1) -> int:
        """Two resamplings; four projections and two products at n_kept rows: 8 b m d^2 + 4 b m^2 d."""
        m, d = self.n_kept, self.dim
        return 2 * self.transform.flops(batch * d) + batch * (8 * m * d**2 + 4 * m**2 * d)
