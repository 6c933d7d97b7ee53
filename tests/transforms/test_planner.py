"""The planner: deterministic choices, bounded tables, and choices that can be read and requested by name."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dctbench.errors import UsageError
from dctbench.machine.calibration import LATER_PLANNER_RATES, PLANNER_RATES
from dctbench.transforms import BlockGemmDct, BlockSlotsDct, CostModel, default_cost_model, make_dct, plan_dct
from dctbench.transforms.planner import MAX_TABLE_BYTES, _candidates, _Shape
from dctbench.transforms.slepian import TOLERANCE, block_basis, expected_rank, padded_ranks

MIB = 2**20


@given(seq_len=st.integers(1, 70_000), ratio=st.floats(1, 64), columns=st.sampled_from([1, 64, 512]))
@settings(max_examples=100, deadline=None)
def test_the_choice_is_the_same_every_time_and_its_name_forces_it(seq_len: int, ratio: float, columns: int) -> None:
    n_kept = max(1, int(seq_len / ratio))
    plan = plan_dct(seq_len, n_kept, columns)
    assert plan_dct(seq_len, n_kept, columns) == plan
    assert plan_dct(seq_len, n_kept, columns, transform=str(plan)) == plan


@pytest.mark.parametrize(
    ("seq_len", "n_kept", "algorithm"),
    [(64, 16, "basis"), (1024, 128, "block"), (8192, 1024, "block"), (4093, 512, "block"), (4093, 2047, "rfft")],
)
def test_each_algorithm_is_chosen_where_it_was_the_fastest(seq_len: int, n_kept: int, algorithm: str) -> None:
    transform = make_dct(seq_len, n_kept, 512)
    assert transform.algorithm == algorithm
    assert transform.plan == str(plan_dct(seq_len, n_kept, 512))


def test_a_calibration_has_the_rates_of_the_planner_and_an_earlier_one_lacks_only_what_has_a_default() -> None:
    assert {field.name for field in fields(CostModel)} == PLANNER_RATES
    assert CostModel(**dict.fromkeys(PLANNER_RATES - LATER_PLANNER_RATES, 2.0)) == CostModel(2.0, 2.0, 2.0, 2.0, 2.0)


def test_other_rates_change_the_choice() -> None:
    assert plan_dct(8192, 1024, 512, cost_model=CostModel(fft=1e15, bandwidth=1e12)).algorithm == "rfft"
    assert plan_dct(8192, 1024, 512, cost_model=CostModel(gemm=1e18, bandwidth=1e13)).algorithm == "basis"


def test_the_number_of_sequences_counts_as_columns_do() -> None:
    slow_calls = CostModel(call=1e-3)  # with few columns the plan with the fewest calls is best
    assert str(plan_dct(1024, 128, 64, cost_model=slow_calls)) == "basis"
    assert plan_dct(1024, 128, 64, batch=4096, cost_model=slow_calls).algorithm == "block"
    assert make_dct(1024, 128, 64, batch=4096, cost_model=slow_calls).algorithm == "block"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("device_type", ["cpu", "cuda", "meta"])
def test_every_dtype_and_device_has_a_plan(dtype: torch.dtype, device_type: str) -> None:
    assert str(plan_dct(4096, 512, 512, dtype=dtype, device_type=device_type))


def test_a_meta_layer_plans_as_the_cpu_does() -> None:
    assert plan_dct(4096, 512, 512, device_type="meta") == plan_dct(4096, 512, 512)


@pytest.mark.parametrize(
    ("seq_len", "n_kept", "most"),
    [
        (8192, 1024, MIB // 2),
        (8192, 256, MIB // 4),
        (32_768, 4096, 2 * MIB),
        (65_536, 8192, 4 * MIB),
        (65_521, 8190, MAX_TABLE_BYTES),  # a prime
        (16_384, 16_384, MAX_TABLE_BYTES),
        (1, 1, 1024),
    ],
)
def test_tables_are_small(seq_len: int, n_kept: int, most: int) -> None:
    transform = make_dct(seq_len, n_kept, 512)
    assert transform.table_bytes <= most
    assert transform.table_bytes == sum(table.nbytes for table in transform.buffers())


def test_a_basis_beyond_the_bound_is_made_only_when_forced() -> None:
    free = CostModel(gemm=1e18, bandwidth=1e15)  # a machine on which the basis would always win
    assert plan_dct(4096, 4096, 512, cost_model=free).algorithm == "basis"  # 64 MiB
    assert plan_dct(8192, 8192, 512, cost_model=free).algorithm != "basis"  # 256 MiB
    assert str(plan_dct(8192, 8192, 512, transform="basis")) == "basis"
    assert make_dct(4096, 1024, 512, transform="basis").table_bytes == 4096 * 1024 * 4


def test_where_every_table_is_beyond_the_bound_the_smallest_is_made() -> None:
    no_fft = CostModel(fft=0.0)
    chosen = plan_dct(20_011, 5003, 512, cost_model=no_fft)  # a prime: no block divides it
    tables = {plan: make_dct(20_011, 5003, 512, transform=plan, device="meta").table_bytes
              for plan in ("basis", *(f"block:{block}:gemm" for block in (16, 32, 64, 128, 256, 512)))}  # fmt: skip
    assert min(tables.values()) > MAX_TABLE_BYTES
    assert tables[str(chosen)] == min(tables.values())


@pytest.mark.parametrize("wrong", ["fft", "block:100:slots", "block:2000", "block:0", "block:64:basis", "Basis", ""])
def test_a_transform_that_does_not_exist_is_a_usage_error(wrong: str) -> None:
    with pytest.raises(UsageError, match="no transform"):
        plan_dct(1024, 128, 512, transform=wrong)


@pytest.mark.parametrize("seq_len", [1, 2, 7, 97, 1024])
@pytest.mark.parametrize("transform", ["basis", "rfft", "block"])
def test_every_algorithm_can_be_forced_at_any_length(seq_len: int, transform: str) -> None:
    made = make_dct(seq_len, max(1, seq_len // 3), 8, transform=transform)
    assert made.algorithm == transform
    assert made(torch.ones(1, seq_len, 1))[0, 0, 0].item() == pytest.approx(seq_len**0.5, rel=1e-5)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-12])
@pytest.mark.parametrize("ratio", [1, 2, 8, 32])
@pytest.mark.parametrize("length", [8, 64, 256])
def test_planned_ranks_are_near_the_built_ones(length: int, ratio: int, tolerance: float) -> None:
    even, odd, *_ = block_basis(16 * length, max(1, 16 * length // ratio), length, tolerance)
    rank = even.shape[1] + odd.shape[1]
    assert rank - 1 <= expected_rank(length, ratio, tolerance) <= rank + 8


FREE = {"call": 0.0, "gemm": math.inf, "small_gemm": math.inf, "fft": math.inf, "bandwidth": math.inf}
DIVIDED, RAGGED = (960, 120), (1000, 117)
COLUMNS = 256
PLANS = [
    (DIVIDED, "basis"), (DIVIDED, "rfft"), (DIVIDED, "block:32:gemm"), (RAGGED, "block:32:gemm"),
    (DIVIDED, "block:32:slots"), (DIVIDED, "block:96:slots"), (RAGGED, "block:40:slots"),
]  # fmt: skip


def cost(sizes: tuple[int, int], name: str, **rates: float) -> float:
    """The seconds that the planner expects on a machine on which everything else is free."""
    [plan] = _candidates(sizes[0], name.split(":"))
    shape = _Shape(*sizes, COLUMNS, 1, 4, TOLERANCE[torch.float32])
    return shape.seconds(plan, CostModel(**{**FREE, **rates}))


@pytest.mark.parametrize(("sizes", "name"), PLANS)
def test_the_products_and_ffts_of_a_plan_cost_what_its_transform_counts(sizes: tuple[int, int], name: str) -> None:
    """Ranks are expected ones, which are a little larger than those that are built."""
    made = make_dct(*sizes, COLUMNS, transform=name)
    products = cost(sizes, name, gemm=1.0) + cost(sizes, name, small_gemm=1.0)
    ffts = cost(sizes, name, fft=1.0)
    assert (products > 0) is (name != "rfft")
    assert (ffts > 0) is (name == "rfft")
    assert 0.9 * made.flops(COLUMNS) <= products + ffts <= 1.6 * made.flops(COLUMNS)


@pytest.mark.parametrize(("sizes", "name"), PLANS)
def test_each_rate_is_paid_for_what_it_measures(sizes: tuple[int, int], name: str) -> None:
    (n, m), kind = sizes, name.partition(":")[0]
    length = int(name.split(":")[1]) if kind == "block" else 1
    p = expected_rank(length, n / m, TOLERANCE[torch.float32]) if kind == "block" else 0
    blocks, whole = math.ceil(n / length), n % length == 0
    slots, full = math.ceil(m / blocks), m % blocks == 0
    expected = {
        "basis": {"gemm": 2 * n * m, "small_gemm": 0, "calls": 1, "moved": n + m, "tables": n * m},
        "rfft": {"gemm": 0, "small_gemm": 0, "calls": 24, "moved": 16 * (n + m), "tables": 0},
        "gemm": {"gemm": 2 * blocks * p * m, "small_gemm": 2 * n * p, "calls": 2 if whole else 6,
                 "moved": n + m + 2 * blocks * p, "tables": blocks * p * m},
        "slots": {"gemm": 0, "small_gemm": 2 * p * (n + blocks**2 + blocks * slots), "calls": 5 if full else 7,
                  "moved": n + m + 4 * blocks * p + (0 if full else 2 * m), "tables": 0},
    }[name.rpartition(":")[2]]  # fmt: skip
    assert cost(sizes, name, gemm=1.0) == expected["gemm"] * COLUMNS
    assert cost(sizes, name, small_gemm=1.0) == expected["small_gemm"] * COLUMNS
    assert cost(sizes, name, call=1.0) == expected["calls"]
    assert cost(sizes, name, bandwidth=1.0) == 4 * (expected["moved"] * COLUMNS + expected["tables"])
    assert cost(sizes, name, call=1.0, gemm=1.0, small_gemm=1.0, fft=1.0, bandwidth=1.0) == pytest.approx(
        sum(cost(sizes, name, **{rate: 1.0}) for rate in FREE)
    )


def test_an_fft_costs_more_for_a_prime_length_and_memory_for_columns_beyond_the_cache() -> None:
    """4,093 is prime; 4,096 and 4,100 = 2^2 5^2 41 are not. Columns of 32,768 are two doublings beyond the cache."""

    def fft(length: int) -> float:
        return cost((length, length // 2), "rfft", fft=1.0)

    def moved(length: int) -> float:
        return cost((length, length // 2), "rfft", bandwidth=1.0) / (length * COLUMNS * 4)

    assert fft(4093) > 4.9 * fft(4096)
    assert fft(4100) < 1.1 * fft(4096)
    assert moved(4096) == moved(8192) == 24
    assert moved(32_768) == 24 + 2 * 24


@pytest.mark.parametrize("transform", ["block:128:slots", "block:128:gemm"])
def test_tables_of_half_precision_on_cuda_have_eight_columns_of_each_parity_or_a_multiple(transform: str) -> None:
    model = default_cost_model("cuda", torch.bfloat16)
    made = make_dct(4096, 512, 64, transform=transform, cost_model=model, dtype=torch.bfloat16)
    plain = make_dct(4096, 512, 64, transform=transform, dtype=torch.bfloat16)
    assert isinstance(made, BlockSlotsDct | BlockGemmDct)
    assert isinstance(plain, BlockSlotsDct | BlockGemmDct)
    assert made.compress.shape[1] % 8 == 0
    assert plain.compress.shape[1] < made.compress.shape[1] < plain.compress.shape[1] + 16
    x = torch.randn(2, 4096, 64, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert torch.allclose(made(x).float(), plain(x).float(), atol=0.05)
    assert made.flops(64) > plain.flops(64)


def test_a_table_is_never_padded_beyond_its_block() -> None:
    assert padded_ranks(12, 11, 128, 8) == (16, 16)
    assert padded_ranks(12, 11, 32, 8) == (16, 16)
    assert padded_ranks(12, 11, 31, 8) == (12, 11)
    assert padded_ranks(12, 11, 128, 1) == (12, 11)


def test_the_plan_counts_the_padding() -> None:
    """The same rates with and without alignment: a padded block costs more, so its time is longer."""
    sizes = (8192, 1024, 64, 1, 2, TOLERANCE[torch.bfloat16])
    plain, padded = _Shape(*sizes), _Shape(*sizes, 8)
    assert padded.rank(128) == 32 > plain.rank(128)
