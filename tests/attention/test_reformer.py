"""Reformer against Kitaev et al. 2020, section 2: the authors' order of operations, and the union of hash buckets."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dctbench.attention import AttentionLayer, build, logsumexp
from dctbench.attention.reformer import ReformerAttention, bucket_factors
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


def hash_of(q: Array, rotation: Array, factors: tuple[int, ...]) -> NDArray[np.intp]:
    """Combine the hashes as mixed-radix digits, each the argmax of its columns and of the same columns negated."""
    bucket, weight, column = np.zeros(len(q), dtype=np.intp), 1, 0
    for factor in factors:
        part = q @ rotation[:, column : column + factor // 2]
        bucket += weight * np.argmax(np.concatenate([part, -part], axis=1), axis=1)
        weight, column = weight * factor, column + factor // 2
    return bucket


def authors(layer: ReformerAttention) -> Head:
    """The authors' order of operations at its default settings, round by round and chunk by chunk.

    Sort by bucket, attend to all of the own chunk and the one before (that of the first is the last), and join the
    rounds by their log-sum-exp, whether or not pairs repeat.
    """
    rotations, chunk = array(layer.rotations), layer.chunk

    def head(q: Array, _: Array, v: Array, real: Mask) -> Array:
        n, width = q.shape
        k = q / np.maximum(np.linalg.norm(q, axis=1, keepdims=True), 1e-12)
        chunks = -(-n // chunk)
        outputs, logs = np.zeros((len(rotations), n, width)), np.full((len(rotations), n), -np.inf)
        for r, rotation in enumerate(rotations):
            bucket = hash_of(q, rotation, layer.factors)
            order = sorted(np.flatnonzero(real), key=lambda token: (bucket[token], token))
            pieces = [order[c * chunk : (c + 1) * chunk] for c in range(chunks)]
            for c, piece in enumerate(pieces):
                seen = piece if chunks == 1 else pieces[c - 1] + piece
                for i in piece:
                    scores = k[seen] @ q[i] / np.sqrt(width)
                    scores[seen.index(i)] = -1e5
                    outputs[r, i] = softmax(scores) @ v[seen]
                    logs[r, i] = scores.max() + np.log(np.exp(scores - scores.max()).sum())
        joined: Array = (softmax(logs.T).T[:, :, None] * outputs).sum(0)
        return joined

    return head


def union_of_buckets(layer: ReformerAttention) -> Head:
    """Form the sets P_i of the paper token by token."""
    rotations, chunk = array(layer.rotations), layer.chunk

    def head(q: Array, _: Array, v: Array, real: Mask) -> Array:
        n = len(q)
        sees = np.zeros((n, n), dtype=bool)
        for rotation in rotations:
            bucket = hash_of(q, rotation, layer.factors)
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


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("across", [True, False])
@given(shape=shapes(), rounds=st.integers(1, 4), chunk=st.integers(1, 12))
@drawn
def test_equals_its_definition(across: bool, gradients: bool, shape: Shape, rounds: int, chunk: int) -> None:
    layer = ReformerAttention(
        **shape.sizes, rounds=rounds, chunk=chunk, attend_across_buckets=across, seed=shape.seed, dtype=torch.float64
    )
    head = authors(layer) if across else union_of_buckets(layer)
    expected = attended(layer, shape.x(), shape.mask(), head, shared=True)
    with torch.set_grad_enabled(gradients):  # without gradients torch's kernel returns the log-sum-exp
        assert_real_rows_close(layer(shape.x(), shape.mask()), expected, shape.mask(), atol=1e-9)


def test_where_torch_has_no_kernel_with_a_logsumexp_the_result_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = ReformerAttention(seq_len=100, dim=16, heads=2, chunk=16)
    x = torch.randn(2, 100, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = layer(x)
        monkeypatch.setattr(logsumexp, "_FLASH", None)
        torch.testing.assert_close(layer(x), expected)


def test_hashing_into_many_buckets_is_not_quadratic() -> None:
    assert bucket_factors(2 * 64, 64) == (128,)
    assert bucket_factors(2 * 256, 64) == (16, 32)
    costs = [ReformerAttention(seq_len=n, dim=64, heads=1, device="meta").flops() for n in (2**16, 2**20)]
    assert costs[1] < 32 * costs[0]  # 16 times the length


@given(buckets=st.integers(1, 10**6), chunk=st.integers(1, 100))
def test_factors_are_even_and_make_enough_buckets(buckets: int, chunk: int) -> None:
    factors = bucket_factors(2 * buckets, chunk)
    assert math.prod(factors) >= 2 * buckets
    assert all(factor % 2 == 0 for factor in factors)
    assert len(factors) == 1 or sum(factors) <= 5 * math.sqrt(2 * buckets)


def test_similar_tokens_attend_to_each_other_across_the_sequence() -> None:
    layer = ReformerAttention(seq_len=256, dim=16, heads=1, chunk=8, dtype=torch.float64)
    q = torch.randn(1, 256, 1, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    q[0, 200] = q[0, 3]
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
