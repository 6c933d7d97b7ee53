"""What is timed and counted: the same plan on meta as on the device."""

from __future__ import annotations

import pytest
import torch

from dctbench.measure import stated_flops
from dctbench.metrics.flops import count
from dctbench.model import Case
from dctbench.subject import make_module, meta_call
from dctbench.transforms import default_cost_model, make_dct, plan_dct


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("seq_len", [1024, 4096])
def test_what_is_counted_for_a_gpu_is_planned_with_a_gpus_rates(seq_len: int, dtype: str) -> None:
    case = Case("dct-x", seq_len, 4, device="cuda:0", dtype=dtype)
    numbers = getattr(torch, dtype)
    there, here = (
        plan_dct(seq_len, seq_len // 4, case.dim, dtype=numbers, device_type=kind) for kind in ("cuda", "cpu")
    )
    assert there != here
    assert make_module(case, "meta").plan == str(there)
    transform = make_dct(
        seq_len, seq_len // 4, case.dim, cost_model=default_cost_model("cuda", numbers), dtype=numbers, device="meta"
    )
    m, d = seq_len // 4, case.dim
    expected = 2 * transform.flops(d) + 8 * m * d**2 + 4 * m**2 * d
    assert stated_flops(case) == expected
    assert count(meta_call(case)).flops == pytest.approx(expected, rel=0.02)
