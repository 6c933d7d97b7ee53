"""How a converted model is trained, against NumPy: the loss without padding, the rates, and which of them is chosen."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from dctbench.conversion import recovery
from dctbench.conversion.recovery import BATCH, HELD_OUT, RATES, Recovery, held_out_loss, recover
from dctbench.conversion.subject import Inputs, Purpose, Subject
from dctbench.errors import UnsupportedError
from tests.support.definitions import Array

N, WIDTH = 6, 5


class Scaled(nn.Module):
    """(batch, length, width) -> x w. Padding is scaled by 1000 besides, so that a loss with it is another."""

    def __init__(self, weight: Array) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float32))

    def forward(self, x: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return (x @ self.weight) * torch.where(attention_mask > 0, 1.0, 1000.0)[..., None]


def inputs(seq_len: int, batch: int, number: int, purpose: Purpose) -> Inputs:
    """Rows of different lengths."""
    source = torch.Generator().manual_seed(number + purpose.value)
    x = torch.randn(batch, seq_len, WIDTH, generator=source)
    mask = (torch.arange(seq_len) <= torch.arange(batch)[:, None] % seq_len).long()
    return (x,), {"attention_mask": mask}


def original() -> Subject:
    return Subject("scaled", Scaled(np.eye(WIDTH)), inputs, None)


def loss(weight: Array, number: int, purpose: Purpose) -> float:
    """The squared difference to the original, w = 1, over its squared size, at the real tokens of all rows."""
    (x,), named = inputs(N, BATCH, number, purpose)
    real = x.double().numpy()[named["attention_mask"].numpy() > 0]
    return float(((real @ weight - real) ** 2).sum() / (real**2).sum())


def test_the_loss_is_the_mean_over_held_out_inputs_at_real_tokens_alone() -> None:
    weight = np.eye(WIDTH) + 0.1 * np.random.default_rng(0).normal(size=(WIDTH, WIDTH))
    found = held_out_loss(original(), Scaled(weight), N)
    assert found == pytest.approx(np.mean([loss(weight, number, Purpose.CHOOSE) for number in range(4)]), rel=1e-5)


def adamw(weight: Array, rates: list[float], first: int) -> Array:
    """AdamW by its paper (Loshchilov and Hutter, 2019), with the gradient by hand and clipped to a norm of 1."""
    mean = square = np.zeros_like(weight)
    for step, rate in enumerate(rates, 1):
        (x,), named = inputs(N, BATCH, first + step - 1, Purpose.TRAIN)
        real = x.double().numpy()[named["attention_mask"].numpy() > 0]
        gradient = 2 * real.T @ (real @ weight - real) / (real**2).sum()
        gradient = gradient * min(1.0, 1.0 / np.linalg.norm(gradient))
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        weight = weight * (1 - rate * 0.01)
        weight = weight - rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return weight


@pytest.mark.parametrize("shift", [0.1, 4.0])
def test_a_training_is_adamw_after_a_warm_up_along_a_cosine(shift: float) -> None:
    """Of 30 steps, 3 warm up. A gradient of a shift of 4 is clipped."""
    weight = np.eye(WIDTH) + shift * np.random.default_rng(1).normal(size=(WIDTH, WIDTH))
    done = recover(original(), Scaled(weight), N, steps=30, seed=2)
    scale = [1 / 3, 2 / 3, 1.0] + [(1 + math.cos(math.pi * k / 27)) / 2 for k in range(27)]
    assert isinstance(done.model, Scaled)
    expected = adamw(weight, [done.rate * one for one in scale], first=2 * 30)
    np.testing.assert_allclose(done.model.weight.detach().double().numpy(), expected, atol=2e-5)
    assert done.before == pytest.approx(np.mean([loss(weight, i, Purpose.CHOOSE) for i in HELD_OUT]), rel=1e-4)
    assert done.after == pytest.approx(np.mean([loss(expected, i, Purpose.CHOOSE) for i in HELD_OUT]), rel=1e-3)


def test_a_rate_is_chosen_by_its_loss_after_a_quarter_of_the_steps() -> None:
    weight = np.eye(WIDTH) + 0.1 * np.random.default_rng(1).normal(size=(WIDTH, WIDTH))
    done = recover(original(), Scaled(weight), N, steps=40, seed=3)
    scale = [1.0] + [(1 + math.cos(math.pi * k / 9)) / 2 for k in range(9)]
    for rate, found in done.probes.items():
        probed = adamw(weight, [rate * one for one in scale], first=3 * 10)
        assert found == pytest.approx(np.mean([loss(probed, i, Purpose.CHOOSE) for i in HELD_OUT]), rel=1e-3)
    assert tuple(done.probes) == RATES == (1e-4, 3e-4, 1e-3)
    assert done.rate == min(done.probes, key=done.probes.__getitem__)


@pytest.mark.parametrize(("best", "at_edge"), [(0, True), (1, False), (2, True)])
def test_the_smallest_and_the_largest_rate_are_edges(monkeypatch: pytest.MonkeyPatch, best: int, at_edge: bool) -> None:
    losses = iter([0.9, *(0.1 if i == best else 0.5 for i in range(3)), 0.05])
    monkeypatch.setattr(recovery, "held_out_loss", lambda *_: next(losses))
    done = recover(original(), Scaled(np.eye(WIDTH)), N, steps=4, seed=1)
    assert (done.rate, done.at_edge) == (RATES[best], at_edge)
    assert (done.before, done.after) == (0.9, 0.05)


def test_a_rate_that_diverges_is_not_chosen_and_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_losses(*given: float) -> Recovery:
        losses = iter(given)
        monkeypatch.setattr(recovery, "held_out_loss", lambda *_: next(losses))
        return recover(original(), Scaled(np.eye(WIDTH)), N, steps=4, seed=1)

    assert with_losses(0.9, math.nan, 0.2, math.inf, 0.1).rate == RATES[1]
    with pytest.raises(UnsupportedError, match=r"diverged at each of the rates 0\.0001, 0\.0003, 0\.001"):
        with_losses(0.9, math.nan, math.nan, math.inf)
