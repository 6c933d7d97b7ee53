"""The relative error of a method against exact attention with the same weights, on two kinds of input.

The cosine between both outputs is given beside it: an output that is wrong by a factor has a large error, and a cosine
of 1.

`error.noise` uses i.i.d. values, the worst case for a method that keeps low frequencies. `error.smooth` uses an AR(1)
process with rho = 0.95, a favourable case. The exact output is computed in float64 and cached by shape and seed, since
all methods of a run are compared with it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention

from dctbench.errors import UnsupportedError
from dctbench.model import digest
from dctbench.text.format import format_size
from dctbench.worker.devices import cpu
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


def cosine(output: Tensor, exact: Tensor) -> float:
    """Return the cosine between the output and the exact one, each as a single vector of all entries, in float64."""
    one, other = (tensor.to(torch.float64).flatten() for tensor in (output, exact))
    return float(one @ other / (one.norm() * other.norm()))


def compared_rows(seq_len: int) -> Tensor | None:
    """Return the query rows to compare, or None for all of them."""
    if seq_len <= ROWS_ABOVE:
        return None
    return torch.linspace(0, seq_len - 1, QUERY_ROWS, dtype=torch.float64).round().long()


def _go_on(share: float) -> None:
    """Do nothing between two parts."""


def require_memory(batch: int, seq_len: int, heads: int, head_dim: int) -> None:
    """Check that the exact output, what computes it and what compares it fit into the free memory of the host.

    Raises:
        UnsupportedError: otherwise; the message is the reason.
    """
    needed, free = needed_bytes(batch, seq_len, heads, head_dim), cpu.memory_bytes("cpu")
    if needed > free:
        told = f"exact attention in float64 needs about {format_size(needed)} of {format_size(free)} on the host"
        raise UnsupportedError(f"{told} (estimate)")


def needed_bytes(batch: int, seq_len: int, heads: int, head_dim: int) -> int:
    """Return the bytes of the host that the exact output of a layer or attention needs, and the comparison with it."""
    rows = seq_len if seq_len <= ROWS_ABOVE else QUERY_ROWS
    together = min(batch, _together(seq_len))
    dim = heads * head_dim
    # x, q, k and v, then the outputs of the heads, joined, and projected.
    computing = together * (4 * seq_len + 3 * rows) * dim + 4 * dim * dim
    comparing = 2 * batch * rows * dim  # the output in float64, and the difference
    return 8 * (batch * rows * dim + max(computing, comparing))


def _together(seq_len: int) -> int:
    """Return the number of samples that are computed at once: as many short ones as have `QUERY_ROWS` rows together."""
    return max(1, QUERY_ROWS // seq_len)


def exact_attention(
    q: Tensor, k: Tensor, v: Tensor, rows: Tensor | None, done: Callable[[float], None] = _go_on
) -> Tensor:
    """Exact attention in float64: q, k, v (batch, heads, seq_len, head_dim) -> the same shape, or the given rows.

    It is computed in parts of `QUERY_ROWS` rows, of one sample or of several short ones. `done` is called after each
    with the share that is done, and may raise to end it.
    """

    def computed(parts: Sequence[Tensor], done: Callable[[float], None]) -> Tensor:
        q, k, v = map(_double, parts)
        return _attended(q, k, v, rows, done)

    return _by_sample(computed, (q, k, v), done)


def exact_layer(
    x: Tensor, weights: Weights, heads: int, rows: Tensor | None, done: Callable[[float], None] = _go_on
) -> Tensor:
    """Exact layer in float64: x (batch, seq_len, dim) -> (batch, len(rows) or seq_len, dim). `done` as above."""
    w = {name: _double(tensor) for name, tensor in weights.items()}

    def computed(parts: Sequence[Tensor], done: Callable[[float], None]) -> Tensor:
        x = _double(parts[0])

        def project(name: str) -> Tensor:
            projected = linear(x, w[f"{name}.weight"], w[f"{name}.bias"])
            return projected.view(*x.shape[:2], heads, -1).transpose(1, 2)  # (batch, heads, seq_len, head_dim)

        attended = _attended(project("q_proj"), project("k_proj"), project("v_proj"), rows, done)
        return linear(attended.transpose(1, 2).flatten(2), w["out_proj.weight"], w["out_proj.bias"])

    return _by_sample(computed, (x,), done)


def _double(tensor: Tensor) -> Tensor:
    return tensor.to("cpu", torch.float64)


def _by_sample(
    compute: Callable[[Sequence[Tensor], Callable[[float], None]], Tensor],
    inputs: Sequence[Tensor],
    done: Callable[[float], None],
) -> Tensor:
    """Compute along the batch: no more samples at once than have `QUERY_ROWS` rows, so that they need little memory."""
    batch, seq_len = inputs[0].shape[0], inputs[0].shape[-2]
    groups = list(zip(*(tensor.split(_together(seq_len)) for tensor in inputs), strict=True))
    whole: Tensor | None = None
    first = 0
    for number, group in enumerate(groups):
        computed = compute(group, lambda share, before=number: done((before + share) / len(groups)))  # type: ignore[misc]
        if whole is None:
            whole = computed.new_empty(batch, *computed.shape[1:])
        whole[first : first + len(computed)] = computed
        first += len(computed)
    assert whole is not None
    return whole


def _attended(q: Tensor, k: Tensor, v: Tensor, rows: Tensor | None, done: Callable[[float], None]) -> Tensor:
    """Attend in parts of `QUERY_ROWS` rows; `done` as above."""
    parts = (q if rows is None else q[:, :, rows]).split(QUERY_ROWS, dim=-2)
    computed = torch.empty(*q.shape[:2], sum(part.shape[-2] for part in parts), v.shape[-1], dtype=q.dtype)
    for number, part in enumerate(parts):
        first = number * QUERY_ROWS
        computed[:, :, first : first + QUERY_ROWS] = scaled_dot_product_attention(part, k, v)
        done((number + 1) / len(parts))
    return computed


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
