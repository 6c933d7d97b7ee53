"""Performer: the softmax kernel from positive random features (FAVOR+). Choromanski et al. 2021 (arXiv 2009.14794)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dctbench.attention.layer import AttentionLayer, checked_n_kept
from dctbench.attention.linear import normalised_product
from dctbench.attention.precision import own_precision
from dctbench.errors import UsageError

EPSILON = 1e-4
"""The constant of the authors' code (google-research/performer, `kernel_epsilon`)."""


class PerformerAttention(AttentionLayer):
    """exp(q . k) = E[phi(q) . phi(k)], phi(x) = exp(w x - |x|^2 / 2) over orthogonal Gaussian w (Lemma 1, section 2.4).

    Queries and keys are scaled by head_dim^(-1/4) first, so that the kernel is that of softmax attention. The vectors w
    are drawn once from a generator seeded with `seed`, shared by all heads, and saved with the state. Unlike in the
    paper they are not redrawn during training. Not causal.

    As in the authors' code, each query subtracts its largest w x and the keys of a head subtract theirs, and then
    `eps` is added to every feature. It moves the weights towards a mean over all tokens, which bounds the variance:
    with 64 features the error is a third of that without. With `eps=0` features are stabilised exactly instead:
    for each feature the largest exponent among real keys moves to the queries' side, then each query subtracts its own
    largest exponent, and both cancel in the quotient.

    Padded keys have zero features, so padding never changes a real token, except through `padding_leak`.

    In half precision the features are computed in float32, as exponentials of large numbers need. In float16 their
    products are float32 too.

    Args:
        ratio, kept: set the number of features, n_kept, at most n as for every method. More are possible in theory and
            lower the error a little, but with n of them the features alone take more work than exact attention.
        eps: the constant added to every feature; at least 0.
        seed: of the features.
    """

    padding_leak = "the number of random features follows the padded length"

    omega: Tensor

    def __init__(
        self,
        *,
        seq_len: int,
        dim: int,
        heads: int,
        ratio: float | None = None,
        kept: int | None = None,
        eps: float = EPSILON,
        seed: int = 0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads, dtype=dtype, device=device)
        if not 0 <= eps < math.inf:
            raise UsageError(f"performer: eps must be a number of at least 0; got {eps}")
        self.n_kept = checked_n_kept("performer", seq_len, ratio, kept)
        self.eps = eps
        omega = orthogonal_gaussian(self.n_kept, self.head_dim, seed)
        self.register_buffer("omega", omega.to(self.q_proj.weight))  # (n_kept, head_dim)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """q, k, v (batch, heads, seq_len, head_dim) -> the same shape."""
        keys: Tensor | float = float(self.seq_len)
        padded = None
        if key_padding_mask is not None:
            padded = ~key_padding_mask[:, None, :, None]
            v = v.masked_fill(padded, 0.0)
            keys = key_padding_mask.sum(1)[:, None, None].to(torch.promote_types(v.dtype, torch.float32))
        features = self.features if self.eps else self.exact_features
        phi_q, phi_k = features(q, k, padded)
        if v.dtype != torch.float16:  # in which the sums would be computed in float32 anyway
            phi_q, phi_k = phi_q.to(v.dtype), phi_k.to(v.dtype)
        return normalised_product(phi_q, phi_k, v, eps=self.eps, keys=keys)

    def features(self, q: Tensor, k: Tensor, padded: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return phi(q) and phi(k) (batch, heads, seq_len, n_kept), stabilised as the authors do, before eps is added.

        Queries keep |x|^2 / 2: it does not cancel once `eps` is added.
        """
        phi_q, phi_k = self.exponents(q), self.exponents(k)
        if padded is not None:
            phi_k.masked_fill_(padded, -torch.inf)
        # Without any real key the largest exponent is -inf, and -inf - (-inf) is NaN.
        largest = phi_k.detach().amax((-2, -1), keepdim=True).clamp(min=torch.finfo(phi_k.dtype).min)
        phi_q.sub_(phi_q.detach().amax(-1, keepdim=True) + self.half_squares(q)).exp_()
        phi_k.sub_(largest + self.half_squares(k)).exp_()
        return phi_q, phi_k

    def exact_features(self, q: Tensor, k: Tensor, padded: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return phi(q) and phi(k) (batch, heads, seq_len, n_kept) up to factors that cancel in the quotient."""
        phi_k = self.exponents(k)
        phi_k -= self.half_squares(k)
        if padded is not None:
            phi_k.masked_fill_(padded, -torch.inf)
        largest = phi_k.detach().amax(-2, keepdim=True).clamp(min=torch.finfo(phi_k.dtype).min)
        phi_k.sub_(largest).exp_()

        phi_q = self.exponents(q)  # a query's half square cancels like its largest exponent
        phi_q += largest
        phi_q.sub_(phi_q.detach().amax(-1, keepdim=True)).exp_()
        return phi_q, phi_k

    def exponents(self, x: Tensor) -> Tensor:
        """Return w x for scaled x and each feature w: a new tensor (..., seq_len, n_kept), float32 or wider."""
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        with own_precision(x):
            exponents: Tensor = x @ (self.omega.to(x.dtype).T * self.head_dim**-0.25)
        return exponents

    def half_squares(self, x: Tensor) -> Tensor:
        """Return |x|^2 / 2 of each scaled row, (batch, heads, seq_len, 1)."""
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        return x.square().sum(-1, keepdim=True) / (2 * math.sqrt(self.head_dim))

    def attend_flops(self, batch: int = 1) -> int:
        """Features of q and k, two products with the m x head_dim state: 8 b n m d; the normaliser: 2 b h n m."""
        return batch * self.seq_len * self.n_kept * (8 * self.dim + 2 * self.heads)


def orthogonal_gaussian(count: int, dim: int, seed: int) -> Tensor:
    """Return `count` vectors (count, dim), float64, each N(0, I), orthogonal in groups of `dim` (section 2.4).

    A Haar-distributed orthogonal block (QR of a Gaussian matrix) gives the directions. The norms are drawn separately,
    as those of independent Gaussian vectors.
    """
    generator = torch.Generator().manual_seed(seed)
    blocks = -(-count // dim)
    # On the CPU, so that a seed gives the same features on every device, "meta" included.
    gaussian = torch.randn(2, blocks, dim, dim, generator=generator, dtype=torch.float64, device="cpu")
    directions, upper = torch.linalg.qr(gaussian[0])
    # The signs of R's diagonal depend on the library; making them positive makes Q Haar distributed.
    directions = directions * upper.diagonal(dim1=-2, dim2=-1).sign()[..., None, :]
    norms = gaussian[1].norm(dim=-1, keepdim=True)  # (blocks, dim, 1)
    vectors: Tensor = directions.transpose(-2, -1) * norms
    return vectors.flatten(0, 1)[:count]
