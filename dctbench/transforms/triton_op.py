"""The fused transform as an operator of torch: with a shape, a gradient and a count of FLOPs that need no GPU.

As an operator it can be compiled by torch, estimated with fake tensors and counted on the meta device, none of which
looks into a kernel.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

_SCHEMA = "(Tensor x, Tensor compress, Tensor weights, Tensor phase, int seq_len, int even, bool inverse) -> Tensor"


@torch.library.custom_op("dctbench::triton_dct", mutates_args=(), schema=_SCHEMA)
def triton_dct(
    x: Tensor, compress: Tensor, weights: Tensor, phase: Tensor, seq_len: int, even: int, inverse: bool
) -> Tensor:
    """Return D_m x (batch, n_kept, columns) for x (batch, seq_len, columns), or the inverse for the opposite shapes.

    Args:
        x: what to transform; float32, float16 or bfloat16.
        compress: the table (block, p) of `TritonDct`.
        weights: its table (n_kept, p).
        phase: its table (2, n1, n_kept).
        seq_len: n.
        even: how many of the p columns belong to even sequences.
        inverse: whether x holds coefficients.
    """
    from dctbench.transforms.triton_kernels import launch

    return launch(x, compress, weights, phase, seq_len, even, inverse)


@triton_dct.register_fake
def _(x: Tensor, compress: Tensor, weights: Tensor, phase: Tensor, seq_len: int, even: int, inverse: bool) -> Tensor:
    return x.new_empty(x.shape[0], seq_len if inverse else weights.shape[0], x.shape[2])


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, *tables, ctx.seq_len, ctx.even, ctx.inverse = inputs
    ctx.save_for_backward(*tables)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    # The gradient is the adjoint, which is the transform in the other direction.
    adjoint = triton_dct(gradient, *ctx.saved_tensors, ctx.seq_len, ctx.even, not ctx.inverse)
    return adjoint, None, None, None, None, None, None


triton_dct.register_autograd(_backward, setup_context=_setup_context)


@register_flop_formula(torch.ops.dctbench.triton_dct)
def _flops(x: Any, compress: Any, weights: Any, phase: Any, *_: Any, **__: Any) -> int:
    (block, rank), (n_kept, _), (_, blocks, _) = compress, weights, phase
    return int(2 * rank * blocks * (2 * block + n_kept) * x[0] * x[2])
