"""DCT-Former's second form: queries, keys and values are each compressed by a DCT and attend as coefficients.

    q, k, v = projections of X at length n,    out = D_m^T (softmax(D_m q (D_m k)^T / sqrt(head_dim)) D_m v) W_o + b_o

(Scribano et al. 2022, arXiv 2203.01178.) The softmax runs over n_kept coefficients, not over positions. The method
does not approximate softmax attention, and it does not equal it at ratio 1.

Projections commute with the DCT, so the layer is dct-x with the biases of q, k and v on the DC coefficient only.
"""

from __future__ import annotations

from torch import Tensor

from dctbench.attention.dct_layer import FrequencyAttention, linear_of_dct, zero_padding
from dctbench.transforms import TruncatedDct


class DctQkvAttention(FrequencyAttention):
    """Attention among the lowest `n_kept` DCT-II coefficients of q, k and v.

    The mask multiplies k and v but not q, as in the authors' code. Padding still leaks through q and through the
    length of the transform, unless `true_lengths` is set.
    """

    method = "dct-qkv"
    padded_content_leak = "queries are not masked, and their DCT mixes positions; true_lengths=True leaves padding out"

    def mix(self, x: Tensor, *, mask: Tensor | None, transform: TruncatedDct) -> Tensor:
        """x (batch, length, dim) -> the same shape."""
        n = transform.seq_len
        of_queries = transform(x, ordered=False)  # (batch, n_kept, dim)
        if mask is None:
            of_keys, of_mask = of_queries, None
        else:
            of_keys = transform(zero_padding(x, mask), ordered=False)
            of_mask = transform(mask[..., None].to(x.dtype), ordered=False)  # (batch, n_kept, 1)
        y = self.attend_among(
            linear_of_dct(of_queries, self.q_proj, n),
            linear_of_dct(of_keys, self.k_proj, n, of_mask),
            linear_of_dct(of_keys, self.v_proj, n, of_mask),
        )  # (batch, n_kept, dim)
        return self.project_out(y, transform)

    def mix_heads(self, q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, transform: TruncatedDct) -> Tensor:
        """q, k, v (batch, length, dim) -> the same shape."""
        z = (transform(part, ordered=False) for part in (q, zero_padding(k, mask), zero_padding(v, mask)))
        return transform.inverse(self.attend_among(*z), ordered=False)

    def attend_flops(self, batch: int = 1) -> int:
        """Four transforms and two products, 4 b m^2 d."""
        return 4 * self.transform.flops(batch * self.dim) + 4 * batch * self.n_kept**2 * self.dim

    def flops(self, batch: int = 1) -> int:
        """As dct-x: two transforms, 8 b m d^2 + 4 b m^2 d. A mask adds a transform and one of a single column."""
        m, d = self.n_kept, self.dim
        return 2 * self.transform.flops(batch * d) + batch * (8 * m * d**2 + 4 * m**2 * d)
