"""Other ways to compute the forward pass of each method, written from its paper, with the weights of our layer.

Each takes a layer and x (batch, seq_len, dim), and returns what the layer returns for a call without a mask. They are
written as the method is usually written, or in the fastest way that we know. They share no code with the layers, except
for one that runs a layer in other blocks.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import elu, linear, scaled_dot_product_attention, silu, softplus

Form = Callable[[Any, Tensor], Tensor]


def heads(layer: Any, x: Tensor) -> Tensor:
    """(batch, rows, dim) -> (batch, heads, rows, head_dim)."""
    return x.view(*x.shape[:2], layer.heads, -1).transpose(1, 2)


def joined(x: Tensor) -> Tensor:
    """(batch, heads, rows, head_dim) -> (batch, rows, dim)."""
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], -1)


def out(layer: Any, x: Tensor) -> Tensor:
    """The output projection of heads."""
    return linear(joined(x), layer.out_proj.weight, layer.out_proj.bias)


def qkv(layer: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Three projections, each (batch, heads, rows, head_dim)."""
    q, k, v = (heads(layer, linear(x, p.weight, p.bias)) for p in (layer.q_proj, layer.k_proj, layer.v_proj))
    return q, k, v


def fused_qkv(layer: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same by one product with the three weights side by side, which are joined once for each layer."""
    if not hasattr(layer, "rival_weights"):
        parts = (layer.q_proj, layer.k_proj, layer.v_proj)
        layer.rival_weights = torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts])
    q, k, v = linear(x, *layer.rival_weights).chunk(3, dim=-1)
    return heads(layer, q), heads(layer, k), heads(layer, v)


def softmax_with_matrix(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention that stores its matrix."""
    return torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1), dim=-1) @ v


def exact_fused(layer: Any, x: Tensor) -> Tensor:
    """One projection for q, k and v, then torch's kernel."""
    return out(layer, scaled_dot_product_attention(*fused_qkv(layer, x)))


def exact_matrix(layer: Any, x: Tensor) -> Tensor:
    """Softmax with the matrix in memory."""
    return out(layer, softmax_with_matrix(*qkv(layer, x)))


def window_band(layer: Any, x: Tensor) -> Tensor:
    """Exact attention with a mask of the band."""
    position = torch.arange(x.shape[1])
    band = (position[:, None] - position).abs() <= layer.half_width
    return out(layer, scaled_dot_product_attention(*qkv(layer, x), attn_mask=band))


def window_chunks(layer: Any, x: Tensor) -> Tensor:
    """Chunks of the window's width attend to themselves and to both neighbours, copied side by side."""
    q, k, v = qkv(layer, x)
    width, length = layer.half_width, x.shape[1]
    chunks = length // width
    q, k, v = (part.reshape(*part.shape[:2], chunks, width, -1) for part in (q, k, v))

    def around(part: Tensor) -> Tensor:
        edge = torch.zeros_like(part[:, :, :1])
        return torch.cat([torch.cat([edge, part[:, :, :-1]], 2), part, torch.cat([part[:, :, 1:], edge], 2)], dim=3)

    query = torch.arange(length).view(chunks, width, 1)
    key = (torch.arange(chunks) * width)[:, None, None] + torch.arange(-width, 2 * width)
    seen = ((query - key).abs() <= width) & (key >= 0) & (key < length)
    scores = (q * q.shape[-1] ** -0.5) @ around(k).transpose(-2, -1)
    y = torch.softmax(scores.masked_fill(~seen, -math.inf), dim=-1) @ around(v)
    return out(layer, y.flatten(2, 3))


def window_short_blocks(layer: Any, x: Tensor) -> Tensor:
    """The layer's own form with blocks of a quarter of their length: fewer masked scores, and more overlapping keys.

    A backward pass would hold the gradients of three times as many overlapping keys.
    """
    short = copy.copy(layer)
    short.block = layer.block // 4
    short.blocks = -(-x.shape[1] // short.block)
    return cast(Tensor, short(x))


def linformer_projected_first(layer: Any, x: Tensor) -> Tensor:
    """Project k and v at full length, then shorten each."""
    q, k, v = qkv(layer, x)
    return out(layer, scaled_dot_product_attention(q, layer.E @ k, layer.E @ v))


def linformer_shortened_first(layer: Any, x: Tensor) -> Tensor:
    """Shorten x once; keys and values come from one product with both weights."""
    short, ones = torch.matmul(layer.E, x), layer.E.sum(1)[:, None]
    if not hasattr(layer, "rival_weights"):
        parts = (layer.k_proj, layer.v_proj)
        layer.rival_weights = torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts])
    weight, bias = layer.rival_weights
    k, v = (linear(short, weight) + ones * bias).chunk(2, dim=-1)
    q = linear(x, layer.q_proj.weight, layer.q_proj.bias)
    return out(layer, scaled_dot_product_attention(heads(layer, q), heads(layer, k), heads(layer, v)))


