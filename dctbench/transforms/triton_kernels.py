"""The kernels of `TritonDct`, and how they are launched. Importing this module imports Triton.

A program of the forward kernel makes a tile of coefficients, as many even ones as odd ones, for a tile of columns.
Block after block it folds the rows, compresses them and adds what they contribute. A program of the inverse makes the
rows of one block and their mirror images for a tile of columns, from all coefficients.

The kernels use no function that Triton itself writes in its language, such as `tl.zeros`. So it is enough for the
interpreter if TRITON_INTERPRET is set before this module is imported; Triton may have been imported before.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

ENOUGH_PROGRAMS = 128
"""Tiles are made smaller until there are so many programs: large GPUs have 80 to 150 multiprocessors."""


@triton.jit
def _block_weights(weights, phase, k, index, n_kept, blocks, even, RANK: tl.constexpr):
    """Return the weights (RANK, coefficients) of block `index` for the coefficients k: of even, then odd sequences."""
    column = tl.arange(0, RANK)
    known = k < n_kept
    table = tl.load(weights + k[None, :] * RANK + column[:, None], mask=known[None, :], other=0.0).to(tl.float32)
    cosine = tl.load(phase + index * n_kept + k, mask=known, other=0.0).to(tl.float32)
    minus_sine = tl.load(phase + (blocks + index) * n_kept + k, mask=known, other=0.0).to(tl.float32)
    return table * tl.where(column[:, None] < even, cosine[None, :], minus_sine[None, :])


@triton.jit
def _product(a, b, OPERAND: tl.constexpr):
    """Return a @ b in float32, without TF32. OPERAND is the dtype of a and b, but for bfloat16 on the CPU."""
    return tl.dot(a.to(OPERAND), b.to(OPERAND), input_precision="ieee")


@triton.jit
def forward_kernel(
    x, z, compress, weights, phase, seq_len, n_kept, columns, blocks, tiles, even, batch_stride, row_stride,
    BLOCK: tl.constexpr, RANK: tl.constexpr, ROWS: tl.constexpr, KEPT: tl.constexpr, COLUMNS: tl.constexpr,
    OPERAND: tl.constexpr,
):  # fmt: skip
    """Write the coefficients z (batch, n_kept, columns) of x (batch, seq_len, columns)."""
    dtype = z.dtype.element_ty
    batch = (tl.program_id(0) // tiles).to(tl.int64)
    even_k = 2 * ((tl.program_id(0) % tiles) * KEPT + tl.arange(0, KEPT))
    odd_k = even_k + 1
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (column < columns)[None, :]
    row, q = tl.arange(0, ROWS), tl.arange(0, RANK)
    x += batch * batch_stride
    z += batch * n_kept * columns
    even_sum = tl.full((KEPT, COLUMNS), 0.0, tl.float32)
    odd_sum = tl.full((KEPT, COLUMNS), 0.0, tl.float32)
    for index in range(blocks):
        even_part = tl.full((RANK, COLUMNS), 0.0, tl.float32)
        odd_part = tl.full((RANK, COLUMNS), 0.0, tl.float32)
        for start in range(0, BLOCK, ROWS):
            j = (index * BLOCK + start + row).to(tl.int64)
            mirror = seq_len - 1 - j
            mask = (j <= mirror)[:, None] & inside
            first = tl.load(x + j[:, None] * row_stride + column[None, :], mask=mask, other=0.0).to(tl.float32)
            last = tl.load(x + mirror[:, None] * row_stride + column[None, :], mask=mask, other=0.0).to(tl.float32)
            table = tl.load(compress + (start + row)[None, :] * RANK + q[:, None])  # (RANK, ROWS)
            # The middle of an odd length is its own mirror image and counts once.
            folded = (first + tl.where((j < mirror)[:, None], last, 0.0)).to(dtype)
            even_part += _product(table, folded, OPERAND)
            odd_part += _product(table, (first - last).to(dtype), OPERAND)
        of_even = _block_weights(weights, phase, even_k, index, n_kept, blocks, even, RANK).to(dtype)
        of_odd = _block_weights(weights, phase, odd_k, index, n_kept, blocks, even, RANK).to(dtype)
        even_sum += _product(tl.trans(of_even), even_part.to(dtype), OPERAND)
        odd_sum += _product(tl.trans(of_odd), odd_part.to(dtype), OPERAND)
    offset = even_k[:, None] * columns + column[None, :]
    tl.store(z + offset, even_sum.to(dtype), mask=(even_k < n_kept)[:, None] & inside)
    tl.store(z + offset + columns, odd_sum.to(dtype), mask=(odd_k < n_kept)[:, None] & inside)


@triton.jit
def inverse_kernel(
    z, x, compress, weights, phase, seq_len, n_kept, columns, blocks, even, batch_stride, row_stride,
    BLOCK: tl.constexpr, RANK: tl.constexpr, ROWS: tl.constexpr, KEPT: tl.constexpr, COLUMNS: tl.constexpr,
    OPERAND: tl.constexpr,
):  # fmt: skip
    """Write the rows x (batch, seq_len, columns) of the coefficients z (batch, n_kept, columns)."""
    dtype = x.dtype.element_ty
    batch = (tl.program_id(0) // blocks).to(tl.int64)
    index = tl.program_id(0) % blocks
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (column < columns)[None, :]
    row, q = tl.arange(0, ROWS), tl.arange(0, RANK)
    z += batch * batch_stride
    x += batch * seq_len * columns
    even_part = tl.full((RANK, COLUMNS), 0.0, tl.float32)
    odd_part = tl.full((RANK, COLUMNS), 0.0, tl.float32)
    for start in range(0, n_kept, 2 * KEPT):
        even_k = start + 2 * tl.arange(0, KEPT)
        odd_k = even_k + 1
        offset = even_k[:, None] * row_stride + column[None, :]
        even_z = tl.load(z + offset, mask=(even_k < n_kept)[:, None] & inside, other=0.0)
        odd_z = tl.load(z + offset + row_stride, mask=(odd_k < n_kept)[:, None] & inside, other=0.0)
        of_even = _block_weights(weights, phase, even_k, index, n_kept, blocks, even, RANK).to(dtype)
        of_odd = _block_weights(weights, phase, odd_k, index, n_kept, blocks, even, RANK).to(dtype)
        even_part += _product(of_even, even_z, OPERAND)
        odd_part += _product(of_odd, odd_z, OPERAND)
    even_y, odd_y = even_part.to(dtype), odd_part.to(dtype)
    for start in range(0, BLOCK, ROWS):
        table = tl.load(compress + (start + row)[:, None] * RANK + q[None, :])  # (ROWS, RANK)
        j = (index * BLOCK + start + row).to(tl.int64)
        mirror = seq_len - 1 - j
        symmetric = _product(table, even_y, OPERAND)
        opposite = tl.where((j < mirror)[:, None], _product(table, odd_y, OPERAND), 0.0)
        first, last = x + j[:, None] * columns + column[None, :], x + mirror[:, None] * columns + column[None, :]
        tl.store(first, (symmetric + opposite).to(dtype), mask=(j <= mirror)[:, None] & inside)
        tl.store(last, (symmetric - opposite).to(dtype), mask=(j < mirror)[:, None] & inside)


INTERPRETED = not isinstance(forward_kernel, triton.runtime.JITFunction)
"""Whether TRITON_INTERPRET was set when this module was imported: kernels then run on the CPU."""
_OPERANDS = {
    torch.float32: tl.float32,
    torch.float16: tl.float16,
    # The interpreter would multiply the bits of bfloat16 as integers. In float32 the products are the same.
    torch.bfloat16: tl.float32 if INTERPRETED else tl.bfloat16,
}


def launch(
    x: Tensor, compress: Tensor, weights: Tensor, phase: Tensor, seq_len: int, even: int, inverse: bool
) -> Tensor:
    """Run a kernel. The arguments are those of `triton_op.triton_dct`."""
    batch, _, columns = x.shape
    n_kept, blocks = weights.shape[0], phase.shape[1]
    x = x if x.stride(-1) == 1 else x.contiguous()
    y = x.new_empty(batch, seq_len if inverse else n_kept, columns)
    if not y.numel():
        return y
    sizes = tile_sizes(inverse, x.dtype, compress.shape, n_kept, columns, batch * blocks if inverse else batch)
    across = triton.cdiv(columns, sizes["COLUMNS"])
    shape = x, y, compress, weights, phase, seq_len, n_kept, columns, blocks
    with torch.cuda.device_of(x):  # Triton launches on the current device
        if inverse:
            inverse_kernel[(batch * blocks, across)](*shape, even, x.stride(0), x.stride(1), **sizes)
        else:
            tiles = triton.cdiv(n_kept, 2 * sizes["KEPT"])
            forward_kernel[(batch * tiles, across)](*shape, tiles, even, x.stride(0), x.stride(1), **sizes)
    return y


def tile_sizes(
    inverse: bool, dtype: torch.dtype, table: tuple[int, ...], n_kept: int, columns: int, repeats: int
) -> dict[str, Any]:
    """Return the sizes of the tiles, which follow from the shape alone, and the warps of a program.

    Args:
        inverse: for the inverse.
        dtype: of the data.
        table: the block length and the rank.
        n_kept: m.
        columns: of one sequence.
        repeats: programs for a tile of columns and coefficients: the batch, for the inverse times the blocks.
    """
    block, rank = table
    half = dtype.itemsize == 2
    rows = next(size for size in ((64, 32, 16) if half else (32, 16)) if block % size == 0)
    # Registers hold the forward kernel's two sums (kept, wide) and two tables (kept, rank); the shared memory, of
    # which some GPUs have 99 KiB, holds what the next steps of the inverse load.
    most = (64 if half else 32) if inverse else (128 if half and rank <= 32 else 64)
    kept = min(most, max(16, triton.next_power_of_2(triton.cdiv(n_kept, 2))))
    wide = min(64 if half else 32, max(16, triton.next_power_of_2(columns)))

    def programs() -> int:
        return int(repeats * triton.cdiv(columns, wide) * (1 if inverse else triton.cdiv(n_kept, 2 * kept)))

    while programs() < ENOUGH_PROGRAMS and wide > 16:
        wide //= 2
    while not inverse and programs() < ENOUGH_PROGRAMS and kept > 32:
        kept //= 2
    warps = 8 if kept * max(wide, rank) * dtype.itemsize >= 8192 else 4
    return {"BLOCK": block, "RANK": rank, "ROWS": rows, "KEPT": kept, "COLUMNS": wide,
            "OPERAND": _OPERANDS[dtype], "num_warps": warps}  # fmt: skip
