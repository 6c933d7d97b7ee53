"""The DCT family against its definitions from the paper, in NumPy and float64, at random shapes."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dctbench import catalog
from dctbench.attention import build
from dctbench.attention.dct_layer import DctAttention
from dctbench.errors import UsageError
from dctbench.transforms import CostModel
from dctbench.worker.metrics.memory import predicted_tensor_bytes

Array = NDArray[np.float64]
FAMILY = ["dct-x", "dct-qkv", "dct-ideal", "dct-resample", "dct-kv"]
every = pytest.mark.parametrize("name", FAMILY)


# The definitions: one sequence x (n, d), its mask (n,) of 0 and 1, W (name -> weight (d, d), bias (d,)), m, h


def dct(x: Array, m: int) -> Array:
    kept: Array = scipy.fft.dct(x, type=2, norm="ortho", axis=0)[:m]
    return kept


def inverse(z: Array, n: int) -> Array:
    padded = np.concatenate([z, np.zeros((n - len(z), z.shape[1]))])
    restored: Array = scipy.fft.idct(padded, type=2, norm="ortho", axis=0)
    return restored


def down(x: Array, m: int) -> Array:
    return math.sqrt(m / len(x)) * inverse(dct(x, m), m)


def up(z: Array, n: int) -> Array:
    return math.sqrt(n / len(z)) * inverse(dct(z, len(z)), n)


def weights_of(q: Array, k: Array) -> Array:
    scores = q @ k.T / np.sqrt(q.shape[1])
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights: Array = e / e.sum(axis=1, keepdims=True)
    return weights


def by_head(h: int, function: Any, *inputs: Array) -> Array:
    return np.concatenate([function(*part) for part in zip(*(np.split(x, h, axis=1) for x in inputs), strict=True)], 1)


def softmax_attention(h: int, q: Array, k: Array, v: Array) -> Array:
    return by_head(h, lambda q, k, v: weights_of(q, k) @ v, q, k, v)


def projected(x: Array, w: Any, name: str) -> Array:
    weight, bias = w[name]
    out: Array = x @ weight.T + bias
    return out


def dct_x(x: Array, mask: Array, w: Any, m: int, h: int) -> Array:
    z = dct(x * mask, m)
    y = softmax_attention(h, *(projected(z, w, p) for p in ("q_proj", "k_proj", "v_proj")))
    return projected(inverse(y, len(x)), w, "out_proj")


def dct_qkv(x: Array, mask: Array, w: Any, m: int, h: int) -> Array:
    q, k, v = projected(x, w, "q_proj"), projected(x, w, "k_proj") * mask, projected(x, w, "v_proj") * mask
    y = softmax_attention(h, dct(q, m), dct(k, m), dct(v, m))
    return projected(inverse(y, len(x)), w, "out_proj")


def dct_ideal(x: Array, mask: Array, w: Any, m: int, h: int) -> Array:
    q, k, v = projected(x, w, "q_proj"), projected(x, w, "k_proj") * mask, projected(x, w, "v_proj") * mask

    def head(q: Array, k: Array, v: Array) -> Array:
        compressed = dct(dct(weights_of(q, k), m).T, m).T  # D_m A D_m^T
        return inverse(compressed @ dct(v, m), len(q))

    return projected(by_head(h, head, q, k, v), w, "out_proj")


def dct_resample(x: Array, mask: Array, w: Any, m: int, h: int) -> Array:
    z = down(x * mask, m)
    y = softmax_attention(h, *(projected(z, w, p) for p in ("q_proj", "k_proj", "v_proj")))
    return projected(up(y, len(x)), w, "out_proj")


def dct_kv(x: Array, mask: Array, w: Any, m: int, h: int) -> Array:
    z = down(x * mask, m)
    y = softmax_attention(h, projected(x, w, "q_proj"), projected(z, w, "k_proj"), projected(z, w, "v_proj"))
    return projected(y, w, "out_proj")


DEFINITIONS = {
    "dct-x": dct_x,
    "dct-qkv": dct_qkv,
    "dct-ideal": dct_ideal,
    "dct-resample": dct_resample,
    "dct-kv": dct_kv,
}


def defined(layer: DctAttention[Any], x: Tensor, mask: Tensor | None) -> Tensor:
    """Compute the definition for each sequence, with the weights of the layer."""
    state = {key: value.detach().double().numpy() for key, value in layer.state_dict().items()}
    w = {p: (state[f"{p}.weight"], state[f"{p}.bias"]) for p in ("q_proj", "k_proj", "v_proj", "out_proj")}
    define = DEFINITIONS[layer.method]
    ones = torch.ones(x.shape[:2]) if mask is None else mask
    rows = zip(x.detach().double().numpy(), ones.double().numpy()[..., None], strict=True)
    return torch.from_numpy(np.stack([define(row, real, w, layer.n_kept, layer.heads) for row, real in rows]))


# Inputs


def made(name: str, seq_len: int, dim: int = 12, heads: int = 3, **options: Any) -> DctAttention[Any]:
    chosen: dict[str, Any] = {"ratio": 4, "dtype": torch.float64, **options}
    torch.manual_seed(0)
    layer = build(name, seq_len=seq_len, dim=dim, heads=heads, **chosen)
    assert isinstance(layer, DctAttention)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.4)  # biases large enough to matter
    return layer.eval()


def rows(batch: int, seq_len: int, dim: int = 12, seed: int = 0) -> Tensor:
    return torch.randn(batch, seq_len, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some_mask(batch: int, seq_len: int, seed: int = 0) -> Tensor:
    """Return a mask with random holes; first tokens are real, and the last sequence has only that one."""
    mask = torch.rand(batch, seq_len, generator=torch.Generator().manual_seed(seed)) < 0.7
    mask[:, 0] = True
    mask[-1, 1:] = False
    return mask


# Against the definitions


@given(
    name=st.sampled_from(FAMILY),
    seq_len=st.integers(1, 150),
    ratio=st.floats(1, 40),
    batch=st.integers(1, 3),
    heads=st.sampled_from([1, 3]),
    transform=st.sampled_from(["auto", "basis", "block", "rfft"]),
    with_mask=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_any_shape_equals_the_definition(
    name: str, seq_len: int, ratio: float, batch: int, heads: int, transform: str, with_mask: bool
) -> None:
    layer = made(name, seq_len, heads=heads, ratio=ratio, transform=transform)
    x, mask = rows(batch, seq_len), some_mask(batch, seq_len) if with_mask else None
    torch.testing.assert_close(layer(x, mask), defined(layer, x, mask), rtol=1e-9, atol=1e-9)


@every
@pytest.mark.parametrize(("seq_len", "ratio"), [(1024, 8), (997, 8), (600, 4.5)])
def test_float32_equals_the_definition_where_blocks_are_used(name: str, seq_len: int, ratio: float) -> None:
    layer = made(name, seq_len, dim=64, heads=4, ratio=ratio, dtype=torch.float32, transform="block")
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x = rows(2, seq_len, 64).float()
    mask = some_mask(2, seq_len)
    for key_padding_mask in (None, mask):
        with torch.no_grad():
            y = layer(x, key_padding_mask)
        assert (y - defined(layer, x, key_padding_mask)).abs().max() <= 2e-5


@pytest.mark.parametrize("name", ["dct-resample", "dct-kv", "dct-ideal"])
def test_at_ratio_one_it_is_softmax_attention(name: str) -> None:
    layer, full = made(name, 50, ratio=1), build("full", seq_len=50, dim=12, heads=3, dtype=torch.float64)
    full.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(rows(2, 50)), full(rows(2, 50)))


@pytest.mark.parametrize("name", ["dct-x", "dct-qkv"])
def test_attention_among_frequencies_does_not_approximate_softmax_attention(name: str) -> None:
    assert catalog.IMPLEMENTATIONS[name].error_means is catalog.ErrorMeans.OTHER
    layer, full = made(name, 50, ratio=1), build("full", seq_len=50, dim=12, heads=3, dtype=torch.float64)
    full.load_state_dict(layer.state_dict())
    exact = full(rows(2, 50))
    assert (layer(rows(2, 50)) - exact).norm() / exact.norm() > 0.3


@pytest.mark.parametrize("name", FAMILY[1:])
@pytest.mark.parametrize("true_lengths", [False, True])
def test_the_heads_alone_agree_with_the_layer(name: str, true_lengths: bool) -> None:
    layer = made(name, 50, true_lengths=true_lengths)
    x, mask = rows(2, 50), torch.ones(2, 50, dtype=torch.bool)
    q, k, v = (layer.split_heads(p(x)) for p in (layer.q_proj, layer.k_proj, layer.v_proj))
    for key_padding_mask in (None, mask):
        attended = layer.attend(q, k, v, key_padding_mask)
        torch.testing.assert_close(layer.out_proj(layer.join_heads(attended)), layer(x, key_padding_mask))


# True lengths


@every
@pytest.mark.parametrize("transform", ["auto", "basis", "block", "rfft"])
def test_true_lengths_give_each_row_its_result_alone(name: str, transform: str) -> None:
    layer = made(name, 60, true_lengths=True, transform=transform)
    x, mask = rows(4, 60), torch.zeros(4, 60, dtype=torch.bool)
    mask[0, :37] = mask[1, 23:] = mask[2] = (
        True  # two rows of 37 tokens, padded on different sides; one full; one empty
    )
    y = layer(x, mask)
    for row in range(3):
        tokens = x[row, mask[row]][None]
        alone = made(name, tokens.shape[1], transform=transform)
        torch.testing.assert_close(y[row, mask[row]], alone(tokens)[0])
    assert not y[~mask].any()
    assert not layer.padding_leak
    assert not layer.padded_content_leak


@every
def test_true_lengths_pass_gradients_to_real_tokens_only(name: str) -> None:
    layer = made(name, 20, true_lengths=True)
    x, mask = rows(2, 20).requires_grad_(), some_mask(2, 20)
    layer(x, mask).square().sum().backward()
    assert x.grad is not None
    assert x.grad[mask].any()
    assert not x.grad[~mask].any()


@every
def test_few_transforms_of_other_lengths_are_kept_and_none_in_the_state(name: str) -> None:
    layer = made(name, 64, true_lengths=True)
    keys = set(layer.state_dict())
    for length in range(1, 30):
        layer(rows(1, 64), torch.arange(64)[None] < length)
    assert len(layer.other_lengths) <= 8
    assert set(layer.state_dict()) == keys


@every
@pytest.mark.parametrize("transform", ["basis", "block", "rfft"])
def test_a_transform_built_in_inference_mode_works_in_training(name: str, transform: str) -> None:
    layer = made(name, 40, true_lengths=True, transform=transform)
    x, mask = rows(2, 40), some_mask(2, 40)
    with torch.inference_mode():
        expected = layer(x, mask)
    y = layer(x.requires_grad_(), mask)
    y.sum().backward()
    torch.testing.assert_close(y.detach(), expected.clone())


# The layer as a module


@every
def test_gradients_do_not_depend_on_the_algorithm(name: str) -> None:
    gradients = []
    for transform in ("basis", "block", "rfft"):
        layer = made(name, 90, transform=transform)
        x = rows(2, 90).requires_grad_()
        (layer(x) * rows(2, 90, seed=1)).sum().backward()
        gradients.append([x.grad, *(parameter.grad for parameter in layer.parameters())])
    for other in gradients[1:]:
        for one, two in zip(gradients[0], other, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-8, atol=1e-8)


@every
def test_with_and_without_gradients_the_output_is_the_same(name: str) -> None:
    layer, x = made(name, 256, dtype=torch.float32, transform="block"), rows(2, 256).float()
    with torch.no_grad():
        expected = layer(x)
    torch.testing.assert_close(layer(x.requires_grad_()), expected, rtol=1e-5, atol=1e-5)


@every
def test_the_plan_can_be_read_forced_and_chosen_by_other_rates(name: str) -> None:
    parts = made(name, 256, transform="block:32").plan.split(" + ")
    assert parts[0].startswith("block:32:")
    assert made(name, 256, transform="basis").plan.split(" + ")[0] == "basis"
    assert made(name, 256, cost_model=CostModel(call=0.0, fft=1e18, bandwidth=1e18)).plan.split(" + ")[0] == "rfft"
    with pytest.raises(UsageError, match="no transform"):
        made(name, 256, transform="fastest")


@every
def test_converted_layers_compute_in_their_new_precision(name: str) -> None:
    single = made(name, 128, dtype=torch.float32)
    double = copy.deepcopy(single).double()
    x = rows(2, 128)
    torch.testing.assert_close(double(x), defined(double, x, None), rtol=1e-9, atol=1e-9)
    half = copy.deepcopy(single).bfloat16()
    error = (half(x.bfloat16()).double() - double(x)).norm() / double(x).norm()
    assert error < 0.1


@pytest.mark.parametrize("transform", ["basis", "block:32:slots", "block:48:gemm", "rfft"])
def test_it_compiles_forward_and_backward(transform: str) -> None:
    layer = made("dct-x", 128, dtype=torch.float32, transform=transform)
    x = rows(2, 128).float().requires_grad_()
    expected = layer(x)
    expected.sum().backward()
    wanted, x.grad = x.grad, None
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    y = compiled(x)
    y.sum().backward()
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(x.grad, wanted, rtol=1e-4, atol=1e-5)


@every
@pytest.mark.parametrize("transform", ["basis", "block:32:slots", "block:48:gemm", "rfft"])
def test_it_runs_under_autocast_forward_and_backward(name: str, transform: str) -> None:
    layer, x = made(name, 96, dtype=torch.float32, transform=transform), rows(2, 96).float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    y.float().sum().backward()
    assert (y - layer(x)).norm() / layer(x).norm() < 0.1
    assert x.grad is not None
    assert x.grad.isfinite().all()


@every
def test_it_runs_under_autocast_at_true_lengths_too(name: str) -> None:
    layer, x = made(name, 40, dtype=torch.float32, true_lengths=True), rows(2, 40).float().requires_grad_()
    mask = torch.ones(2, 40, dtype=torch.bool)
    mask[0, 25:] = False
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x, mask)
        assert y.dtype == layer(x).dtype
    y.float().sum().backward()
    assert (y - layer(x, mask)).norm() / layer(x, mask).norm() < 0.1
    assert not y[~mask].any()
    assert x.grad is not None
    assert x.grad.isfinite().all()


# Cost


def count_flops(layer: DctAttention[Any], x: Tensor, mask: Tensor | None) -> int:
    """Count FLOPs by torch's counter on meta, with 2.5 n log2 n for each real FFT."""

    def real_fft(shape: torch.Size, dims: list[int], *_: Any, out_shape: torch.Size, **__: Any) -> int:
        longer = max(shape, out_shape, key=lambda s: s[dims[0]])
        return round(2.5 * math.prod(longer) * math.log2(max(2, longer[dims[0]])))

    mapping = {torch.ops.aten._fft_r2c: real_fft, torch.ops.aten._fft_c2r: real_fft}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        layer(x, mask)
    total: int = counter.get_total_flops()
    return total


