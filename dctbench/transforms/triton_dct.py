"""The truncated DCT by one fused kernel for GPUs, written in Triton: blocks are compressed and combined on the chip.

The arithmetic is that of `block` with one product for all blocks (docs/block-dct.md), on a folded sequence. Even
coefficients are those of x + reversed x over its first half, and odd ones those of x - reversed x, since rows of the
DCT are even or odd about the middle. That halves the work across the blocks. The kernel reads x, keeps what a block was
compressed to in registers and shared memory, and writes coefficients only. The weights of a block are made there, too,
from two small tables, so that no (n_kept x n1 p) matrix is read.

*Cost*, for h = ceil(n / 2), n1 = ceil(h / L) blocks of length L and p columns: 2 p n1 (2 L + m) FLOPs per column. A
call reads n and writes m numbers per column, or the opposite; 2 n1 m + (m + L) p numbers of tables come from the cache.
Two things are on top, and not counted. The forward kernel compresses the blocks once for every tile of 64 to 256
coefficients, and reads x as often, from the L2 cache if it holds a tile of columns. The inverse reads its coefficients
once for every block. So the kernel is made for few coefficients; for many, the work across the blocks grows with n m,
and `block:L:slots` has less.

It has run under Triton's interpreter and was compiled for GPUs, but it was never timed on one. `transform="auto"` does
not choose it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from dctbench.errors import UnavailableError, UnsupportedError, UsageError
from dctbench.transforms.cosines import Array, cos_sin, row_scale
from dctbench.transforms.dct import TruncatedDct
from dctbench.transforms.slepian import TOLERANCE, block_basis

LEAST = 16
"""Tensor cores multiply tiles of at least 16 rows and columns."""
_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


class TritonDct(TruncatedDct):
    """The fused kernel. float16 and bfloat16 are summed in float32; float32 is multiplied without TF32.

    Args:
        seq_len: n.
        n_kept: m.
        block: L; a multiple of 16. It need not divide n.
        tolerance: the part of a unit cosine that a block may lose; that of the dtype when None.
        dtype: of the tables and the data: float32, float16 or bfloat16; torch's default when None.
        device: where the tables live. "meta" counts FLOPs and needs no GPU.

    Raises:
        UsageError: for invalid sizes, and for blocks that need more than 32 sequences, in half precision 64.
        UnavailableError: without Triton, and on another device than a GPU.
        UnsupportedError: for float64.
    """

    algorithm = "triton"
    compress: Tensor  # (block, p): [E | O | 0]
    weights: Tensor  # (n_kept, p): c_k cos b_k^T E, c_k sin b_k^T O, zeros
    phase: Tensor  # (2, n1, n_kept): the cosine of a coefficient's angle in the middle of a block, and minus its sine

    def __init__(
        self,
        seq_len: int,
        n_kept: int,
        *,
        block: int,
        tolerance: float | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        if block < LEAST or block % LEAST:
            raise UsageError(f"blocks of the transform triton have a multiple of {LEAST} rows, not {block}")
        self.block = block
        self.blocks = -(-((seq_len + 1) // 2) // block)
        self.tolerance = tolerance
        super().__init__(seq_len, n_kept, dtype=dtype, device=device)
        _require_dtype(self.like.dtype)
        require(self.like.device)

    def flops(self, columns: int) -> int:
        """2 p n1 (2 L + m) per column."""
        return 2 * self.compress.shape[1] * self.blocks * (2 * self.block + self.n_kept) * columns

    @property
    def plan(self) -> str:
        """`triton:length`."""
        return f"{self.algorithm}:{self.block}"

    def _tables(self) -> Mapping[str, Array]:
        n, m, length = self.seq_len, self.n_kept, self.block
        tolerance = self.tolerance or TOLERANCE.get(self.like.dtype, TOLERANCE[torch.float32])
        even, odd, of_even, of_odd = block_basis(n, m, length, tolerance)
        self.even = even.shape[1]
        rank = padded_rank(self.even + odd.shape[1])
        if rank > max_rank(self.like.dtype):
            raise UsageError(
                f"a block of {length} needs {self.even + odd.shape[1]} sequences; the transform triton holds "
                f"{max_rank(self.like.dtype)}",
                hint="shorter blocks, or transform='triton', which chooses them",
            )
        padding = ((0, 0), (0, rank - self.even - odd.shape[1]))
        middle = length * (2 * np.arange(self.blocks)[:, None] + 1)  # 2j + 1 = middle + u, as in `BlockGemmDct`
        cosines, sines = cos_sin(np.arange(m) * middle, 2 * n)
        return {
            "compress": np.pad(np.hstack([even, odd]), padding),
            "weights": np.pad(row_scale(n, m)[:, None] * np.hstack([of_even, of_odd]), padding),
            "phase": np.stack([cosines, -sines]),
        }

    def _dct(self, x: Tensor, ordered: bool) -> Tensor:
        return self._run(x, False)

    def _idct(self, z: Tensor, ordered: bool) -> Tensor:
        return self._run(z, True)

    def _run(self, x: Tensor, inverse: bool) -> Tensor:
        _require_dtype(x.dtype)
        if x.device.type != "cuda":  # there the constructor has asked, and asking takes longer than a launch
            require(x.device)
        from dctbench.transforms.triton_op import triton_dct  # registers an operator, which others do not need

        y: Tensor = triton_dct(x, self.compress, self.weights, self.phase, self.seq_len, self.even, inverse)
        return y


def _require_dtype(dtype: torch.dtype) -> None:
    if dtype not in _DTYPES:
        raise UnsupportedError(
            f"the transform triton does not compute in {str(dtype).removeprefix('torch.')}",
            hint="float32, float16 or bfloat16, or another transform, such as auto",
        )


def padded_rank(rank: int) -> int:
    """Return the columns of a table for `rank` sequences: a power of two, as Triton's tiles have, of at least 16."""
    return max(LEAST, 1 << (rank - 1).bit_length())


def max_rank(dtype: torch.dtype) -> int:
    """Return how many columns of a table a program can hold in registers, besides its sums."""
    return 64 if dtype.itemsize == 2 else 32


def require(device: torch.device) -> None:
    """Return if the kernel runs on a device, or on the meta device, where nothing runs.

    Raises:
        UnavailableError: if it does not, with the remedy.
    """
    if device.type == "meta":
        return
    if importlib.util.find_spec("triton") is None:
        raise UnavailableError(
            "the transform triton needs Triton, which is not installed",
            hint="pip install triton, or choose another transform, such as auto",
        )
    from dctbench.transforms.triton_kernels import INTERPRETED  # imports Triton, which others do not need

    if device.type != "cuda" and not INTERPRETED:
        raise UnavailableError(
            f"the transform triton needs a GPU; it cannot run on {device.type}",
            hint="choose another transform, such as auto; TRITON_INTERPRET=1 checks the kernel without a GPU, slowly",
        )
