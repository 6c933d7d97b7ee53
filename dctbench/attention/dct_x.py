"""DCT-Former's first form: the input is compressed by a DCT, and attention runs among its coefficients.

    X_m = D_m X,    q, k, v = projections of X_m,    out = D_m^T (softmax(q k^T / sqrt(head_dim)) v) W_o + b_o

(Scribano et al. 2022, arXiv 2203.01178.) The softmax runs over n_kept coefficients, not over positions. The method
does not approximate softmax attention, and it does not equal it at ratio 1; judge it by accuracy after training.
"""

from __future__ import annotations

from torch import Tensor

from dctbench.attention.dct_layer import FrequencyAttention, zero_padding
from dctbench.transforms import TruncatedDct


class DctXAttention(FrequencyAttention):
    """Attention among the lowest `n_kept` DCT-II coefficients of the input (projection biases on every coefficient).

    The authors' code ignores the mask. Here padded rows of x are set to zero first, which changes nothing when all
    tokens are real. Padding still leaks through the length of the transform, unless `true_lengths` is set.
    """

    method = "dct-x"

    def mix(self, x: Tensor, *, mask: Tensor | None, transform: TruncatedDct) -> Tensor:
        """x (batch, length, dim) -> the same shape."""
        z = transform(zero_padding(x, mask), ordered=False)  # (batch, n_kept, dim)
        y = self.attend_among(self.q_proj(z), self.k_proj(z), self.v_proj(z))  # (batch, n_kept, dim)
        return self.project_out(y, transform)

    def flops(self, batch: int = 1) -> int:
        """Two transforms; four projections and two products at n_kept rows: 8 b m d^2 + 4 b m^2 d."""
        m, d = self.n_kept, self.dim
        return 2 * self.transform.flops(batch * d) + batch * (8 * m * d**2 + 4 * m**2 * d)
