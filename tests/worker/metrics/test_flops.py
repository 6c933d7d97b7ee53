"""Counts against textbook formulas; a count of zero is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from dctbench.worker.metrics.flops import UncountableError, count


def meta(*shape: int) -> torch.Tensor:
    return torch.empty(*shape, device="meta")


def test_a_product_counts_two_per_multiply_add() -> None:
    assert count(lambda: meta(3, 5) @ meta(5, 7)).flops == 2 * 3 * 5 * 7


def test_fused_attention_is_not_free() -> None:
    q = meta(2, 8, 128, 64)
    assert count(lambda: scaled_dot_product_attention(q, q, q)).flops == 2 * (2 * 8 * 128 * 128 * 64) * 2


@pytest.mark.parametrize(
    ("call", "flops"),
    [
        (lambda: torch.fft.rfft(meta(16, 1024), dim=-1), 16 * 2.5 * 1024 * 10),
        (lambda: torch.fft.irfft(torch.empty(16, 513, dtype=torch.complex64, device="meta"), n=1024, dim=-1),
         16 * 2.5 * 1024 * 10),
        (lambda: torch.fft.fft(torch.empty(16, 1024, dtype=torch.complex64, device="meta"), dim=-1),
         16 * 5 * 1024 * 10),
        (lambda: torch.fft.rfft2(meta(3, 64, 32)), 3 * 2.5 * 64 * 32 * math.log2(64 * 32)),
    ],
    ids=["rfft", "irfft", "fft", "rfft2"],
)  # fmt: skip
def test_transforms_are_counted_by_the_stated_formula(call: object, flops: float) -> None:
    assert count(call).flops == pytest.approx(flops, rel=0.05)  # type: ignore[arg-type]


def test_nothing_counted_and_nothing_runnable_both_raise() -> None:
    with pytest.raises(UncountableError, match="would be zero"):
        count(lambda: meta(4) + 1)
    with pytest.raises(UncountableError, match="does not run on the meta device"):
        count(lambda: meta(4).sum().item())


def test_operations_without_a_formula_are_named_and_views_are_not() -> None:
    found = count(lambda: torch.softmax((meta(4, 8) @ meta(8, 4)).t().view(4, 4) + 1, dim=-1).contiguous())
    assert {"add", "_softmax"} <= set(found.uncounted)
    assert not {"mm", "t", "view", "transpose"} & set(found.uncounted)
    assert count(lambda: torch.fft.rfft(meta(4, 8))).uncounted == ()
