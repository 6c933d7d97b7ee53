"""The relative error of a method against exact attention with the same weights, on two kinds of input.

`error.noise` uses i.i.d. values, the worst case for a method that keeps low frequencies. `error.smooth` uses an AR(1)
process with rho = 0.95, a favourable case. The exact output is computed in float64 and cached by shape and seed, since
all methods of a run are compared with it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention

from dctbench.model import digest
from dctbench.worker.metrics.inputs import Weights

QUERY_ROWS = 1024
ROWS_ABOVE = 16_384
"""Above this length only QUERY_ROWS evenly spaced query rows are compared, since the exact output is quadratic."""

TOLERANCE = {"float64": 1e-10, "float32": 2e-5, "float16": 1e-2, "bfloat16": 4e-2}
"""The largest relative error of an exact method, by dtype."""


def tolerance(dtype: str, tf32: bool = False) -> float:
    """Return the largest relative error of an exact method. Products in TF32 round float32 numbers like float16."""
    return TOLERANCE["float16" if tf32 and dtype == "float32" else dtype]


def relative_error(output: Tensor, exact: Tensor) -> float:
    """Return ||output - exact|| / ||exact|| over all entries, in float64."""
    reference = exact.to(torch.float64)
    return float((output.to(torch.float64) - reference).norm() / reference.norm())


def compared_rows(seq_len: int) -> Tensor | None:
    """Return the query rows to compare, or None for all of them."""
    if seq_len <= ROWS_ABOVE:
        return None
    return torch.linspace(0, seq_len - 1, QUERY_ROWS, dtype=torch.float64).round().long()


def _go_on(share: float) -> None:
    """Do nothing between two parts."""


def exact_attention(
    q: Tensor, k: Tensor, v: Tensor, rows: Tensor | None, done: Callable[[float], None] = _go_on
) -> Tensor:
    """Exact attention in float64: q, k, v (batch, heads, seq_len, head_dim) -> the same shape, or the given rows.

    It is computed in parts of `QUERY_ROWS` rows. `done` is called after each with the share that is done, and may raise
    to end it.
    """
    q, k, v = (x.to("cpu", torch.float64) for x in (q, k, v))
    parts = (q if rows is None else q[:, :, rows]).split(QUERY_ROWS, dim=-2)
    computed = []
    for part in parts:
        computed.append(scaled_dot_product_attention(part, k, v))
        done(len(computed) / len(parts))
    return torch.cat(computed, dim=-2)


def exact_layer(
    x: Tensor, weights: Weights, heads: int, rows: Tensor | None, done: Callable[[float], None] = _go_on
) -> Tensor:
    """Exact layer in float64: x (batch, seq_len, dim) -> (batch, len(rows) or seq_len, dim). `done` as above."""
    x = x.to("cpu", torch.float64)
    w = {name: tensor.to("cpu", torch.float64) for name, tensor in weights.items()}

    def project(name: str) -> Tensor:
        projected = linear(x, w[f"{name}.weight"], w[f"{name}.bias"])
        return projected.view(*x.shape[:2], heads, -1).transpose(1, 2)  # (batch, heads, seq_len, head_dim)

    attended = exact_attention(project("q_proj"), project("k_proj"), project("v_proj"), rows, done)
    return linear(attended.transpose(1, 2).flatten(2), w["out_proj.weight"], w["out_proj.bias"])


def cached(compute: Callable[[], Tensor], key: object, folder: str | None) -> Tensor:
    """Return the result of `compute`, cached in `folder` under `key` (scope, shape, dtype, seed, input)."""
    if folder is None:
        return compute()
    path = Path(folder) / f"exact-{digest(key)}.npy"
    if path.exists():
        return torch.from_numpy(np.load(path, allow_pickle=False))
    exact = compute()
    partial = path.with_name(f"{path.stem}.{os.getpid()}.npy")
    np.save(partial, exact.numpy(), allow_pickle=False)
    partial.replace(path)
    return exact


def beyond_tolerance(error: float, dtype: str, tf32: bool = False) -> bool:
    """Return whether the error is larger than the rounding of an exact method."""
    return math.isnan(error) or error > tolerance(dtype, tf32)
