"""Nystromformer against the golden data and Xiong et al. 2021, section 3."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dctbench.attention import build
from dctbench.attention.nystromformer import NystromAttention
from dctbench.errors import UsageError
from tests.support import golden as goldens
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


class BatchWideScaling(NystromAttention):
    """Scale as the authors' code does, by the largest norms of the batch over all heads."""

    def norm_product(self, a: Tensor) -> Tensor:
        return a.sum(-2).max() * a.sum(-1).max()


@pytest.mark.parametrize("golden", goldens.load("nystrom"), ids=lambda golden: golden.name)
def test_equals_the_golden_data_with_the_authors_scaling(golden: goldens.Golden) -> None:
    meta = golden.meta
    layer = BatchWideScaling(
        seq_len=meta["seq"], dim=meta["dim"], heads=meta["heads"], ratio=meta["seq"] / meta["landmarks"]
    )
    golden.load_projections(layer)
    with torch.no_grad():
        assert (layer(golden.x, golden.mask) - golden.y).abs().max() <= 5e-6


def nystrom(landmarks: int) -> Head:
    """Multiply the softmax matrices between tokens and landmarks, with the iterated pseudo-inverse of the middle one.

    Landmarks are means over segments of the sequence. A segment without a real token has no landmark. With a landmark
    for each token the authors' code computes exact attention (`num_landmarks == seq_len`).
    """

    def head(q: Array, k: Array, v: Array, real: Mask) -> Array:
        n, width = q.shape
        if landmarks == n:
            exact: Array = softmax(np.where(real[None, :], q @ k.T / np.sqrt(width), -np.inf)) @ v
            return exact
        members = [[j for j in range(n) if j * landmarks // n == s and real[j]] for s in range(landmarks)]
        members = [segment for segment in members if segment]
        if not members:
            return np.zeros_like(q)
        q_mean = np.stack([q[segment].mean(0) for segment in members])
        k_mean = np.stack([k[segment].mean(0) for segment in members])
        left = softmax(q @ k_mean.T / np.sqrt(width))
        middle = softmax(q_mean @ k_mean.T / np.sqrt(width))
        right = softmax(np.where(real[None, :], q_mean @ k.T / np.sqrt(width), -np.inf))
        z = middle.T / (np.abs(middle).sum(0).max() * np.abs(middle).sum(1).max())
        eye = np.eye(len(members))
        for _ in range(6):
            az = middle @ z
            z = z @ (13 * eye - az @ (15 * eye - az @ (7 * eye - az))) / 4
        out: Array = left @ z @ right @ v
        return out

    return head


@given(shape=shapes())
@drawn
def test_equals_its_definition(shape: Shape) -> None:
    layer = NystromAttention(**shape.sizes, ratio=shape.ratio, dtype=torch.float64)
    expected = attended(layer, shape.x(), shape.mask(), nystrom(layer.n_kept))
    assert_real_rows_close(layer(shape.x(), shape.mask()), expected, shape.mask(), atol=1e-9)


@given(shape=shapes(), half=st.integers(0, 17))
@drawn
def test_its_convolution_adds_a_filtered_v_of_real_tokens(shape: Shape, half: int) -> None:
    layer = NystromAttention(**shape.sizes, ratio=shape.ratio, convolution=2 * half + 1, dtype=torch.float64)
    assert layer.convolution is not None
    filters = iter(
        np.tile(array(layer.convolution.weight)[:, 0, :, 0], (shape.batch, 1))
    )  # `attended` goes head by head

    def head(q: Array, k: Array, v: Array, real: Mask) -> Array:
        taps, out = next(filters), nystrom(layer.n_kept)(q, k, v, real)
        for i in range(len(v)):
            for offset, tap in enumerate(taps, start=-half):
                if 0 <= i + offset < len(v) and real[i + offset]:
                    out[i] += tap * v[i + offset]
        return out

    expected = attended(layer, shape.x(), shape.mask(), head)
    assert_real_rows_close(layer(shape.x(), shape.mask()), expected, shape.mask(), atol=1e-9)
    assert layer.attend_flops() - NystromAttention(**shape.sizes, ratio=shape.ratio).attend_flops() == (
        2 * shape.seq_len * shape.dim * (2 * half + 1)
    )


def test_with_a_landmark_for_each_token_it_costs_and_computes_exact_attention() -> None:
    layer = build("nystromformer", seq_len=40, dim=16, heads=2, kept=64)
    exact = build("sdpa", seq_len=40, dim=16, heads=2)
    exact.load_state_dict(layer.state_dict())
    x = torch.randn(2, 40, 16)
    torch.testing.assert_close(layer(x), exact(x))
    assert layer.flops(2) == exact.flops(2)  # type: ignore[operator]


@pytest.mark.parametrize("taps", [0, 34, -1])
def test_a_convolution_without_a_middle_is_refused(taps: int) -> None:
    with pytest.raises(UsageError, match="odd number of taps"):
        build("nystromformer", seq_len=8, dim=4, heads=1, ratio=2, convolution=taps)


def test_the_iteration_approaches_the_pseudo_inverse() -> None:
    layer = NystromAttention(seq_len=32, dim=16, heads=2, ratio=4, dtype=torch.float64)
    a = torch.softmax(3 * torch.eye(8, dtype=torch.float64) + 0.1 * torch.rand(2, 2, 8, 8, dtype=torch.float64), -1)
    np.testing.assert_allclose(array(layer.pseudo_inverse(a)), np.linalg.pinv(array(a)), atol=1e-9)


def test_a_sample_does_not_depend_on_its_batch() -> None:
    layer = build("nystromformer", seq_len=32, dim=16, heads=2, ratio=4, dtype=torch.float64)
    x = torch.randn(3, 32, 16, dtype=torch.float64) * torch.tensor([1.0, 10.0, 0.1])[:, None, None]
    alone = torch.cat([layer(x[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(layer(x), alone, rtol=1e-12, atol=1e-12)