def _pseudo_inverse(a: Tensor) -> Tensor:
    eye = torch.eye(a.shape[-1])
    z = a.transpose(-2, -1) / (a.sum(-2).amax(-1) * a.sum(-1).amax(-1))[..., None, None]
    for _ in range(6):
        az = a @ z
        z = 0.25 * z @ (13 * eye - az @ (15 * eye - az @ (7 * eye - az)))
    return z


def nystrom_matrices(layer: Any, x: Tensor) -> Tensor:
    """The paper's three matrices, in the order of its code: (K1 Z) (K3 V)."""
    q, k, v = qkv(layer, x)
    q = q * q.shape[-1] ** -0.5
    q_mean, k_mean = (part.unflatten(2, (layer.n_kept, -1)).mean(3) for part in (q, k))
    left = torch.softmax(q @ k_mean.transpose(-2, -1), dim=-1)
    middle = torch.softmax(q_mean @ k_mean.transpose(-2, -1), dim=-1)
    right = torch.softmax(q_mean @ k.transpose(-2, -1), dim=-1)
    return out(layer, (left @ _pseudo_inverse(middle)) @ (right @ v))


def nystrom_kernels(layer: Any, x: Tensor) -> Tensor:
    """torch's attention kernel in the place of the two long matrices."""
    q, k, v = fused_qkv(layer, x)
    q_mean, k_mean = (part.unflatten(2, (layer.n_kept, -1)).mean(3) for part in (q, k))
    middle = torch.softmax(q_mean @ k_mean.transpose(-2, -1) * q.shape[-1] ** -0.5, dim=-1)
    gathered = scaled_dot_product_attention(q_mean, k, v)
    return out(layer, scaled_dot_product_attention(q, k_mean, _pseudo_inverse(middle) @ gathered))


def _favor(layer: Any, x: Tensor, dims: tuple[int, ...]) -> Tensor:
    scaled = x * x.shape[-1] ** -0.25
    exponents = scaled @ layer.omega.T
    half = scaled.square().sum(-1, keepdim=True) / 2
    features: Tensor = torch.exp(exponents - half - exponents.amax(dims, keepdim=True)) + layer.eps
    return features / math.sqrt(layer.n_kept)


def performer_usual(layer: Any, x: Tensor) -> Tensor:
    """Features with the constant, their sum, and the quotient by einsum."""
    q, k, v = qkv(layer, x)
    phi_q, phi_k = _favor(layer, q, (-1,)), _favor(layer, k, (-2, -1))
    inverse = 1 / torch.einsum("bhnm,bhm->bhn", phi_q, phi_k.sum(-2))
    return out(layer, torch.einsum("bhme,bhnm,bhn->bhne", torch.einsum("bhnm,bhne->bhme", phi_k, v), phi_q, inverse))


def performer_products(layer: Any, x: Tensor) -> Tensor:
    """The same features, with batched products only."""
    q, k, v = fused_qkv(layer, x)
    phi_q, phi_k = _favor(layer, q, (-1,)), _favor(layer, k, (-2, -1))
    y = phi_q @ (phi_k.transpose(-2, -1) @ v)
    return out(layer, y / (phi_q @ phi_k.sum(-2).unsqueeze(-1)))


def linear_einsum(layer: Any, x: Tensor) -> Tensor:
    """The order of the authors' code, with its einsums."""
    q, k, v = qkv(layer, x)
    phi_q, phi_k = elu(q) + 1, elu(k) + 1
    inverse = 1 / torch.einsum("bhnd,bhd->bhn", phi_q, phi_k.sum(-2))
    return out(layer, torch.einsum("bhnd,bhde,bhn->bhne", phi_q, torch.einsum("bhnd,bhne->bhde", phi_k, v), inverse))


