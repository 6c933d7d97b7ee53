"""FNet against Lee-Thorp et al. 2021, section 3.2, by the matrix of the discrete Fourier transform."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from numpy.typing import NDArray

from dctbench.attention import build
from tests.support.definitions import Shape, array, assert_real_rows_close, drawn, shapes


def fourier(n: int) -> NDArray[np.complex128]:
    k = np.arange(n)
    matrix: NDArray[np.complex128] = np.exp(-2j * np.pi * np.outer(k, k) / n)
    return matrix


@given(shape=shapes())
@drawn
def test_equals_its_definition(shape: Shape) -> None:
    layer = build("fnet", **shape.sizes, dtype=torch.float64)
    x, mask = shape.x(), shape.mask()
    rows = array(x) if mask is None else array(x) * mask.numpy()[..., None]
    expected = np.stack([(fourier(shape.seq_len) @ row @ fourier(shape.dim)).real for row in rows])
    assert_real_rows_close(layer(x, mask), expected, mask)


def test_it_has_no_parameters() -> None:
    assert not list(build("fnet", seq_len=4, dim=4, heads=1).parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_transformed_in_float32(dtype: torch.dtype) -> None:
    x = torch.randn(2, 30, 12).to(dtype)
    layer = build("fnet", seq_len=30, dim=12, heads=2)
    assert torch.equal(layer(x), layer(x.float()).to(dtype))
