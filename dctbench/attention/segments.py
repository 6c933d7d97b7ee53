"""Means over equal segments of the sequence, which pooling attends among and Nystromformer uses as landmarks.

Both methods must handle padding and a number of segments that does not divide the length.
"""

from __future__ import annotations

import torch
from torch import Tensor


def segment_table(seq_len: int, count: int, device: torch.device | str | None = None) -> Tensor:
    """Return the positions of each segment: (count, longest) indices, position j in segment floor(j count / seq_len).

    Lengths of segments differ by at most one, and no segment is empty (count <= seq_len). Shorter segments are filled
    with the index `seq_len`, which means "no position".
    """
    bounds = -(torch.arange(count + 1, device=device) * -seq_len // count)  # ceil: the first position of each
    table = bounds[:-1, None] + torch.arange(-(-seq_len // count), device=device)
    return table.where(table < bounds[1:, None], seq_len)


def segment_means(x: Tensor, table: Tensor, real: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return the means of x over the real tokens of each segment.

    Args:
        x: (..., seq_len, d).
        table: from `segment_table`.
        real: bool, broadcastable to (..., seq_len), True = real token; None means that all are real.

    Returns:
        The means (..., count, d), zero for a segment without a real token, and a bool tensor (..., count) of the
        segments that have one, or None without a mask.
    """
    count, longest = table.shape
    seq_len = x.shape[-2]
    if real is None and count * longest == seq_len:
        return x.unflatten(-2, (count, longest)).mean(-2), None
    # Unlike a scatter, a gather sums in a fixed order on every device.
    rows = x.index_select(-2, table.flatten().clamp(max=seq_len - 1)).unflatten(-2, (count, longest))
    if real is None:
        has_last = table[:, -1:] < seq_len  # (count, 1): segments differ by one position
        total = rows[..., :-1, :].sum(-2) + rows[..., -1, :].masked_fill(~has_last, 0.0)
        return total / (longest - 1 + has_last.to(x.dtype)), None
    # One more row for "no position".
    present = torch.cat([real, real.new_zeros(*real.shape[:-1], 1)], dim=-1)
    kept = present[..., table]  # (..., count, longest)
    number = kept.sum(-1)  # (..., count)
    means = rows.masked_fill(~kept[..., None], 0.0).sum(-2) / number.clamp(min=1)[..., None].to(x.dtype)
    return means, number > 0
