"""Sliding-window attention against Beltagy et al. 2020, section 3: softmax with a mask over the neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import scaled_dot_product_attention

from dctbench.attention import build, window
from dctbench.attention.window import WindowAttention
from dctbench.errors import UnavailableError, UsageError
from tests.support.definitions import Array, Head, Mask, Shape, assert_real_rows_close, attended, drawn, shapes, softmax


def neighbours(half_width: int) -> Head:
    def head(q: Array, k: Array, v: Array, real: Mask) -> Array:
        position = np.arange(len(q))
        near = np.abs(position[:, None] - position[None, :]) <= half_width
        scores = q @ k.T / np.sqrt(q.shape[1])
        return softmax(np.where(near & real[None, :], scores, -np.inf)) @ v

    return head


@given(shape=shapes(), half_width=st.integers(0, 45))
@drawn
def test_equals_its_definition(shape: Shape, half_width: int) -> None:
    layer = WindowAttention(**shape.sizes, half_width=half_width, dtype=torch.float64)
    expected = attended(layer, shape.x(), shape.mask(), neighbours(half_width))
    assert_real_rows_close(layer(shape.x(), shape.mask()), expected, shape.mask())


def test_a_window_as_wide_as_the_sequence_is_full_attention() -> None:
    layer = build("window", seq_len=50, dim=8, heads=2, half_width=49)
    full = build("full", seq_len=50, dim=8, heads=2)
    full.load_state_dict(layer.state_dict())
    x = torch.randn(2, 50, 8)
    torch.testing.assert_close(layer(x), full(x))
    assert layer.flops(2) == full.flops(2), "no token is attended to twice"  # type: ignore[operator]


def test_a_layer_of_shapes_alone_does_not_settle_which_form_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    # A case that may not fit is built of fake tensors first, on which a probe of FlexAttention fails.
    monkeypatch.setattr(window, "compiled_flex", lambda: lambda q, k, v, block_mask: v)
    window.flex_failure.cache_clear()
    try:
        with FakeTensorMode():
            build("window", seq_len=300, dim=8, heads=2, half_width=20, form="flex")
        assert build("window", seq_len=300, dim=8, heads=2, half_width=20, form="flex").form == "flex"
    finally:
        window.flex_failure.cache_clear()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")  # torch's own, in its compiler
def test_flex_attention_gives_the_same() -> None:
    chunked, flex = (WindowAttention(seq_len=300, dim=32, heads=2, half_width=20, form=f) for f in ("chunked", "flex"))
    flex.load_state_dict(chunked.state_dict())
    x = torch.randn(2, 300, 32)
    mask = torch.arange(300)[None] < torch.tensor([300, 120])[:, None]
    with torch.no_grad():
        torch.testing.assert_close(flex(x), chunked(x), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(flex(x, mask), chunked(x, mask))


def test_where_flex_attention_does_not_run_it_is_chunked_or_the_request_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> None:
        raise RuntimeError("no compiler\nmore")

    monkeypatch.setattr(window, "compiled_flex", broken)
    window.flex_failure.cache_clear()
    try:
        with pytest.raises(UnavailableError, match=r"FlexAttention does not run here: RuntimeError: no compiler$"):
            build("window", seq_len=50, dim=8, heads=2, form="flex")
    finally:
        window.flex_failure.cache_clear()
    assert build("window", seq_len=50, dim=8, heads=2).form == "chunked"


def test_a_window_over_all_tokens_does_not_run_flex_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WindowAttention, "chosen_form", lambda self, form: "flex")
    assert not build("window", seq_len=50, dim=8, heads=2).runs_flex
    assert build("window", seq_len=300, dim=8, heads=2).runs_flex


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown form 'dense'"):
        build("window", seq_len=8, dim=4, heads=1, form="dense")


@pytest.mark.parametrize("real_tokens", [None, (300, 17)])
def test_long_sequences_are_computed_in_blocks(real_tokens: tuple[int, ...] | None) -> None:
    shape = Shape(seq_len=300, heads=2, head_dim=4, ratio=1, real_tokens=real_tokens, batch=2, seed=0)
    layer = WindowAttention(**shape.sizes, half_width=7, dtype=torch.float64)
    assert not layer.computes_all
    expected = attended(layer, shape.x(), shape.mask(), neighbours(7))
    assert_real_rows_close(layer(shape.x(), shape.mask()), expected, shape.mask())


@pytest.mark.parametrize("batch", [1, 3])
def test_overlapping_blocks_of_keys_are_views(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    stored: list[int] = []

    def spy(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None) -> Tensor:
        stored.extend(x.untyped_storage().nbytes() // x.element_size() for x in (k, v))
        return scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)

    monkeypatch.setattr(window, "scaled_dot_product_attention", spy)
    layer = WindowAttention(seq_len=640, dim=16, heads=2, half_width=64)
    layer(torch.randn(batch, 640, 16))
    assert stored == [batch * (640 + 2 * 64) * 16] * 2


def test_no_window_costs_more_than_the_whole_matrix() -> None:
    full = build("full", seq_len=256, dim=8, heads=2)
    assert WindowAttention(seq_len=256, dim=8, heads=2).flops() == full.flops()  # type: ignore[operator]
    assert WindowAttention(seq_len=1024, dim=8, heads=2).attend_flops() < 4 * 1024**2 * 8


@pytest.mark.parametrize("half_width", [0, 5, 127, 128, 200, 255, 300, 400])
@pytest.mark.parametrize("seq_len", [50, 128, 256, 700, 1024])
def test_the_blocks_of_flex_attention_are_those_of_torchs_own_function(seq_len: int, half_width: int) -> None:
    from torch.nn.attention.flex_attention import create_block_mask

    made = window.near_blocks(seq_len, half_width, torch.device("cpu"))
    known = create_block_mask(made.mask_mod, None, None, seq_len, seq_len, device="cpu")
    assert made.seq_lengths == known.seq_lengths
    assert made.BLOCK_SIZE == known.BLOCK_SIZE
    for name in ("kv_num_blocks", "kv_indices", "full_kv_num_blocks", "full_kv_indices", "q_num_blocks", "q_indices",
                 "full_q_num_blocks", "full_q_indices"):  # fmt: skip
        torch.testing.assert_close(getattr(made, name), getattr(known, name), msg=name)


def test_cost_is_linear_in_the_length() -> None:
    costs = [WindowAttention(seq_len=n, dim=8, heads=1, half_width=16).attend_flops() for n in (1024, 2048)]
    assert costs[1] == 2 * costs[0]


def test_a_negative_width_is_refused() -> None:
    with pytest.raises(UsageError, match="half_width must not be negative"):
        build("window", seq_len=8, dim=4, heads=1, half_width=-1)