def linear_ones(layer: Any, x: Tensor) -> Tensor:
    """The normaliser as one more column of the values."""
    q, k, v = fused_qkv(layer, x)
    v = torch.cat([v, torch.ones_like(v[..., :1])], dim=-1)
    y = (elu(q) + 1) @ ((elu(k) + 1).transpose(-2, -1) @ v)
    return out(layer, y[..., :-1] / y[..., -1:])


def reformer_usual(layer: Any, x: Tensor) -> Tensor:
    """Sort by bucket, gather, attend in chunks with the matrix stored, sort back, and join the rounds."""
    batch, length, _ = x.shape
    rounds, chunk = layer.rounds, layer.chunk
    q, v = (heads(layer, linear(x, p.weight, p.bias)) for p in (layer.q_proj, layer.v_proj))
    q, v = q.reshape(-1, length, q.shape[-1]), v.reshape(-1, length, v.shape[-1])  # batch and heads as one
    rotated = torch.einsum("bnd,rdk->brnk", q, layer.rotations)
    bucket, weight, column = torch.zeros((), dtype=torch.long), 1, 0
    for factor in layer.factors:
        part = rotated[..., column : column + factor // 2]
        bucket = bucket + weight * torch.cat([part, -part], dim=-1).argmax(-1)
        weight, column = weight * factor, column + factor // 2
    rank = (torch.arange(rounds)[:, None] * weight + bucket) * length + torch.arange(length)
    order = rank.flatten(1).argsort(-1)  # (batch heads, rounds length)
    position = order % length

    def chunks(part: Tensor) -> Tensor:
        rows = part.gather(1, position[..., None].expand(-1, -1, part.shape[-1]))
        return rows.view(len(part), rounds, -1, chunk, part.shape[-1])

    def with_previous(part: Tensor) -> Tensor:
        return torch.cat([part.roll(1, dims=2), part], dim=3)

    queries, values = chunks(q), with_previous(chunks(v))
    keys = with_previous(queries / queries.norm(dim=-1, keepdim=True))
    scores = queries @ keys.transpose(-2, -1) * q.shape[-1] ** -0.5
    scores.diagonal(chunk, -2, -1).fill_(-1e5)
    total = torch.logsumexp(scores, dim=-1, keepdim=True)
    y = (torch.exp(scores - total) @ values).view(len(q), rounds * length, -1)
    back = order.argsort(-1)
    y = y.gather(1, back[..., None].expand_as(y)).view(len(q), rounds, length, -1)
    weights = torch.softmax(total.flatten(1).gather(1, back).view(len(q), rounds, length, 1), dim=1)
    return out(layer, (weights * y).sum(1).view(batch, layer.heads, length, -1))


def fnet_2d(layer: Any, x: Tensor) -> Tensor:
    """One complex transform over both dimensions, as in the paper's code."""
    mixed: Tensor = torch.fft.fft2(x).real
    return mixed


def fnet_each(layer: Any, x: Tensor) -> Tensor:
    """One complex transform along each dimension."""
    mixed: Tensor = torch.fft.fft(torch.fft.fft(x, dim=-1), dim=-2).real
    return mixed


def delta_rule_solved(layer: Any, x: Tensor) -> Tensor:
    """The chunks of the paper, with torch's triangular solver for the corrections."""
    q, k, v = qkv(layer, x)
    q, k = (torch.nn.functional.normalize(silu(part), dim=-1) for part in (q, k))
    beta = torch.sigmoid(layer.beta_proj(x)).transpose(1, 2)[..., None]
    size = 64
    parts = [part.unflatten(2, (-1, size)) for part in (q, k, silu(v), beta)]
    q, k, v, beta = parts
    decay = torch.zeros_like(beta)
    if hasattr(layer, "decay_proj"):
        steps = softplus(layer.decay_proj(x) + layer.decay_bias)
        decay = (-layer.log_rate.exp() * steps).transpose(1, 2)[..., None].unflatten(2, (-1, size)).cumsum(-2)
    between = (decay - decay.transpose(-2, -1)).tril().exp()
    system = (beta * (k @ k.transpose(-2, -1)) * between).tril(-1) + torch.eye(size)
    right = torch.cat([beta * v, beta * k * decay.exp()], dim=-1)
    solved = torch.linalg.solve_triangular(system, right, upper=False, unitriangular=True)
    own, seen = solved.split([v.shape[-1], k.shape[-1]], dim=-1)
    inner = (q @ k.transpose(-2, -1) * between).tril()
    state, rows = torch.zeros(*k.shape[:2], k.shape[-1], v.shape[-1]), []
    for c in range(k.shape[2]):
        written = own[:, :, c] - seen[:, :, c] @ state
        rows.append((q[:, :, c] * decay[:, :, c].exp()) @ state + inner[:, :, c] @ written)
        last = decay[:, :, c, -1:]
        state = state * last.exp() + (k[:, :, c] * (last - decay[:, :, c]).exp()).transpose(-2, -1) @ written
    y = torch.cat(rows, dim=2)
    y = y / torch.sqrt(y.square().mean(-1, keepdim=True) + 1e-5) * layer.norm.weight
    if hasattr(layer, "gate_proj"):
        y = y * heads(layer, silu(layer.gate_proj(x)))
    return out(layer, y)


def _basis(layer: Any, length: int, kept: int) -> Tensor:
    """The first rows of the orthonormal DCT-II, (kept, length), made once for each layer."""
    name = f"rival_basis_{length}"
    if not hasattr(layer, name):
        k, j = torch.arange(kept)[:, None], torch.arange(length)
        basis = torch.cos((k * (2 * j + 1) % (4 * length)).double() * (math.pi / (2 * length))) * math.sqrt(2 / length)
        basis[0] /= math.sqrt(2)
        setattr(layer, name, basis.float())
    found: Tensor = getattr(layer, name)
    return found


def dct_x_authors(layer: Any, x: Tensor) -> Tensor:
    """The authors' order: compress, project, attend with the matrix stored, expand, project at full length."""
    basis = _basis(layer, x.shape[1], layer.n_kept)
    return out(layer, heads(layer, basis.T @ joined(softmax_with_matrix(*qkv(layer, basis @ x)))))


def dct_qkv_authors(layer: Any, x: Tensor) -> Tensor:
    """The authors' order: project at full length, compress each head, attend, expand as (D^T A) V."""
    basis = _basis(layer, x.shape[1], layer.n_kept)
    q, k, v = (basis @ part for part in qkv(layer, x))
    a = torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1), dim=-1)
    return out(layer, (basis.T @ a) @ v)


