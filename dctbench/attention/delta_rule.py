"""The delta rule S_t = a_t S_{t-1} (I - beta_t k_t k_t^T) + beta_t v_t k_t^T, o_t = S_t q_t, in chunks.

Yang et al. 2024 (arXiv 2406.06484), section 3; with the decay a_t, Yang, Kautz and Hatamizadeh 2025 (arXiv 2412.06464),
section 3.3. Within a chunk the corrections of all positions solve a triangular system (the UT transform), so only the
chunks are computed one after another.

On a CUDA device and in half precision the kernels of flash-linear-attention compute the same where that package is
installed.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from dctbench.attention.precision import own_precision

CHUNK = 64
"""Positions per chunk; a power of two, as `inverse_of_unit_lower` requires."""

HALF = (torch.bfloat16, torch.float16)


def delta_rule(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor | None = None) -> Tensor:
    """Apply the delta rule from an empty memory, in the fastest way that runs here.

    Args:
        q, k, v: (batch, heads, seq_len, head_dim); rows of k have at most unit norm.
        beta: (batch, heads, seq_len), in 0 to 1.
        log_decay: log a_t, (batch, heads, seq_len), at most 0; None for a_t = 1.

    Returns:
        (batch, heads, seq_len, head_dim), in the dtype of v.
    """
    kernel = fla_kernel(v.device.type, v.dtype, gated=log_decay is not None)
    if kernel is None:
        with own_precision(v):
            return in_chunks(q, k, v, beta, log_decay)
    rows = {"q": q.to(v.dtype), "k": k.to(v.dtype), "v": v, "beta": beta} | (
        {} if log_decay is None else {"g": log_decay}
    )
    out, _ = kernel(**{name: x.transpose(1, 2).contiguous() for name, x in rows.items()}, scale=1.0)
    read: Tensor = out.transpose(1, 2).to(v.dtype)
    return read


def kernel_name(device_type: str, dtype: torch.dtype, *, gated: bool) -> str:
    """Return what computes the delta rule here: "fla", or "chunks" for torch's products."""
    return "chunks" if fla_kernel(device_type, dtype, gated=gated) is None else "fla"


@functools.cache
def fla_kernel(device_type: str, dtype: torch.dtype, *, gated: bool) -> Callable[..., Any] | None:
    """Return the kernel of flash-linear-attention, or None where it does not run: it is for half precision on CUDA.

    It takes q, k, v (batch, seq_len, heads, head_dim), beta and g (batch, seq_len, heads) and `scale` by keyword, and
    returns the output and a final state.
    """
    if device_type != "cuda" or dtype not in HALF:
        return None
    name = "gated_delta_rule" if gated else "delta_rule"
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(f"fla.ops.{name}"), f"chunk_{name}")
    except (ImportError, AttributeError):
        return None
    return found


def in_chunks(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor | None = None) -> Tensor:
    """Apply the delta rule chunk by chunk with torch's products; half precision in float32, as the recurrence needs.

    In a chunk that starts from the memory S (a map from k to v, so transposed here), let g_t be the product of its
    decays up to t and D_ij = g_i / g_j for i >= j. Row t of U is the correction that position t writes:
    U = T (V - diag(g) K S) with T = (I + tril(diag(beta) (D * K K^T), -1))^(-1) diag(beta).

    Arguments and result are those of `delta_rule`.
    """
    dtype, seq_len = v.dtype, v.shape[2]
    precision = torch.promote_types(dtype, torch.float32)
    q, k, v, beta = (_chunks(x.to(precision)) for x in (q, k, v, beta[..., None]))  # (batch, heads, chunks, CHUNK, ..)
    overlap, inner = k @ k.transpose(-2, -1), q @ k.transpose(-2, -1)
    kept, left = None, None
    if log_decay is not None:
        total = _chunks(log_decay.to(precision)[..., None]).cumsum(-2)  # log g_t, (batch, heads, chunks, CHUNK, 1)
        between = (total - total.transpose(-2, -1)).tril().exp()  # D; above the diagonal it could overflow
        overlap, inner = overlap * between, inner * between
        last = total[..., -1:, :]
        kept, left = last.exp(), (last - total).exp()  # of the memory, and of each correction, at the end of the chunk
        q, seen_k = q * total.exp(), k * total.exp()
    else:
        seen_k = k
    inner = inner.tril()
    solve = inverse_of_unit_lower((beta * overlap).tril(-1)) * beta.transpose(-2, -1)
    own = solve @ v  # the corrections for an empty memory
    seen = solve @ seen_k  # how the memory at the start of the chunk changes them
    written_k = k if left is None else k * left

    memory = v.new_zeros(*v.shape[:2], k.shape[-1], v.shape[-1])  # k -> v
    outputs = []
    for c in range(v.shape[2]):
        written = own[:, :, c] - seen[:, :, c] @ memory
        outputs.append(q[:, :, c] @ memory + inner[:, :, c] @ written)
        before = memory if kept is None else memory * kept[:, :, c]
        memory = before + written_k[:, :, c].transpose(-2, -1) @ written
    return torch.cat(outputs, dim=2)[:, :, :seq_len].to(dtype)


def in_chunks_flops(seq_len: int, heads: int, head_dim: int) -> int:
    """FLOPs of `in_chunks` for one sequence: N (10 C d + 6 d head_dim + 2/3 h (C^2 - 1)), d = h head_dim.

    N is the length rounded up to whole chunks of C positions. The terms are five products inside chunks, three with
    the memory, and one inverse.
    """
    n, d = -(-seq_len // CHUNK) * CHUNK, heads * head_dim
    return n * (10 * CHUNK * d + 6 * d * head_dim + 2 * heads * (CHUNK**2 - 1) // 3)


def _chunks(x: Tensor) -> Tensor:
    """(batch, heads, seq_len, width) -> (batch, heads, chunks, CHUNK, width), padded with zeros at the end."""
    missing = -x.shape[2] % CHUNK
    if missing:
        x = pad(x, (0, 0, 0, missing))
    # In the layout of split heads each of the products below would copy its operands.
    chunks: Tensor = x.contiguous().unflatten(2, (-1, CHUNK))
    return chunks


def inverse_of_unit_lower(strict: Tensor) -> Tensor:
    """Return (I + L)^(-1) for strictly lower triangular L (..., size, size), size a power of two.

    Block substitution: diagonal blocks are inverted first and joined in pairs, [[A, 0], [B, C]]^(-1) =
    [[A', 0], [-C' B A', C']], in log2(size) steps of batched products. It is as stable as substitution row by row. The
    product (I - L)(I + L^2)(I + L^4) ... is as fast, but powers of L grow without bound when keys repeat.
    """
    size = strict.shape[-1]
    inverse = torch.ones_like(strict[..., :1]).unsqueeze(-1)  # (..., blocks, width, width), at first width 1
    width = 1
    while width < size:
        pairs = strict.unflatten(-1, (-1, 2 * width)).unflatten(-3, (-1, 2 * width))
        pairs = pairs.diagonal(dim1=-4, dim2=-2).movedim(-1, -3)  # (..., blocks / 2, 2 width, 2 width)
        upper, lower = inverse[..., 0::2, :, :], inverse[..., 1::2, :, :]
        corner = -lower @ pairs[..., width:, :width] @ upper
        top = torch.cat([upper, torch.zeros_like(upper)], dim=-1)
        inverse = torch.cat([top, torch.cat([corner, lower], dim=-1)], dim=-2)
        width *= 2
    return inverse.squeeze(-3)
