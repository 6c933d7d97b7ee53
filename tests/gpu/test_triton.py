"""The fused transform on a CUDA device, against the definition in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dctbench.transforms import BasisDct, make_dct

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
ALLOWED = {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}


def off(got: Tensor, exact: Tensor) -> float:
    return float((got.cpu().double() - exact).norm() / exact.norm())


@pytest.mark.parametrize("dtype", ALLOWED, ids=str)
@pytest.mark.parametrize(("seq_len", "n_kept"), [(1024, 128), (4093, 512), (8192, 1024)])
def test_it_equals_the_definition(seq_len: int, n_kept: int, dtype: torch.dtype) -> None:
    made = make_dct(seq_len, n_kept, 72, transform="triton", dtype=dtype, device="cuda")
    exact = BasisDct(seq_len, n_kept, dtype=torch.float64)
    random = torch.Generator().manual_seed(0)
    x, z = (torch.randn(3, rows, 72, generator=random).to(dtype) for rows in (seq_len, n_kept))
    assert off(made(x.cuda()), exact(x.double())) <= ALLOWED[dtype]
    assert off(made.inverse(z.cuda()), exact.inverse(z.double())) <= ALLOWED[dtype]


def test_it_is_compiled_and_differentiated() -> None:
    made = make_dct(500, 60, 16, transform="triton", device="cuda")
    exact = BasisDct(500, 60, device="cuda")
    x = torch.randn(2, 500, 16, device="cuda", requires_grad=True)
    torch.compile(lambda x: made(x).sin().sum())(x).backward()
    copied = x.detach().clone().requires_grad_()
    exact(copied).sin().sum().backward()
    torch.testing.assert_close(x.grad, copied.grad, atol=1e-4, rtol=1e-3)