def _resampled(layer: Any, x: Tensor) -> Tensor:
    n, m = x.shape[1], layer.n_kept
    return math.sqrt(m / n) * (_basis(layer, m, m).T @ (_basis(layer, n, m) @ x))


def dct_kv_basis(layer: Any, x: Tensor) -> Tensor:
    """Both transforms by products with their bases."""
    z = _resampled(layer, x)
    q, k, v = (linear(rows, p.weight, p.bias) for rows, p in ((x, layer.q_proj), (z, layer.k_proj), (z, layer.v_proj)))
    return out(layer, scaled_dot_product_attention(heads(layer, q), heads(layer, k), heads(layer, v)))


def dct_resample_basis(layer: Any, x: Tensor) -> Tensor:
    """Both transforms by products with their bases, and back, before the output projection."""
    n, m = x.shape[1], layer.n_kept
    y = joined(scaled_dot_product_attention(*qkv(layer, _resampled(layer, x))))
    return out(layer, heads(layer, math.sqrt(n / m) * (_basis(layer, n, m).T @ (_basis(layer, m, m) @ y))))


FORMS: Mapping[str, tuple[Form, ...]] = {
    "full": (exact_matrix,),
    "sdpa": (exact_fused,),
    "window": (window_band, window_chunks, window_short_blocks),
    "linformer": (linformer_projected_first, linformer_shortened_first),
    "nystromformer": (nystrom_matrices, nystrom_kernels),
    "performer": (performer_usual, performer_products),
    "linear": (linear_einsum, linear_ones),
    "reformer": (reformer_usual,),
    "fnet": (fnet_2d, fnet_each),
    "delta-net": (delta_rule_solved,),
    "gated-delta-net": (delta_rule_solved,),
    "dct-x": (dct_x_authors,),
    "dct-qkv": (dct_qkv_authors,),
    "dct-kv": (dct_kv_basis,),
    "dct-resample": (dct_resample_basis,),
}
