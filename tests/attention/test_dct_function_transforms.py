"""The transforms of `torch.func` work on the DCT layers: gradients by sample, forward mode, and second derivatives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, hessian, jvp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from dctbench.attention import build
from dctbench.transforms import make_dct

pytestmark = pytest.mark.usefixtures("composite_attention")
LAYERS = ["dct-x", "dct-qkv", "dct-ideal", "dct-resample", "dct-kv"]


@pytest.fixture
def composite_attention() -> Iterator[None]:
    """torch's flash kernel has no forward mode, and no rule for mapping its gradient."""
    with sdpa_kernel(SDPBackend.MATH):
        yield


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_by_sample_are_those_of_single_calls(name: str) -> None:
    layer = build(name, seq_len=24, dim=8, heads=2, ratio=3, dtype=torch.float64)
    parameters = {key: value.detach() for key, value in layer.named_parameters()}
    x = torch.randn(3, 24, 8, dtype=torch.float64)

    def loss(parameters: dict[str, Tensor], sample: Tensor) -> Tensor:
        out: Tensor = functional_call(layer, parameters, (sample[None],))
        return out.square().sum()

    by_sample = vmap(grad(loss), in_dims=(None, 0))(parameters, x)
    for number, sample in enumerate(x):
        layer.zero_grad()
        layer(sample[None]).square().sum().backward()
        for key, value in layer.named_parameters():
            torch.testing.assert_close(by_sample[key][number], value.grad)


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_a_mapped_layer_is_the_layer_of_a_batch(name: str, gradients: bool) -> None:
    layer = build(name, seq_len=24, dim=8, heads=2, ratio=3, dtype=torch.float64)
    x = torch.randn(3, 24, 8, dtype=torch.float64)
    with torch.set_grad_enabled(gradients):
        torch.testing.assert_close(vmap(lambda sample: layer(sample[None])[0])(x), layer(x))


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch's own, in its forward mode
def test_forward_mode_and_second_derivatives_go_through_a_layer() -> None:
    layer = build("dct-x", seq_len=12, dim=4, heads=1, ratio=3, dtype=torch.float64)
    x, direction = torch.randn(2, 1, 12, 4, dtype=torch.float64)
    slope = jvp(layer, (x,), (direction,))[1]
    step = 1e-6 * direction
    torch.testing.assert_close(slope, (layer(x + step) - layer(x - step)) / 2e-6, atol=1e-7, rtol=1e-6)
    curvature = hessian(lambda row: layer(torch.cat([row, x[:, 1:]], dim=1)).square().sum())(x[:, :1])
    matrix = curvature.reshape(4, 4)
    torch.testing.assert_close(matrix, matrix.T)
    assert matrix.any()


@pytest.mark.parametrize("transform", ["basis", "rfft", "block:8:slots", "block:8:gemm"])
def test_a_transform_mapped_over_its_last_dimension_is_the_transform(transform: str) -> None:
    dct = make_dct(24, 8, 4, transform=transform, dtype=torch.float64)
    x = torch.randn(2, 24, 4, 3, dtype=torch.float64)
    expected = torch.stack([dct(x[..., i]) for i in range(3)], dim=-1)
    torch.testing.assert_close(vmap(dct, in_dims=-1, out_dims=-1)(x), expected)
