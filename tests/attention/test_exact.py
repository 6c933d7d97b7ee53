"""The exact methods equal softmax attention, and a kernel requested by name is the kernel that runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile

from dctbench.attention import AttentionLayer, build
from dctbench.attention.sdpa import SDPAttention
from dctbench.attention.sdpa_kernels import FlashAttention, MathAttention
from dctbench.errors import UnavailableError, UnsupportedError
from tests.support import golden as goldens
from tests.support.definitions import Array, Mask, Shape, assert_real_rows_close, attended, drawn, shapes, softmax

ON_CPU = ("full", "sdpa", "sdpa-flash", "sdpa-math")
"""The exact methods that run on this machine."""


def scaled_softmax(q: Array, k: Array, v: Array, real: Mask) -> Array:
    scores = q @ k.T / np.sqrt(q.shape[1])
    return softmax(np.where(real[None, :], scores, -np.inf)) @ v


@pytest.mark.parametrize("name", ON_CPU)
@pytest.mark.parametrize("golden", goldens.load("full"), ids=lambda golden: golden.name)
def test_equals_the_golden_data(name: str, golden: goldens.Golden) -> None:
    meta = golden.meta
    layer = build(name, seq_len=meta["seq"], dim=meta["dim"], heads=meta["heads"])
    golden.load_projections(layer)
    with torch.no_grad():
        y = layer(golden.x, golden.mask)
    assert (y - golden.y).abs().max() <= 5e-6


@pytest.mark.parametrize("name", ON_CPU)
@given(shape=shapes())
@drawn
def test_equals_its_definition(name: str, shape: Shape) -> None:
    layer = build(name, **shape.sizes, dtype=torch.float64)
    y = layer(shape.x(), shape.mask())
    assert_real_rows_close(y, attended(layer, shape.x(), shape.mask(), scaled_softmax), shape.mask())


@pytest.mark.parametrize("name", ON_CPU)
def test_a_sequence_of_padding_attends_to_nothing(name: str) -> None:
    layer = build(name, seq_len=6, dim=8, heads=2)
    assert isinstance(layer, AttentionLayer)
    q = torch.randn(2, 2, 6, 4)
    mask = torch.tensor([[True] * 6, [False] * 6])
    assert torch.equal(layer.attend(q, q, q, mask)[1], torch.zeros(2, 6, 4))


def kernels_seen(call: Callable[[], object]) -> set[str]:
    """Return the attention kernels that the profiler recorded, by torch's operator names."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        call()
    names = {event.key.removeprefix("aten::") for event in seen.key_averages()}
    return {
        kernel
        for kernel, operator in {
            "flash": "_scaled_dot_product_flash_attention_for_cpu",
            "math": "_scaled_dot_product_attention_math",
        }.items()
        if operator in names
    }


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", ["sdpa", "sdpa-flash", "sdpa-math"])
def test_the_kernel_it_names_is_the_kernel_the_profiler_sees(name: str, dtype: torch.dtype, padded: bool) -> None:
    layer = build(name, seq_len=16, dim=16, heads=2, dtype=dtype)
    x = torch.randn(2, 16, 16, dtype=dtype)
    mask = torch.arange(16).expand(2, 16) < 11 if padded else None
    assert isinstance(layer, SDPAttention)
    named = layer.kernel("cpu", dtype, batch=2, padded=padded, backward=True)
    assert kernels_seen(lambda: layer(x, mask)) == {named}


def test_torchs_choice_follows_its_settings_and_so_does_the_kernel() -> None:
    layer = SDPAttention(seq_len=16, dim=16, heads=2)
    with sdpa_kernel(SDPBackend.MATH):
        assert layer.kernel("cpu", torch.float32) == "math"
        assert kernels_seen(lambda: layer(torch.randn(1, 16, 16))) == {"math"}
    assert layer.kernel("cpu", torch.float32) == "flash"


@pytest.mark.parametrize("name", ["sdpa-efficient", "sdpa-cudnn"])
def test_a_kernel_that_does_not_run_here_says_so_when_built(name: str) -> None:
    kernel = name.removeprefix("sdpa-")
    with pytest.raises(UnavailableError, match=f"^unavailable: torch has no {kernel} kernel on cpu for bfloat16: "):
        build(name, seq_len=16, dim=16, heads=2, dtype=torch.bfloat16, device="cpu")


