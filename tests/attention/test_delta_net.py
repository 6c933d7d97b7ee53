"""DeltaNet and Gated DeltaNet against their recurrences (Yang et al. 2024 and 2025), token by token."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dctbench.attention import build, delta_rule
from dctbench.attention.delta_net import BidirectionalDeltaNet, DeltaNet
from dctbench.attention.delta_rule import inverse_of_unit_lower
from dctbench.attention.gated_delta_net import BidirectionalGatedDeltaNet, GatedDeltaNet
from dctbench.errors import UsageError
from tests.support.definitions import Array, Mask, Shape, array, assert_real_rows_close, drawn, projected, shapes

CLASSES = [DeltaNet, BidirectionalDeltaNet, GatedDeltaNet, BidirectionalGatedDeltaNet]


def silu(x: Array) -> Array:
    out: Array = x / (1 + np.exp(-x))
    return out


def unit_silu(x: Array) -> Array:
    out: Array = silu(x) / np.maximum(np.linalg.norm(silu(x), axis=-1, keepdims=True), 1e-12)
    return out


def recurrence(layer: DeltaNet, parts: tuple[Array, ...], real: Mask) -> Array:
    """Run the recurrence of one sequence token by token; `parts` are q, k, v, beta and the decay a_t, (n, ..) each."""
    q, k, v, beta, decay = (part * real[:, None] for part in parts)
    decay = np.where(real[:, None], decay, 1.0)
    for filters, part in zip(layer.convolutions, (q, k, v), strict=False):
        assert isinstance(filters, nn.Conv1d)
        taps = array(filters.weight)[:, 0]  # (dim, taps), the last one for the token itself
        extended = np.vstack([np.zeros((taps.shape[1] - 1, part.shape[1])), part])
        part[:] = [(extended[t : t + taps.shape[1]] * taps.T).sum(0) for t in range(len(part))]
    width, out = layer.head_dim, np.zeros_like(v)
    for h in range(layer.heads):
        columns = slice(h * width, (h + 1) * width)
        memory = np.zeros((width, width))
        for t in range(len(v)):
            key, value = unit_silu(k[t, columns]), silu(v[t, columns])
            memory = decay[t, h] * (memory - beta[t, h] * np.outer(memory @ key, key))
            memory += beta[t, h] * np.outer(value, key)
            out[t, columns] = memory @ unit_silu(q[t, columns])
    return out


def defined(layer: DeltaNet, rows: Array, real: Mask) -> Array:
    """Return the output of the layer for rows (batch, seq_len, dim), from the papers' formulas."""
    parts = [projected(layer, name, rows) for name in ("q_proj", "k_proj", "v_proj", "beta_proj")]
    parts[3] = 1 / (1 + np.exp(-parts[3]))
    gate = np.ones_like(rows)
    if isinstance(layer, GatedDeltaNet):
        steps = np.log1p(np.exp(projected(layer, "decay_proj", rows) + array(layer.decay_bias)))
        parts.append(np.exp(-np.exp(array(layer.log_rate)) * steps))
        gate = silu(projected(layer, "gate_proj", rows))
    else:
        parts.append(np.ones_like(parts[3]))
    read = np.zeros_like(rows)
    for b in range(len(rows)):
        one = tuple(part[b] for part in parts)
        read[b] = recurrence(layer, one, real[b])
        if layer.both_directions:
            read[b] += recurrence(layer, tuple(part[::-1] for part in one), real[b][::-1])[::-1]
    heads = read.reshape(*read.shape[:2], layer.heads, layer.head_dim)
    normed = heads / np.sqrt((heads**2).mean(-1, keepdims=True) + 1e-5) * array(layer.norm.weight)
    return projected(layer, "out_proj", normed.reshape(rows.shape) * gate)


@pytest.mark.parametrize("layer_class", CLASSES)
@given(shape=shapes(longest=150), convolution=st.none() | st.integers(1, 4))
@settings(parent=drawn, max_examples=12)
def test_equals_its_recurrence(layer_class: type[DeltaNet], shape: Shape, convolution: int | None) -> None:
    layer = layer_class(**shape.sizes, convolution=convolution, dtype=torch.float64)
    x, mask = shape.x(), shape.mask()
    real = np.ones(x.shape[:2], dtype=bool) if mask is None else mask.numpy()
    assert_real_rows_close(layer(x, mask), defined(layer, array(x), real), mask, atol=1e-9)


@pytest.mark.parametrize("layer_class", CLASSES)
def test_a_token_sees_later_tokens_exactly_in_the_form_from_both_ends(layer_class: type[DeltaNet]) -> None:
    layer = layer_class(seq_len=100, dim=8, heads=2, convolution=4)
    x = torch.randn(1, 100, 8)
    changed = torch.cat([x[:, :70], torch.randn(1, 30, 8)], dim=1)
    same = torch.allclose(layer(x)[:, :70], layer(changed)[:, :70], atol=1e-6)
    assert same != layer.both_directions


