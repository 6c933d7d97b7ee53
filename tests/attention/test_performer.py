"""Performer against Choromanski et al. 2021 and the authors' code, with the quadratic form of its features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given

from dctbench.attention import build
from dctbench.attention.performer import PerformerAttention
from dctbench.errors import UsageError
from tests.support.definitions import (
    Array,
    CompressedSizes,
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


def favor(omega: Array, eps: float) -> Head:
    """The features of the authors' code (`softmax_kernel_transformation`), and the weights as an n x n matrix.

    Queries are stabilised by the maximum of each row, the real keys of a head by their common maximum, and `eps` is
    added to every feature. Features have the factor 1/sqrt(m). With eps = 0 no stabilisation is needed in float64.
    """

    def phi(x: Array, largest: Array) -> Array:
        scaled = x / x.shape[1] ** 0.25
        exponents = scaled @ omega.T - (scaled**2).sum(1, keepdims=True) / 2 - largest
        features: Array = (np.exp(exponents) + eps) / np.sqrt(len(omega))
        return features

    def head(q: Array, k: Array, v: Array, real: Mask) -> Array:
        projected_q, projected_k = (x / x.shape[1] ** 0.25 @ omega.T for x in (q, k))
        of_queries = projected_q.max(1, keepdims=True) if eps else np.zeros((1, 1))
        of_keys = projected_k[real].max(keepdims=True) if eps and real.any() else np.zeros((1, 1))
        weights = phi(q, of_queries) @ phi(k, of_keys).T * real[None, :]
        total = weights.sum(1, keepdims=True)
        out: Array = weights @ v / np.where(total == 0, 1.0, total)
        return out

    return head


@given(shape=shapes())
@drawn
def test_equals_the_authors_code_at_its_default_settings(shape: Shape) -> None:
    layer = PerformerAttention(**shape.sizes, ratio=shape.ratio, dtype=torch.float64)
    expected = attended(layer, shape.x(2.0), shape.mask(), favor(array(layer.omega), 1e-4))
    assert_real_rows_close(layer(shape.x(2.0), shape.mask()), expected, shape.mask(), atol=1e-9)


@given(shape=shapes())
@drawn
def test_without_eps_it_equals_the_papers_estimate(shape: Shape) -> None:
    layer = PerformerAttention(**shape.sizes, ratio=shape.ratio, eps=0, dtype=torch.float64)
    expected = attended(layer, shape.x(2.0), shape.mask(), favor(array(layer.omega), 0.0))
    assert_real_rows_close(layer(shape.x(2.0), shape.mask()), expected, shape.mask(), atol=1e-9)


def test_eps_lowers_the_error_against_exact_attention() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 1, 2, 512, 64, generator=generator, dtype=torch.float64)
    scores = array(q) @ array(k).swapaxes(-2, -1) / 8
    exact = softmax(scores) @ array(v)
    errors = []
    for eps in (0, 1e-4):
        layer = PerformerAttention(seq_len=512, dim=128, heads=2, ratio=8, eps=eps, dtype=torch.float64)
        errors.append(np.linalg.norm(array(layer.attend(q, k, v)) - exact) / np.linalg.norm(exact))
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize("wrong", [-1e-4, float("nan"), float("inf")])
def test_an_eps_that_is_no_small_constant_is_refused(wrong: float) -> None:
    with pytest.raises(UsageError, match="eps must be"):
        PerformerAttention(seq_len=8, dim=4, heads=1, ratio=2, eps=wrong)


def test_many_features_approach_the_softmax_kernel() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 1, 1, 2048, 8, generator=generator, dtype=torch.float64)
    q, k, v = q / 2, k / 2, v + 1 + k  # an output that is not an average of noise
    exact = softmax(array(q)[0, 0] @ array(k)[0, 0].T / np.sqrt(8)) @ array(v)[0, 0]
    errors = []
    for ratio in (128, 1):  # 16 features, 2048 features
        layer = PerformerAttention(seq_len=2048, dim=8, heads=1, ratio=ratio, dtype=torch.float64)
        errors.append(np.linalg.norm(array(layer.attend(q, k, v))[0, 0] - exact) / np.linalg.norm(exact))
    assert errors[1] < 0.03
    assert errors[1] < errors[0] / 4


def test_features_are_orthogonal_in_blocks_with_gaussian_norms() -> None:
    layer = PerformerAttention(seq_len=4096, dim=32, heads=2, ratio=1, dtype=torch.float64)
    omega = array(layer.omega)  # 256 blocks of 16
    gram = omega[:16] @ omega[:16].T
    np.testing.assert_allclose(gram - np.diag(np.diag(gram)), 0, atol=1e-12)
    squares = (omega**2).sum(1)  # chi-squared with 16 degrees of freedom: mean 16, variance 32
    assert abs(squares.mean() - 16) < 0.5
    assert abs(squares.var() - 32) < 4
    assert abs(omega.mean()) < 0.01  # no direction is favoured, since the signs of QR are made uniform
    assert abs(np.trace(omega.reshape(256, 16, 16).mean(0))) < 2


def test_scores_of_any_size_stay_finite_and_normalised() -> None:
    layer = PerformerAttention(seq_len=64, dim=8, heads=1, ratio=2)
    q = 200 * torch.randn(1, 1, 64, 8, generator=torch.Generator().manual_seed(0))
    out = layer.attend(q, -q, torch.ones_like(q))
    torch.testing.assert_close(out, torch.ones_like(q))


def test_the_seed_determines_the_features_which_are_saved_with_the_state() -> None:
    sizes: CompressedSizes = {"seq_len": 20, "dim": 8, "heads": 2, "ratio": 2}
    first, same, other = (PerformerAttention(**sizes, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.omega, same.omega)
    assert not torch.equal(first.omega, other.omega)
    other.load_state_dict(first.state_dict())
    x = torch.randn(1, 20, 8)
    assert torch.equal(first(x), other(x))


def test_options_reach_it_through_build() -> None:
    layer = build("performer", seq_len=20, dim=8, heads=2, ratio=2, seed=1)
    assert isinstance(layer, PerformerAttention)
    assert torch.equal(layer.omega, PerformerAttention(seq_len=20, dim=8, heads=2, ratio=2, seed=1).omega)


@pytest.mark.parametrize("eps", [1e-4, 0.0])
def test_float16_rounds_nothing_but_its_inputs_and_its_output(eps: float) -> None:
    layer = build("performer", seq_len=64, dim=32, heads=2, ratio=4, eps=eps, dtype=torch.float16)
    assert isinstance(layer, PerformerAttention)
    q, k, v = torch.randn(3, 1, 2, 64, 16, generator=torch.Generator().manual_seed(0)).half()
    with torch.inference_mode():
        assert torch.equal(layer.attend(q, k, v), layer.attend(q.float(), k.float(), v.float()).half())