@pytest.mark.parametrize("name", ["sdpa-efficient", "sdpa-cudnn"])
def test_a_kernel_that_does_not_run_here_says_so_when_called(name: str) -> None:
    layer = build(name, seq_len=16, dim=16, heads=2, device="meta").to_empty(device="cpu")
    with pytest.raises(UnavailableError, match="with a padding mask"):
        layer(torch.randn(1, 16, 16), torch.ones(1, 16, dtype=torch.bool))


def test_torch_is_asked_for_its_kernel_once_per_kind_of_call(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = MathAttention(seq_len=16, dim=16, heads=2)
    asked: list[torch.Size] = []
    choice = SDPAttention.choice

    def counted(self: SDPAttention, q: Tensor, *rest: Any) -> Any:
        asked.append(q.shape)
        return choice(self, q, *rest)

    monkeypatch.setattr(SDPAttention, "choice", counted)
    mask = torch.arange(16).expand(2, 16) < 11
    with torch.inference_mode():
        for _ in range(3):
            layer(torch.randn(2, 16, 16))
            layer(torch.randn(2, 16, 16), mask)
            layer(torch.randn(1, 16, 16))
    kinds = [(2, 2, 16, 8), (2, 2, 16, 8), (1, 2, 16, 8)]
    assert [tuple(shape) for shape in asked] == [kind for kind in kinds for _ in ("its kernel", "that without it")]


def test_a_call_is_restricted_only_where_torch_would_choose_another_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The restriction takes microseconds of Python, which the same kernel under the name `sdpa` does not have."""
    entered: list[SDPBackend] = []

    def counted(backend: SDPBackend) -> Any:
        entered.append(backend)
        return sdpa_kernel(backend)

    layers = [layer_class(seq_len=16, dim=16, heads=2) for layer_class in (FlashAttention, MathAttention)]
    x = torch.randn(2, 16, 16)
    with torch.inference_mode():
        outputs = [layer(x) for layer in layers]
        monkeypatch.setattr("dctbench.attention.sdpa_kernels.sdpa_kernel", counted)
        for layer, output in zip(layers, outputs, strict=True):
            assert torch.equal(layer(x), output)
    assert entered == [SDPBackend.MATH]


def test_a_forced_kernel_leaves_torchs_settings_as_they_were() -> None:
    MathAttention(seq_len=4, dim=4, heads=1)(torch.randn(1, 4, 4))
    assert SDPAttention(seq_len=4, dim=4, heads=1).kernel("cpu", torch.float32) == "flash"


@pytest.mark.parametrize("name", ["sdpa-flash", "sdpa-math"])
def test_a_compiler_never_sees_the_call_of_a_forced_kernel(name: str) -> None:
    called: list[str] = []

    def recording(graph: torch.fx.GraphModule, _: object) -> object:
        called.extend(str(node.target) for node in graph.graph.nodes)
        return graph.forward

    torch.compiler.reset()
    layer = build(name, seq_len=16, dim=16, heads=2)
    x = torch.randn(1, 16, 16)
    with torch.no_grad():  # with gradients the compiler itself warns at the break of the graph
        torch.testing.assert_close(torch.compile(layer, backend=recording)(x), layer(x))
    assert any("linear" in target for target in called)
    assert not any("scaled_dot_product" in target for target in called)


def test_a_device_without_a_choice_of_kernels_runs_the_composite_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is on Metal, whose torch has no function that tells the choice."""

    def absent(*_: object, **__: object) -> int:
        raise NotImplementedError("Could not run 'aten::_fused_sdp_choice' with arguments from the 'MPS' backend")

    monkeypatch.setattr(torch, "_fused_sdp_choice", absent)
    assert SDPAttention(seq_len=4, dim=4, heads=1).kernel("cpu", torch.float32) == "math"
    with pytest.raises(UnavailableError, match="torch would run its math kernel"):
        FlashAttention(seq_len=4, dim=4, heads=1)


def test_no_kernel_is_named_where_none_runs() -> None:
    for layer_class in (SDPAttention, FlashAttention):
        with pytest.raises(UnsupportedError, match="meta"):
            layer_class(seq_len=4, dim=4, heads=1, device="meta").kernel("meta", torch.float32)
