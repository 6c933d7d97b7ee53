"""Ceilings that need no measurement."""

from __future__ import annotations

import os

import pytest

from dctbench.machine import physical, processor


@pytest.mark.parametrize(
    ("flags", "cores", "most"),
    [
        (["avx2"], 2, 2 * 2 * 8 * 2 * 6e9),  # cores, units, float32 numbers, multiply and add, clock
        (["avx2", "avx512f"], 8, 8 * 2 * 16 * 2 * 6e9),
        ([], 8, None),
        (["avx2"], None, None),
    ],
)
def test_a_processor_does_at_most_its_widest_multiply_add_in_every_core_at_6_ghz(
    monkeypatch: pytest.MonkeyPatch, flags: list[str], cores: int | None, most: float | None
) -> None:
    monkeypatch.setattr(processor, "cpu_flags", lambda: flags)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert physical.most_flops_per_second("cpu") == most


def test_a_gpu_does_at_most_what_its_data_sheet_says_with_a_margin() -> None:
    sheet = 1979e12  # of the H100 and H200, eight-bit numbers, without sparsity
    assert physical.most_flops_per_second("cuda", "NVIDIA H200") == pytest.approx(1.25 * sheet)
    assert physical.most_flops_per_second("cuda", "NVIDIA H100 80GB HBM3") == pytest.approx(1.25 * sheet)
    assert physical.most_flops_per_second("cuda", "NVIDIA A100-SXM4-80GB") == pytest.approx(1.25 * 624e12)
    assert physical.most_flops_per_second("cuda", "NVIDIA L40S") == pytest.approx(1.25 * 733e12)
    assert physical.most_flops_per_second("cuda", "GeForce of tomorrow") is None
    assert physical.most_flops_per_second("mps") is None