@every
@pytest.mark.parametrize("transform", ["basis", "block", "block:64:gemm", "rfft"])
@pytest.mark.parametrize(("seq_len", "ratio"), [(1024, 8), (1000, 3), (997, 16)])
def test_the_formula_is_what_the_counter_counts(name: str, transform: str, seq_len: int, ratio: float) -> None:
    sizes: dict[str, Any] = {"dim": 64, "heads": 4, "ratio": ratio, "dtype": torch.float32, "transform": transform}
    with torch.device("meta"):
        layer = build(name, seq_len=seq_len, device="meta", **sizes)
    assert isinstance(layer, DctAttention)
    x = torch.empty(2, seq_len, 64, device="meta")
    # The only difference is that the FLOPs of an FFT are rounded to whole numbers.
    assert count_flops(layer, x, None) == pytest.approx(layer.flops(2), rel=1e-4)


def test_a_mask_costs_dct_qkv_one_transform_more_and_one_of_a_single_column() -> None:
    layer = build("dct-qkv", seq_len=512, dim=32, heads=4, ratio=8, device="meta")
    assert isinstance(layer, DctAttention)
    x, mask = torch.empty(2, 512, 32, device="meta"), torch.ones(2, 512, dtype=torch.bool, device="meta")
    more = layer.transform.flops(2 * 32) + layer.transform.flops(2)
    assert count_flops(layer, x, mask) == pytest.approx(layer.flops(2) + more, rel=1e-4)


def test_memory_at_length_16384_is_a_third_of_exact_attention() -> None:
    sizes: dict[str, Any] = {"seq_len": 16_384, "dim": 64, "heads": 8}

    def peak(name: str, **options: Any) -> int:
        def call() -> Callable[[], object]:
            layer, x = build(name, **sizes, **options), torch.empty(1, 16_384, 64)
            return lambda: layer(x)

        return predicted_tensor_bytes(call)

    layer = build("dct-x", **sizes, ratio=16)
    assert isinstance(layer, DctAttention)
    assert peak("dct-x", ratio=16) + layer.transform.table_bytes <= 0.35 * peak("sdpa")