@pytest.mark.parametrize("layer_class", CLASSES)
def test_convolutions_and_directions_are_in_the_flops(layer_class: type[DeltaNet]) -> None:
    layer = layer_class(seq_len=256, dim=32, heads=4, convolution=4, device="meta")
    with FlopCounterMode(display=False) as counter:
        layer(torch.empty(2, 256, 32, device="meta"))
    assert layer.flops(2) == pytest.approx(counter.get_total_flops(), rel=0.03)


@pytest.mark.parametrize("gated", [False, True])
def test_kernels_of_flash_linear_attention_get_its_layout(gated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # The kernels need a GPU. A module in their place shows that they are found, called and read as documented.
    def chunk(**given: Any) -> tuple[Tensor, None]:
        assert given.pop("scale") == 1.0
        q, k, v, beta = (given[name].float().transpose(1, 2) for name in ("q", "k", "v", "beta"))
        decay = given["g"].float().transpose(1, 2) if gated else None
        assert given["q"].shape == (2, 100, 3, 16)
        assert given["beta"].shape == (2, 100, 3)
        assert all(part.is_contiguous() for part in given.values())
        return delta_rule.in_chunks(q, k, v, beta, decay).transpose(1, 2), None

    name = "gated_delta_rule" if gated else "delta_rule"
    monkeypatch.setitem(sys.modules, f"fla.ops.{name}", SimpleNamespace(**{f"chunk_{name}": chunk}))
    find = delta_rule.fla_kernel.__wrapped__
    assert find("cuda", torch.bfloat16, gated=gated) is chunk
    assert find("cuda", torch.float32, gated=gated) is None
    assert find("cpu", torch.bfloat16, gated=gated) is None

    q, v = torch.randn(2, 2, 3, 100, 16)
    k = torch.nn.functional.normalize(torch.randn(2, 3, 100, 16), dim=-1)
    beta, decay = torch.rand(2, 3, 100), -torch.rand(2, 3, 100) if gated else None
    expected = delta_rule.delta_rule(q, k, v, beta, decay)
    monkeypatch.setattr(delta_rule, "fla_kernel", lambda *_, gated: find("cuda", torch.bfloat16, gated=gated))
    torch.testing.assert_close(delta_rule.delta_rule(q, k, v, beta, decay), expected)
    layer = (GatedDeltaNet if gated else DeltaNet)(seq_len=8, dim=4, heads=2)
    assert layer.kernel("cuda", torch.bfloat16) == "fla"


def test_without_the_package_there_is_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fla.ops.delta_rule", None)
    assert delta_rule.fla_kernel.__wrapped__("cuda", torch.bfloat16, gated=False) is None
    assert DeltaNet(seq_len=8, dim=4, heads=2).kernel("cpu", torch.bfloat16) == "chunks"


def test_a_convolution_without_taps_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1 tap"):
        build("delta-net", seq_len=8, dim=4, heads=1, convolution=0)


@given(steps=st.integers(0, 6), seed=st.integers(0, 100))
@settings(parent=drawn)
def test_the_inverse_in_blocks_is_the_inverse(steps: int, seed: int) -> None:
    size = 2**steps
    strict = np.tril(np.random.default_rng(seed).uniform(-1, 1, (2, 3, size, size)) / np.sqrt(size), -1)
    inverse = array(inverse_of_unit_lower(torch.from_numpy(strict)))
    np.testing.assert_allclose(
        inverse @ (np.eye(size) + strict), np.broadcast_to(np.eye(size), strict.shape), atol=1e-9
    )


def test_equal_keys_do_not_blow_up_in_float32() -> None:
    k = torch.ones(1, 1, 64, 4) / 2
    v = torch.randn(1, 1, 64, 4)
    beta = torch.full((1, 1, 64), 0.999)
    read = delta_rule.in_chunks(k, k, v, beta)
    torch.testing.assert_close(read, v, rtol=0.02, atol=0.02)  # each token overwrites the previous one


@pytest.mark.parametrize("seq_len", [128, 100])
def test_products_in_chunks_read_their_operands_as_they_lie(seq_len: int) -> None:
    """Split heads lie side by side in memory, so that each product of chunks would copy them."""
    heads = torch.arange(2.0 * seq_len * 6).view(2, seq_len, 3, 2).transpose(1, 2)
    chunks = delta_rule._chunks(heads)
    assert chunks.is_contiguous()
    assert chunks.shape == (2, 3, 2, 64, 2)
    assert torch.equal(chunks.flatten(2, 3)[:, :, :seq_len], heads)
    assert not chunks.flatten(2, 3)[:, :, seq_len:].any()
