"""The committed errors and costs of the block transform are those of the code, and keep the proved bound."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import scipy.fft
import torch

from benchmarks import block_error
from dctbench.transforms import BlockGemmDct, BlockSlotsDct

FOUND = json.loads(block_error.RESULTS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", FOUND["errors"], ids=lambda row: f"{row['tolerance']:g}")
def test_the_committed_error_is_that_of_the_code_and_within_the_bound(row: dict[str, float]) -> None:
    rank, error = block_error.worst_error(row["tolerance"])
    assert rank == row["rank"]
    assert error == pytest.approx(row["error"], rel=0.01, abs=1e-14)
    assert error <= math.sqrt(2) * row["tolerance"]


def test_the_committed_costs_are_those_of_the_code() -> None:
    assert [block_error.cost(row["seq_len"], row["ratio"]) for row in FOUND["costs"]] == FOUND["costs"]


@pytest.mark.parametrize("tolerance", [1e-2, 1e-5])
@pytest.mark.parametrize(
    ("seq_len", "n_kept", "block", "across"),
    [(96, 24, 8, "slots"), (105, 40, 7, "slots"), (96, 96, 16, "slots"), (100, 13, 16, "gemm"), (97, 97, 9, "gemm")],
)
def test_no_coefficient_is_further_off_than_the_bound(
    tolerance: float, seq_len: int, n_kept: int, block: int, across: str
) -> None:
    made = {"slots": BlockSlotsDct, "gemm": BlockGemmDct}[across]
    transform = made(seq_len, n_kept, block=block, tolerance=tolerance, dtype=torch.float64)
    exact = scipy.fft.dct(np.eye(seq_len), axis=0, norm="ortho")[:n_kept]
    difference = transform(torch.eye(seq_len, dtype=torch.float64)).numpy() - exact
    assert np.linalg.norm(difference, axis=1).max() <= math.sqrt(2) * tolerance
