"""Choose the algorithm that transforms a shape: the cheapest by a small cost model.

The model consists of five rates of a machine and the arithmetic of each algorithm. Nothing is timed here, so the choice
is deterministic: with equal rates the same code has the same FLOPs and bytes on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from dctbench.errors import UsageError
from dctbench.transforms.basis import BasisDct
from dctbench.transforms.block import BlockGemmDct, BlockSlotsDct
from dctbench.transforms.dct import TruncatedDct
from dctbench.transforms.rfft import RfftDct, real_fft_flops
from dctbench.transforms.slepian import TOLERANCE, expected_rank, padded_ranks
from dctbench.transforms.triton_dct import TritonDct, max_rank, padded_rank

MAX_TABLE_BYTES = 64 * 2**20
"""Plans with larger tables are used only when requested by name, and where there is no other plan."""

_LONGEST_IN_CACHE = 8192
"""The longest columns, 128 beside each other, whose FFT stays in the cache of a core (about 1 MiB)."""

_LARGEST_RADIX = 128
"""Larger prime factors are not transformed directly."""

_BLUESTEIN = 5
"""By how much that is slower, as measured at the prime 4,093."""

_BLOCKS = (16, 32, 64, 128, 256, 512)
"""The block lengths to consider when the block need not divide the sequence."""
_TRITON_BLOCKS = (16, 32, 48, *range(64, 513, 32))
"""Those of the fused kernel, which pads its rank to a power of two: the longest block of a rank is the best."""


@dataclass(frozen=True, slots=True)
class CostModel:
    """The rates of a machine that the time of a plan depends on.

    The defaults are for float32 on a CPU: the geometric means over the CPUs in benchmarks/planner_rates.json.

    Attributes:
        call: the least seconds that any operation takes.
        gemm: FLOP/s of a large matrix product.
        small_gemm: FLOP/s of a batch of small matrix products.
        fft: FLOP/s of real FFTs, counted as 2.5 n log2 n each; 0 where there is none, and no plan uses one.
        bandwidth: B/s, read and written.
        alignment: the tables of block transforms have a multiple of so many columns for each parity.
    """

    call: float = 4.7e-6
    gemm: float = 140e9
    small_gemm: float = 100e9
    fft: float = 17e9
    bandwidth: float = 33e9
    alignment: float = 1


@dataclass(frozen=True, slots=True)
class TransformPlan:
    """An algorithm; for "block" and "triton" the block length; for "block" the second stage, "slots" or "gemm"."""

    algorithm: str
    block: int | None = None
    across: str | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.algorithm, self.block, self.across) if part is not None)


def plan_dct(
    seq_len: int,
    n_kept: int,
    columns: int,
    *,
    batch: int = 1,
    transform: str = "auto",
    dtype: torch.dtype = torch.float32,
    device_type: str = "cpu",
    cost_model: CostModel | None = None,
) -> TransformPlan:
    """Return the cheapest plan for one forward and one inverse transform of `batch` sequences of `columns` columns.

    Args:
        seq_len: n.
        n_kept: m.
        columns: the number of columns of one sequence (model width).
        batch: the number of sequences that one call transforms.
        transform: "auto", or the beginning of the plan: "basis", "rfft", "block", "block:128", "block:128:slots",
            "triton", "triton:128". Only "auto" respects `MAX_TABLE_BYTES`; if no plan does, it takes the one with the
            smallest tables. It never chooses "triton", whose speed is not known.
        dtype: of the data.
        device_type: "cpu", "cuda", ...; "meta" is planned like "cpu".
        cost_model: the machine's rates; the defaults for this device and dtype when None.

    Raises:
        UsageError: for a transform that does not exist at this shape.
    """
    model = cost_model or default_cost_model(device_type, dtype)
    wanted = [] if transform == "auto" else transform.split(":")
    plans = rated_plans(seq_len, n_kept, columns, model, batch=batch, wanted=wanted, dtype=dtype)
    if not plans:
        raise UsageError(
            f"there is no transform {transform!r} for a sequence of {seq_len}",
            hint="auto, basis, rfft, block, block:L with a length L, block:L:gemm, block:L:slots where L divides, "
            "triton, or triton:L where 16 divides L",
        )
    return plans[0][1]


def rated_plans(
    seq_len: int,
    n_kept: int,
    columns: int,
    cost_model: CostModel,
    *,
    batch: int = 1,
    wanted: Sequence[str] = (),
    dtype: torch.dtype = torch.float32,
) -> list[tuple[float, TransformPlan]]:
    """Return the expected seconds of one transform by each plan whose name begins with `wanted`, the cheapest first.

    Without `wanted`, plans with tables beyond `MAX_TABLE_BYTES` are left out; if there are no others, the one with the
    smallest tables remains. Other arguments are those of `plan_dct`.
    """
    tolerance = TOLERANCE.get(dtype, TOLERANCE[torch.float32])
    shape = _Shape(seq_len, n_kept, columns, batch, dtype.itemsize, tolerance, int(cost_model.alignment))
    plans = [plan for plan in _candidates(seq_len, wanted) if cost_model.fft or plan.algorithm != "rfft"]
    if not wanted:
        plans = [plan for plan in plans if plan.algorithm != "triton"]
        smallest = min(plans, key=lambda plan: (shape.table_bytes(plan), str(plan)))
        plans = [plan for plan in plans if shape.table_bytes(plan) <= MAX_TABLE_BYTES] or [smallest]
    elif wanted == ["triton"]:
        plans = [plan for plan in plans if shape.fused_rank(plan.block or 0) <= max_rank(dtype)]
    return sorted(
        ((shape.seconds(plan, cost_model), plan) for plan in plans), key=lambda rated: (rated[0], str(rated[1]))
    )


def make_dct(
    seq_len: int,
    n_kept: int,
    columns: int,
    *,
    batch: int = 1,
    transform: str = "auto",
    cost_model: CostModel | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> TruncatedDct:
    """Build the transform that `plan_dct` chooses. Its `plan` is the choice.

    Raises:
        UsageError: for invalid sizes and a `transform` that does not exist at this shape.
        UnavailableError, UnsupportedError: for "triton" where its kernel does not run.
    """
    dtype = dtype or torch.get_default_dtype()
    device_type = torch.device(device or "cpu").type
    plan = plan_dct(
        seq_len,
        n_kept,
        columns,
        batch=batch,
        transform=transform,
        dtype=dtype,
        device_type=device_type,
        cost_model=cost_model,
    )
    if plan.algorithm == "basis":
        return BasisDct(seq_len, n_kept, dtype=dtype, device=device)
    if plan.algorithm == "rfft":
        return RfftDct(seq_len, n_kept, dtype=dtype, device=device)
    assert plan.block is not None
    if plan.algorithm == "triton":
        return TritonDct(seq_len, n_kept, block=plan.block, dtype=dtype, device=device)
    blocks = BlockSlotsDct if plan.across == "slots" else BlockGemmDct
    alignment = int((cost_model or default_cost_model(device_type, dtype)).alignment)
    return blocks(seq_len, n_kept, block=plan.block, alignment=alignment, dtype=dtype, device=device)


def default_cost_model(device_type: str, dtype: torch.dtype) -> CostModel:
    """Return the shipped rates: for CPUs the means over those measured, for GPUs from data sheets."""
    if device_type == "cuda":
        if dtype.itemsize == 2:
            return CostModel(call=6e-6, gemm=4e14, small_gemm=1e14, fft=2e12, bandwidth=2e12, alignment=8)
        return CostModel(call=6e-6, gemm=3e13, small_gemm=1.5e13, fft=2e12, bandwidth=2e12)
    return _CPU_COST_MODELS.get(dtype, CostModel())


_CPU_COST_MODELS = {
    torch.float64: CostModel(call=6.4e-6, gemm=66e9, small_gemm=42e9, fft=8.7e9, bandwidth=23e9),
    torch.bfloat16: CostModel(call=7.4e-6, gemm=360e9, small_gemm=230e9, fft=16e9, bandwidth=33e9),
    torch.float16: CostModel(call=7e-6, gemm=2.4e9, small_gemm=4.9e9, fft=16e9, bandwidth=31e9),
}
"""From the same file. Most CPUs multiply float16 slowly; FFTs of half precision run in float32."""


def _candidates(seq_len: int, wanted: Sequence[str]) -> Iterator[TransformPlan]:
    """Yield every plan whose name begins with the parts `wanted`; these may name a block of any length."""
    named = [int(word) for word in wanted[1:2] if word.isdecimal()]
    divisors = named or range(8, min(512, seq_len // 2) + 1)
    lengths = named or [block for block in _BLOCKS if block <= seq_len] or [seq_len]
    plans = [
        TransformPlan("basis"),
        TransformPlan("rfft"),
        *(
            TransformPlan("block", block, "slots")
            for block in divisors
            if 0 < block <= seq_len and seq_len % block == 0
        ),
        *(TransformPlan("block", block, "gemm") for block in lengths if 0 < block <= seq_len),
        *(TransformPlan("triton", block) for block in named or _TRITON_BLOCKS if block and block % 16 == 0),
    ]
    return (plan for plan in plans if str(plan).split(":")[: len(wanted)] == list(wanted))


def _fft_flops(length: int) -> int:
    """FLOPs of a real FFT; a length with a large prime factor is transformed by several longer FFTs (Bluestein)."""
    rest = length
    for factor in range(2, _LARGEST_RADIX + 1):
        while rest % factor == 0:
            rest //= factor
    return real_fft_flops(length) * (_BLUESTEIN if rest > 1 else 1)


@dataclass(frozen=True, slots=True)
class _Shape:
    """The arithmetic of each plan at one shape."""

    n: int
    m: int
    columns: int
    batch: int
    itemsize: int
    tolerance: float
    alignment: int = 1

    def rank(self, block: int) -> int:
        rank = expected_rank(block, self.n / self.m, self.tolerance)
        return sum(padded_ranks(-(-rank // 2), rank // 2, block, self.alignment))

    def fused_rank(self, block: int) -> int:
        """That of the fused kernel. One more than expected may be needed."""
        return padded_rank(min(expected_rank(block, self.n / self.m, self.tolerance) + 1, block))

    def folded_blocks(self, block: int) -> int:
        """The blocks of half of the sequence."""
        return -(-((self.n + 1) // 2) // block)

    def table_bytes(self, plan: TransformPlan) -> int:
        """The approximate bytes of the tables, from expected ranks."""
        if plan.block is None:
            numbers = self.n * self.m if plan.algorithm == "basis" else self.n + 2
        elif plan.algorithm == "triton":
            numbers = 2 * self.folded_blocks(plan.block) * self.m + (self.m + plan.block) * self.fused_rank(plan.block)
        elif plan.across == "gemm":
            numbers = -(-self.n // plan.block) * self.rank(plan.block) * self.m
        else:
            n1 = self.n // plan.block
            numbers = 2 * n1**2 + n1 * -(-self.m // n1) * self.rank(plan.block)
        return numbers * self.itemsize

    def seconds(self, plan: TransformPlan, model: CostModel) -> float:
        """The expected seconds of one transform."""
        n, m, columns = self.n, self.m, self.columns * self.batch
        numbers = (n + m) * columns  # read and written, tables and intermediates included
        if plan.algorithm == "basis":
            numbers += n * m
            busy = model.call + 2 * n * m * columns / model.gemm
        elif plan.algorithm == "rfft":
            # Each pass reads and writes complex numbers or strided columns, at about half of the rate of a copy, and
            # columns that do not fit into the cache are read again in every pass of an FFT. Fitted to measured times
            # (benchmarks/planner_choices.json).
            missed = max(0.0, math.log2(n / _LONGEST_IN_CACHE))
            numbers = (16 * (n + m) + round(24 * n * missed)) * columns
            busy = 12 * model.call * max(1, self.columns // 128) + _fft_flops(n) * columns / model.fft
        elif plan.algorithm == "triton":
            assert plan.block is not None
            products = 2 * self.fused_rank(plan.block) * self.folded_blocks(plan.block) * (2 * plan.block + m) * columns
            busy = model.call + products / model.gemm
        else:
            assert plan.block is not None
            p = self.rank(plan.block)
            if plan.across == "gemm":
                n1 = -(-n // plan.block)
                numbers += 2 * n1 * p * columns + m * n1 * p
                tail = 4 if n % plan.block else 0
                busy = (2 + tail) * model.call + 2 * n1 * p * m * columns / model.gemm
                busy += 2 * n * p * columns / model.small_gemm
            else:
                n1 = n // plan.block
                width = -(-m // n1)
                gather = 0 if m % n1 == 0 else 2
                numbers += (4 * n1 * p + gather * m) * columns
                if self.batch > 1:  # the weights of the slots are repeated for each sequence
                    numbers += 2 * self.batch * n1 * width * p
                busy = (5 + gather) * model.call
                busy += 2 * p * (n + n1**2 + n1 * width) * columns / model.small_gemm
        return busy + numbers * self.itemsize / model.bandwidth
