"""Inputs and weights that a test draws are the same in every run and in any order of the tests."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
