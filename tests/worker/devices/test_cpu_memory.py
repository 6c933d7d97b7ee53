"""Peak tensor memory on workloads whose need is known by arithmetic, and the growth of the process."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from dctbench.attention import build
from dctbench.errors import UnsupportedError
from dctbench.worker.devices import cpu
from dctbench.worker.devices.cpu_memory import peak_tensor_bytes

MIB = 1 << 20


@pytest.mark.parametrize("mib", [1, 8, 256])
def test_a_block_allocated_and_freed_inside_the_call_is_read_exactly(mib: int) -> None:
    def call() -> None:
        torch.empty(mib * MIB, dtype=torch.uint8)

    assert peak_tensor_bytes(call) == mib * MIB


def test_the_peak_is_of_what_lives_at_once_and_the_result_counts() -> None:
    def call() -> torch.Tensor:
        first = torch.empty(2 * MIB, dtype=torch.uint8)
        del first
        second = torch.empty(MIB, dtype=torch.uint8)
        third = torch.empty(4 * MIB, dtype=torch.uint8)
        del third
        return second

    assert peak_tensor_bytes(call) == 5 * MIB


def test_inputs_and_what_was_live_before_do_not_count() -> None:
    before = torch.ones(8 * MIB, dtype=torch.uint8)
    assert peak_tensor_bytes(lambda: before.view(-1)) == 0


def test_scratch_inside_the_attention_kernel_is_seen() -> None:
    q = torch.randn(1, 8, 1024, 64)
    output = q.numel() * 4
    peak = peak_tensor_bytes(lambda: nn.functional.scaled_dot_product_attention(q, q, q))
    assert output < peak < output + 8 * MIB


def test_a_method_that_keeps_a_cache_shows_it_once() -> None:
    kept: list[torch.Tensor] = []

    def call() -> None:
        if not kept:
            kept.append(torch.empty(3 * MIB, dtype=torch.uint8))

    assert peak_tensor_bytes(call) == 3 * MIB
    assert peak_tensor_bytes(call) == 0


def test_full_attention_holds_its_matrices_by_arithmetic() -> None:
    n, heads = 512, 4
    layer = build("full", seq_len=n, dim=64, heads=heads)
    with torch.inference_mode():
        peak = peak_tensor_bytes(lambda: layer(torch.randn(1, n, 64)))
    matrix = heads * n * n * 4
    assert 2 * matrix <= peak <= 3 * matrix


@pytest.mark.skipif(sys.platform != "linux", reason="the high-water mark can be reset on Linux only")
def test_the_growth_of_the_process_is_near_what_a_call_touches() -> None:
    grown = cpu.process_bytes("cpu", lambda: torch.ones(256 * MIB, dtype=torch.uint8))
    assert 250 * MIB < grown < 280 * MIB
    again = cpu.process_bytes("cpu", lambda: torch.ones(256 * MIB, dtype=torch.uint8))
    assert again == pytest.approx(grown, rel=0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="the high-water mark can be reset on Linux only")
def test_a_growth_too_small_to_resolve_is_refused_instead_of_zero() -> None:
    with pytest.raises(UnsupportedError, match="less than 8 MiB"):
        cpu.process_bytes("cpu", lambda: torch.ones(MIB, dtype=torch.uint8))
