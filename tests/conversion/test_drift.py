"""How far a converted model is from its original, against definitions in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from dctbench.conversion.drift import drift, same_neighbours
from dctbench.conversion.recovery import RATES, held_out_loss, recover
from dctbench.conversion.subject import Inputs, Purpose, Subject
from dctbench.errors import UnsupportedError

N, WIDTH = 6, 5


class Perturbed(nn.Module):
    """(batch, length, width) -> x w, or with a mean over the length."""

    def __init__(self, shift: float, pooled: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(WIDTH) + shift)
        self.pooled = pooled

    def forward(self, x: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        out = x @ self.weight
        return out.mean(1) if self.pooled else out


def subject(model: nn.Module, masked: bool = False) -> Subject:
    def inputs(seq_len: int, batch: int, number: int, purpose: Purpose) -> Inputs:
        source = torch.Generator().manual_seed(number + purpose.value)
        x = torch.randn(batch, seq_len, WIDTH, generator=source)
        mask = torch.ones(batch, seq_len, dtype=torch.long)
        mask[:, -2:] = 0
        return (x,), {"attention_mask": mask} if masked else {}

    return Subject("perturbed", model, inputs, None)


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    found: np.ndarray = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return found


def drawn(of: Subject, count: int, batch: int) -> np.ndarray:
    parts = [of.inputs(N, batch, number)[0][0].double().numpy() for number in range(count // batch)]
    return np.concatenate(parts)


def test_cosines_compare_means_over_tokens_and_tokens() -> None:
    of = subject(Perturbed(0.0))
    found = drift(of, Perturbed(0.3), N, batch=4, sequences=8)
    x = drawn(of, 8, 4)
    w = (torch.eye(WIDTH) + 0.3).double().numpy()
    np.testing.assert_allclose(found.cosine, cosine(x.mean(1), (x @ w).mean(1)), rtol=1e-5)
    assert found.tokens is not None
    np.testing.assert_allclose(found.tokens, cosine(x, x @ w).mean(1), rtol=1e-5)
    assert found.top1 is None


class Turned(nn.Module):
    """The same model in the layout that torch's modules have by default: (length, batch, width)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor, **mask: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.model(x.transpose(0, 1), **mask).transpose(0, 1)
        return out


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("batch", [1, 2, N])
def test_the_figures_of_a_model_with_the_length_first_are_those_of_the_same_model(batch: int, masked: bool) -> None:
    usual = subject(Perturbed(0.0), masked)

    def turned(seq_len: int, batch: int, number: int, purpose: Purpose) -> Inputs:
        (x,), mask = usual.inputs(seq_len, batch, number, purpose)
        return (x.transpose(0, 1),), mask

    of = Subject("turned", Turned(Perturbed(0.0)), turned, None)
    found = drift(of, Turned(Perturbed(0.3)), N, batch, sequences=10)
    assert found == drift(usual, Perturbed(0.3), N, batch, sequences=10)
    assert len(found.cosine) == -(-10 // batch) * batch


def test_padding_is_left_out() -> None:
    of = subject(Perturbed(0.0), masked=True)
    found = drift(of, Perturbed(0.3), N, batch=4, sequences=8)
    x = drawn(of, 8, 4)[:, :-2]
    w = (torch.eye(WIDTH) + 0.3).double().numpy()
    np.testing.assert_allclose(found.cosine, cosine(x.mean(1), (x @ w).mean(1)), rtol=1e-5)
    assert found.tokens is not None
    np.testing.assert_allclose(found.tokens, cosine(x, x @ w).mean(1), rtol=1e-5)


def test_a_model_with_one_vector_per_input_has_an_agreement_of_the_largest_output() -> None:
    of = subject(Perturbed(0.0, pooled=True))
    found = drift(of, Perturbed(0.9, pooled=True), N, batch=2, sequences=8)
    x = drawn(of, 8, 2).mean(1)
    w = (torch.eye(WIDTH) + 0.9).double().numpy()
    assert found.top1 == (x.argmax(1) == (x @ w).argmax(1)).tolist()
    assert found.tokens is None


class Regression(nn.Module):
    """(batch, length, width) -> one number for each input, of shape (batch,) or (batch, 1)."""

    def __init__(self, keepdim: bool) -> None:
        super().__init__()
        self.keepdim = keepdim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(1).sum(1, keepdim=self.keepdim)


@pytest.mark.parametrize("keepdim", [False, True])
def test_single_numbers_have_no_drift(keepdim: bool) -> None:
    with pytest.raises(UnsupportedError, match="one number for each input, and a cosine of single numbers is only a"):
        drift(subject(Regression(keepdim)), Regression(keepdim), N, batch=4, sequences=8)


def test_neighbours_are_the_nearest_other_inputs_by_cosine() -> None:
    source = np.random.default_rng(0)
    before, after = source.normal(size=(2, 20, 4))
    expected = []
    for i in range(20):
        nearest = [
            max((j for j in range(20) if j != i), key=lambda j: cosine(rows[i], rows[j])) for rows in (before, after)
        ]
        expected.append(nearest[0] == nearest[1])
    assert same_neighbours(torch.tensor(before), torch.tensor(after)).tolist() == expected
    assert not all(expected)


def test_few_inputs_have_no_neighbours() -> None:
    assert drift(subject(Perturbed(0.0)), Perturbed(0.3), N, batch=2, sequences=6).neighbours is None


def test_training_brings_a_model_back_and_leaves_the_converted_one_as_it_is() -> None:
    of = subject(Perturbed(0.0))
    converted = Perturbed(0.02)
    before = converted.weight.detach().clone()
    done = recover(of, converted, N, steps=60, seed=1)
    assert done.after < 0.5 * done.before
    assert set(done.probes) == set(RATES)
    assert done.rate == min(done.probes, key=done.probes.__getitem__)
    assert torch.equal(converted.weight, before)
    assert done.after == held_out_loss(of, done.model, N)


def in_dtype(of: Subject, dtype: torch.dtype) -> Subject:
    def inputs(seq_len: int, batch: int, number: int, purpose: Purpose) -> Inputs:
        return tuple(value.to(dtype) for value in of.inputs(seq_len, batch, number, purpose)[0]), {}

    return Subject(of.target, of.model.to(dtype), inputs, None)


def test_the_loss_in_float16_is_that_of_float32_where_squares_add_up_to_more_than_float16_holds() -> None:
    n = 4000  # 8 sequences of 4000 tokens of width 5: the squares add up to about 160 000
    of = subject(Perturbed(0.0))
    expected = held_out_loss(of, Perturbed(0.3), n)
    found = held_out_loss(in_dtype(of, torch.float16), Perturbed(0.3).half(), n)
    assert expected > 0.1
    np.testing.assert_allclose(found, expected, rtol=0.01)


def test_a_model_in_half_precision_is_trained_by_steps_that_half_precision_cannot_resolve() -> None:
    """bfloat16 has no number between 1 and 1.0078, and steps are of 0.001 at most."""
    for dtype in (torch.float16, torch.bfloat16):
        of = in_dtype(subject(Perturbed(0.0)), dtype)
        done = recover(of, Perturbed(0.02).to(dtype), N, steps=60, seed=1)
        assert done.after < 0.5 * done.before
        assert isinstance(done.model, Perturbed)
        assert done.model.weight.diagonal().max() < 1.01  # it was 1.02
        assert {parameter.dtype for parameter in done.model.parameters()} == {dtype}
        assert {parameter.dtype for parameter in of.model.parameters()} == {dtype}


def test_equal_seeds_train_alike_and_others_do_not() -> None:
    of = subject(Perturbed(0.0))
    weights = []
    for seed in (1, 1, 2):
        trained = recover(of, Perturbed(0.02), N, steps=4, seed=seed).model
        assert isinstance(trained, Perturbed)
        weights.append(trained.weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
