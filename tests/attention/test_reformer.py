"""Reformer against Kitaev et al. 2020, section 2: softmax over the union of the tokens seen in all hash rounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dctbench.attention import AttentionLayer, build
from dctbench.attention.reformer import ReformerAttention
from dctbench.errors import UnsupportedError, UsageError
from tests.support.definitions import (
    Array,
    Head,
    Mask,
    Shape,
    array,
    assert_real_rows_close,
    attended,
    drawn,
    shapes,
    softmax,
)


def hashed(rotations: Array, chunk: int) -> Head:
    """Form the sets P_i of the paper token by token, from `rotations` (rounds, head_dim, buckets / 2)."""

    def head(q: Array, _: Array, v: Array, real: Mask) -> Array:
        n = len(q)
        sees = np.zeros((n, n), dtype=bool)
        for rotation in rotations:
            bucket = np.argmax(np.concatenate([q @ rotation, -q @ rotation], axis=1), axis=1)
            order = sorted(np.flatnonzero(real), key=lambda token: (bucket[token], token))
            place = {token: at // chunk for at, token in enumerate(order)}
            for i in order:
                for j in order:
                    sees[i, j] |= bucket[i] == bucket[j] and place[i] - place[j] in (0, 1)
        k = q / np.maximum(np.linalg.norm(q, axis=1, keepdims=True), 1e-12)
        others = sees & ~np.eye(n, dtype=bool)
        allowed = np.where(others.any(1, keepdims=True), others, sees)
        return softmax(np.where(allowed, q @ k.T / np.sqrt(q.shape[1]), -np.inf)) @ v

    return head


@given(shape=shapes(), rounds=st.integers(1, 4), chunk=st.integers(1, 12))
@drawn
def test_equals_its_definition(shape: Shape, rounds: int, chunk: int) -> None:
    layer = ReformerAttention(**shape.sizes, rounds=rounds, chunk=chunk, seed=shape.seed, dtype=torch.float64)
    head = hashed(array(layer.rotations), layer.chunk)
    expected = attended(layer, shape.x(), shape.mask(), head, shared=True)
    assert_real_rows_close(layer(shape.x(), shape.mask()), expected, shape.mask(), atol=1e-9)


def test_similar_tokens_attend_to_each_other_across_the_sequence() -> None:
    layer = ReformerAttention(seq_len=256, dim=16, heads=1, chunk=8, dtype=torch.float64)
    q = torch.randn(1, 1, 256, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    q[0, 0, 200] = q[0, 0, 3]
    bucket = layer.hash(q, None)
    assert torch.equal(bucket[..., 200], bucket[..., 3])


def test_the_rotations_are_saved_with_the_state() -> None:
    first, other = (ReformerAttention(seq_len=40, dim=8, heads=2, chunk=8, seed=seed) for seed in (0, 1))
    assert not torch.equal(first.rotations, other.rotations)
    other.load_state_dict(first.state_dict())
    x = torch.randn(2, 40, 8)
    assert torch.equal(first(x), other(x))


def test_it_has_no_key_projection_and_no_qkv_form() -> None:
    layer = build("reformer", seq_len=8, dim=4, heads=1)
    assert not [name for name, _ in layer.named_parameters() if name.startswith("k_proj")]
    assert isinstance(layer, AttentionLayer)
    with pytest.raises(UnsupportedError):
        layer.attend(*torch.randn(3, 1, 1, 8, 4))


def test_zero_rounds_are_refused() -> None:
    with pytest.raises(UsageError, match="rounds must be 1 to 255"):
        build("reformer", seq_len=8, dim=4, heads=1, rounds=0)
