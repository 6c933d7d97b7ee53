"""Softmax attention that also returns the log-sum-exp of each row, by which parts of a softmax are joined.

`scaled_dot_product_attention` does not return it. torch's flash kernel for CPUs does, under a private name, so its
absence is handled.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_FLASH = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)


def attention_with_logsumexp(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return softmax(q k^T / sqrt(width) + bias) v and the log-sum-exp of its rows.

    torch's flash kernel computes both where it can: on a CPU, without gradients (its log-sum-exp has none). Elsewhere
    the scores are held.

    Args:
        q: (batch, groups, queries, width).
        k, v: (batch, groups, keys, width); may overlap in memory.
        bias: added to the scores, broadcastable to (batch, groups, queries, keys), float32 or wider; no row may be
            all -inf.

    Returns:
        (batch, groups, queries, width) in the dtype of v, and (batch, groups, queries) in that of `bias`.
    """
    wants_gradient = torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad)
    if _FLASH is not None and q.device.type == "cpu" and not wants_gradient:
        out, logsumexp = _FLASH(q, k, v, attn_mask=bias)
        return out, logsumexp.to(bias.dtype)
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1) + bias
    logsumexp = torch.logsumexp(scores, dim=-1)
    return torch.exp(scores - logsumexp[..., None]).to(v.dtype) @ v, logsumexp
