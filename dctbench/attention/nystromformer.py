"""Nystromformer: softmax attention through landmarks. Xiong et al. 2021 (arXiv 2102.03902), section 3."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from dctbench.attention.layer import AttentionLayer, checked_n_kept
from dctbench.attention.precision import own_precision
from dctbench.attention.segments import segment_means, segment_table
from dctbench.errors import UsageError

PINV_ITERATIONS = 6
"""As in the paper."""


class NystromAttention(AttentionLayer):
    """softmax(q k~^T) softmax(q~ k~^T)^+ softmax(q~ k^T) v: landmarks q~, k~ are means over n_kept segments.

    The pseudo-inverse takes six steps of the paper's iteration from Z_0 = A^T / (|A|_1 |A|_inf). Each sample and head
    has its own norms; the authors' code uses the largest of the batch, which lets one sample change the output of
    another. With n_kept = seq_len every token is its own landmark. The layer then computes exact attention, as the
    authors' code does; six steps of the iteration would not reach it.

    `convolution` adds the paper's optional skip connection: a depthwise convolution of v along the sequence, one
    filter for each head, without padded tokens. The authors' code uses 33 or 35 taps for language. The default is
    without, as in DCT-Former's comparison; it approximates softmax attention only without.

    `ratio` or `kept` sets the number of landmarks. If the number does not divide the length, segments differ in length
    by one position and are padded to the longest. With a mask, means include real tokens only. A segment without any
    real token is not a landmark: its row and column are zero in A and in the pseudo-inverse.

    Args:
        ratio, kept: set the number of landmarks, n_kept.
        convolution: the taps of the convolution, an odd number, or None for none.
    """

    padding_leak = "segments divide the padded length: the same ones only where the ratio divides both lengths"

    segments: Tensor

    def __init__(
        self,
        *,
        seq_len: int,
        dim: int,
        heads: int,
        ratio: float | None = None,
        kept: int | None = None,
        convolution: int | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads, dtype=dtype, device=device)
        self.n_kept = checked_n_kept("nystromformer", seq_len, ratio, kept)
        self.convolution: nn.Conv2d | None = None
        if convolution is not None:
            if convolution < 1 or convolution % 2 == 0:
                raise UsageError(f"nystromformer: convolution must have an odd number of taps; got {convolution}")
            self.convolution = nn.Conv2d(
                heads,
                heads,
                kernel_size=(convolution, 1),
                padding=(convolution // 2, 0),
                groups=heads,
                bias=False,
                dtype=dtype,
                device=device,
            )
        self.register_buffer("segments", segment_table(seq_len, self.n_kept, device), persistent=False)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """q, k, v (batch, heads, seq_len, head_dim) -> the same shape."""
        real = None if key_padding_mask is None else key_padding_mask[:, None]  # (batch, 1, seq_len)
        out = self.exact(q, k, v, real) if self.n_kept == self.seq_len else self.approximate(q, k, v, real)
        if self.convolution is None:
            return out
        skipped: Tensor = self.convolution(v if real is None else v.masked_fill(~real[..., None], 0.0))
        return out + skipped

    def exact(self, q: Tensor, k: Tensor, v: Tensor, real: Tensor | None) -> Tensor:
        """Softmax attention over the real keys; `real` bool (batch, 1, seq_len)."""
        return scaled_dot_product_attention(q, k, v, attn_mask=None if real is None else real[:, :, None])

    def approximate(self, q: Tensor, k: Tensor, v: Tensor, real: Tensor | None) -> Tensor:
        """Softmax attention through landmarks; `real` bool (batch, 1, seq_len)."""
        landmark_q, occupied = segment_means(q, self.segments, real)  # (batch, heads, n_kept, head_dim)
        landmark_k, _ = segment_means(k, self.segments, real)
        with own_precision(q):
            inverse = self.pseudo_inverse(self.landmark_attention(landmark_q, landmark_k, occupied))

        # Multiplied from right to left, three thin products, so that no n x n_kept matrix is stored.
        keys = None if real is None else real[:, :, None]  # (batch, 1, 1, seq_len)
        landmarks = None if occupied is None else occupied[:, :, None]  # (batch, 1, 1, n_kept)
        gathered = scaled_dot_product_attention(landmark_q, k, v, attn_mask=keys)  # (batch, heads, n_kept, head_dim)
        with own_precision(q):
            weighed = (inverse @ gathered.to(inverse.dtype)).to(v.dtype)
        return scaled_dot_product_attention(q, landmark_k, weighed, attn_mask=landmarks)

    def landmark_attention(self, q: Tensor, k: Tensor, occupied: Tensor | None) -> Tensor:
        """Return A = softmax(q~ k~^T / sqrt(head_dim)), (batch, heads, n_kept, n_kept), in float32 or wider.

        Half precision is too coarse for the iteration, which squares its residual.
        """
        precision = torch.promote_types(q.dtype, torch.float32)
        scores = q.to(precision) @ k.to(precision).transpose(-2, -1) / math.sqrt(self.head_dim)
        if occupied is None:
            return torch.softmax(scores, dim=-1)
        pairs = occupied[..., None] & occupied[..., None, :]  # (batch, 1, n_kept, n_kept)
        scores = scores.masked_fill(~pairs, torch.finfo(precision).min)
        return torch.softmax(scores, dim=-1).masked_fill(~pairs, 0.0)

    def pseudo_inverse(self, a: Tensor) -> Tensor:
        """Return A^+ by the paper's third-order iteration, Z <- Z (13 I - A Z (15 I - A Z (7 I - A Z))) / 4.

        The matrices are small, so the number of kernels counts: each difference is part of a product, and the factor
        1/4, which is exact, part of the constants.
        """
        identity = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
        seven, fifteen, thirteen = (factor / 4 * identity for factor in (7, 15, 13))
        z = (a.transpose(-2, -1) / self.norm_product(a)).flatten(0, 1)
        matrices = a.flatten(0, 1)
        for _ in range(PINV_ITERATIONS):
            az = matrices @ z
            inner = torch.sub(seven, az, alpha=0.25)
            inner = torch.baddbmm(fifteen, az, inner, alpha=-1)
            z = z @ torch.baddbmm(thirteen, az, inner, alpha=-1)
        return z.view_as(a)

    def norm_product(self, a: Tensor) -> Tensor:
        """Return |A|_1 |A|_inf of each sample and head, (batch, heads, 1, 1), for A without negative entries."""
        largest_column = a.sum(-2).amax(-1)
        largest_row = a.sum(-1).amax(-1)
        # A sequence of padding only has A = 0, whose pseudo-inverse is 0.
        return (largest_column * largest_row).clamp(min=torch.finfo(a.dtype).tiny)[..., None, None]

    def attend_flops(self, batch: int = 1) -> int:
        """8 b n m d for the products along the sequence, 4 b m^2 d among landmarks, 48 b h m^3 for the iteration.

        The paper's order, (K1 Z)(K3 V), costs 2 b h n m^2 instead of 2 b m^2 d. Where every token is a landmark it is
        4 b n^2 d, as for exact attention. A convolution of c taps adds 2 b n d c.
        """
        n, m, d = self.seq_len, self.n_kept, self.dim
        taps = 0 if self.convolution is None else self.convolution.kernel_size[0]
        through_landmarks = 8 * n * m * d + 4 * m**2 * d + 8 * PINV_ITERATIONS * self.heads * m**3
        return batch * (2 * n * d * taps + (4 * n**2 * d if m == n else through_landmarks))
