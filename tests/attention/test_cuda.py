"""The methods on a CUDA device: accuracy against float64, and that the named kernel is the one that runs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from dctbench import catalog
from dctbench.attention import build
from dctbench.attention.sdpa import SDPAttention
from dctbench.errors import UnavailableError
from tests.support.definitions import CompressedSizes

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
SIZES: CompressedSizes = {"seq_len": 500, "dim": 128, "heads": 2, "ratio": 4}
OPERATORS = {
    "flash": "_scaled_dot_product_flash_attention",
    "efficient": "_scaled_dot_product_efficient_attention",
    "cudnn": "_scaled_dot_product_cudnn_attention",
    "math": "_scaled_dot_product_attention_math",
}


def inputs(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    x = torch.randn(2, 500, 128, generator=torch.Generator().manual_seed(0)).to(dtype)
    return x, torch.arange(500) < torch.tensor([[500], [311]])


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", catalog.IMPLEMENTATIONS)
def test_every_method_stays_near_float64(name: str, dtype: torch.dtype, masked: bool) -> None:
    x, mask = inputs(dtype)
    torch.manual_seed(0)
    try:
        layer = build(name, **SIZES, dtype=dtype, device="cuda").eval()
        with torch.no_grad():
            got = layer(x.cuda(), mask.cuda() if masked else None).cpu().double()
    except UnavailableError as reason:
        pytest.skip(str(reason))
    # The exact methods share one definition, and float64 has a kernel for it everywhere.
    exact = catalog.IMPLEMENTATIONS[name].kind is catalog.Kind.EXACT
    precise = build("full" if exact else name, **SIZES, dtype=torch.float64).eval()
    precise.load_state_dict({key: value.cpu().double() for key, value in layer.state_dict().items()})
    with torch.no_grad():
        expected = precise(x.double(), mask if masked else None)
    difference = (got - expected)[mask].norm() / expected[mask].norm()
    hashes = name == "reformer" and dtype != torch.float32  # a rounded token may be hashed to another bucket
    assert difference < (0.5 if hashes else {torch.float32: 1e-4, torch.bfloat16: 0.03, torch.float16: 0.01}[dtype])


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", ["sdpa", "sdpa-flash", "sdpa-efficient", "sdpa-cudnn", "sdpa-math"])
def test_the_kernel_it_names_is_the_kernel_the_profiler_sees(name: str, dtype: torch.dtype, masked: bool) -> None:
    x, mask = (tensor.cuda() for tensor in inputs(dtype))
    try:
        layer = build(name, **SIZES, dtype=dtype, device="cuda")
        assert isinstance(layer, SDPAttention)
        named = layer.kernel("cuda", dtype, batch=2, padded=masked)
    except UnavailableError as reason:
        pytest.skip(str(reason))
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU]) as seen:
        layer(x, mask if masked else None)
    ran = {event.key.removeprefix("aten::") for event in seen.key_averages()}
    assert {kernel for kernel, operator in OPERATORS.items() if operator in ran} == {named}
