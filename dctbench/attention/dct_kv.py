"""Full-length queries over band-limited keys and values: a DCT shortens only what is attended to.

    z = sqrt(m/n) IDCT_m(D_m X)
    q = projection of X;  k, v = projections of z
    out = softmax(q k^T / sqrt(head_dim)) v W_o + b_o

The resampling of dct-resample (He et al., ACL 2023, arXiv 2305.15099) takes the place of Linformer's learned
projection. The softmax runs over resampled positions, so the method approximates softmax attention on smooth input and
equals it at ratio 1. The output is not low-pass filtered.
"""

from __future__ import annotations

from torch import Tensor

from dctbench.attention.dct_layer import ResampledAttention, zero_padding
from dctbench.transforms import Resampler


class DctKvAttention(ResampledAttention):
    """Every position attends to `n_kept` resampled ones.

    Padded rows of x are set to zero before keys and values are resampled. Padding leaks unless `true_lengths` is set:
    the zeros are resampled along with the tokens, and the transform has the padded length.
    """

    method = "dct-kv"

    def mix(self, x: Tensor, *, mask: Tensor | None, transform: Resampler) -> Tensor:
        """x (batch, length, dim) -> the same shape."""
        z = transform(zero_padding(x, mask))  # (batch, n_kept, dim)
        out: Tensor = self.out_proj(self.attend_among(self.q_proj(x), self.k_proj(z), self.v_proj(z)))
        return out

    def mix_heads(self, q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, transform: Resampler) -> Tensor:
        """q, k, v (batch, length, dim) -> the same shape.

        Here the mask multiplies k and v. In the layer it multiplies x, so padded tokens keep the biases.
        """
        return self.attend_among(q, transform(zero_padding(k, mask)), transform(zero_padding(v, mask)))

    def attend_flops(self, batch: int = 1) -> int:
        """Two resamplings and two products, 4 b n m d."""
        products = 4 * batch * self.seq_len * self.n_kept * self.dim
        return 2 * self.transform.flops(batch * self.dim) + products

    def flops(self, batch: int = 1) -> int:
        """One resampling; projections of q and output at length n and of k and v at n_kept; two products, 4 b n m d."""
        n, m, d = self.seq_len, self.n_kept, self.dim
        return self.transform.flops(batch * d) + batch * (4 * (n + m) * d**2 + 4 * n * m * d)
