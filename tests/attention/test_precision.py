"""What a method computes in float32 stays float32 where a model runs under autocast."""

from __future__ import annotations

import pytest
import torch

from dctbench.attention import build
from dctbench.attention.linear import normalised_product
from dctbench.attention.precision import own_precision


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_products_keep_the_dtype_of_their_factors(dtype: torch.dtype) -> None:
    x = torch.ones(2, 2)
    with torch.autocast("cpu", dtype):
        assert (x @ x).dtype == dtype
        with own_precision(x):
            assert (x @ x).dtype == torch.float32
        assert (x @ x).dtype == dtype
    with own_precision(x.to("meta")):  # a device without autocast
        assert (x @ x).dtype == torch.float32


def test_sums_over_a_long_sequence_do_not_overflow_under_autocast_in_float16() -> None:
    ones = torch.ones(1, 1, 1000, 4, dtype=torch.float16)
    with torch.autocast("cpu", torch.float16):
        mean = normalised_product(100 * ones, 10 * ones, 10 * ones)
    torch.testing.assert_close(mean, 10 * ones)


@pytest.mark.parametrize("name", ["nystromformer", "performer", "linear"])
def test_a_compiler_needs_no_break_for_it(name: str) -> None:
    layer = build(name, seq_len=16, dim=8, heads=2, ratio=4).eval()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x = torch.randn(1, 16, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(compiled(x), layer(x))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(compiled(x), layer(x), rtol=0.02, atol=0.02)
