"""DCT-Former's best case: compute the full attention matrix, then compress it by a DCT on both sides.

    A = softmax(q k^T / sqrt(head_dim)) at length n,    out = D_m^T (D_m A D_m^T) (D_m v) W_o + b_o

Scribano et al. 2022 (arXiv 2203.01178) compare their cheaper forms with this one. It bounds their quality from above
and is slower than full attention. With the low-pass filter P = D_m^T D_m the result is P A (P v): two low-pass filters
around any kernel for exact attention. The n x n matrix is never stored.
"""

from __future__ import annotations

from torch import Tensor

from dctbench.attention.dct_layer import FrequencyAttention, linear_of_dct, zero_padding
from dctbench.transforms import TruncatedDct


class DctIdealAttention(FrequencyAttention):
    """Exact attention between two low-pass filters.

    The mask multiplies k and v, as in the authors' code, so a padded key keeps the weight of a zero score. Padding
    leaks through these keys and through the length of the transform, unless `true_lengths` is set.
    """

    method = "dct-ideal"
    padded_content_leak = "padded queries attend, and the low-pass mixes positions; true_lengths=True leaves them out"

    def mix(self, x: Tensor, *, mask: Tensor | None, transform: TruncatedDct) -> Tensor:
        """x (batch, length, dim) -> the same shape."""
        of_mask = None if mask is None else transform(mask[..., None].to(x.dtype), ordered=False)
        of_v = linear_of_dct(transform(zero_padding(x, mask), ordered=False), self.v_proj, transform.seq_len, of_mask)
        v = transform.inverse(of_v, ordered=False)  # low-passed, (batch, length, dim)
        attended = self.attend_among(self.q_proj(x), zero_padding(self.k_proj(x), mask), v)
        return self.project_out(transform(attended, ordered=False), transform)

    def mix_heads(self, q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, transform: TruncatedDct) -> Tensor:
        """q, k, v (batch, length, dim) -> the same shape."""
        y = self.attend_among(q, zero_padding(k, mask), low_pass(zero_padding(v, mask), transform))
        return low_pass(y, transform)

    def attend_flops(self, batch: int = 1) -> int:
        """Two low-pass filters (four transforms) and two products, 4 b n^2 d."""
        return 4 * self.transform.flops(batch * self.dim) + 4 * batch * self.seq_len**2 * self.dim

    def flops(self, batch: int = 1) -> int:
        """`attend_flops` plus 4 b n d^2 to project q and k at length n and 4 b m d^2 for v and the output at n_kept."""
        return self.attend_flops(batch) + 4 * batch * (self.seq_len + self.n_kept) * self.dim**2


def low_pass(x: Tensor, transform: TruncatedDct) -> Tensor:
    """Return D_m^T D_m x: (batch, length, dim) -> the same shape."""
    return transform.inverse(transform(x, ordered=False), ordered=False)
