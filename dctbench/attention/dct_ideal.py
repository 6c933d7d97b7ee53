"""DCT-Former's best case: the full attention matrix is computed, then compressed by a DCT on both sides.

    A = softmax(q k^T / sqrt(head_dim)) at length n,    out = D_m^T (D_m A D_m^T) (D_m v) W_o + b_o

(Scribano et al. 2022, arXiv 2203.01178, the bound that their cheaper forms are held against.) An upper bound for
quality, slower than full attention. With the low-pass P = D_m^T D_m the result is P A (P v), so that no n x n matrix is
held: two low-passes around any kernel for exact attention.
"""

from __future__ import annotations

from torch import Tensor

from dctbench.attention.dct_layer import FrequencyAttention, linear_of_dct, masked
from dctbench.transforms import TruncatedDct


class DctIdealAttention(FrequencyAttention):
    """Exact attention between two low-passes.

    The mask multiplies k and v (as the authors do), so that a padded key keeps the weight of a score of zero.
    Padding leaks through that and through the length of the transform, unless `true_lengths`.
    """

    method = "dct-ideal"
    padded_content_leak = "padded queries attend, and the low-pass mixes positions; true_lengths=True leaves them out"

    def mix(self, x: Tensor, *, mask: Tensor | None, transform: TruncatedDct) -> Tensor:
        """x (batch, length, dim) -> the same shape."""
        of_mask = None if mask is None else transform(mask[..., None].to(x.dtype), ordered=False)
        of_v = linear_of_dct(transform(masked(x, mask), ordered=False), self.v_proj, transform.seq_len, of_mask)
        v = transform.inverse(of_v, ordered=False)  # low-passed, (batch, length, dim)
        attended = self.attend_among(self.q_proj(x), masked(self.k_proj(x), mask), v)
        return self.project_out(transform(attended, ordered=False), transform)

    def mix_heads(self, q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, transform: TruncatedDct) -> Tensor:
        """q, k, v (batch, length, dim) -> the same shape."""
        y = self.attend_among(q, masked(k, mask), low_pass(masked(v, mask), transform))
        return low_pass(y, transform)

    def attend_flops(self, batch: int = 1) -> int:
        """Two low-passes, which are four transforms, around 4 b n^2 d."""
        return 4 * self.transform.flops(batch * self.dim) + 4 * batch * self.seq_len**2 * self.dim

    def flops(self, batch: int = 1) -> int:
        """As `attend`, with q and k projected at length n, v and the output at n_kept: + 4 b n d^2 + 4 b m d^2."""
        return self.attend_flops(batch) + 4 * batch * (self.seq_len + self.n_kept) * self.dim**2


def low_pass(x: Tensor, transform: TruncatedDct) -> Tensor:
    """D_m^T D_m x, (batch, length, dim) -> the same shape."""
    return transform.inverse(transform(x, ordered=False), ordered=False)
