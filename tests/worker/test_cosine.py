"""The cosine beside each error of a measured case, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dctbench.model import Case
from dctbench.worker import passes
from tests.worker.test_measure import measured, messages, value


@pytest.mark.parametrize("scope", ["layer", "attention"])
def test_cosines_and_errors_are_those_of_the_outputs_on_each_input(monkeypatch: pytest.MonkeyPatch, scope: str) -> None:
    pairs = {
        name: np.random.default_rng(i).normal(size=(2, 3, 5)) for i, name in enumerate(("noise", "smooth", "input"))
    }

    def fixed(case: Case, subject: object, name: str, *_: Any) -> tuple[torch.Tensor, torch.Tensor]:
        output, exact = pairs[name]
        return torch.tensor(output), torch.tensor(exact)

    monkeypatch.setattr(passes, "_outputs", fixed)
    answer = measured(Case("linear", 32, heads=2, head_dim=8, scope=scope, input="digits"))
    for name, (output, exact) in pairs.items():
        a, b = output.ravel(), exact.ravel()
        assert value(answer, f"cosine.{name}") == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        assert value(answer, f"error.{name}") == pytest.approx(np.linalg.norm(a - b) / np.linalg.norm(b))


def test_an_output_of_zeros_has_an_error_of_1_and_no_cosine(monkeypatch: pytest.MonkeyPatch) -> None:
    zeros, exact = torch.zeros(2, 3), torch.ones(2, 3)
    monkeypatch.setattr(passes, "_outputs", lambda *_: (zeros, exact))
    answer = measured()
    for name in ("noise", "smooth"):
        assert value(answer, f"error.{name}") == 1.0
        assert value(answer, f"cosine.{name}") is None
        assert [text for text in messages(answer) if f"cosine.{name}" in text]
