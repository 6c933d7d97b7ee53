"""Every algorithm against scipy's float64 DCT and the identities of the transform."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dctbench.errors import UsageError
from dctbench.transforms import BasisDct, BlockGemmDct, BlockSlotsDct, Resampler, RfftDct, TruncatedDct

Make = Callable[..., TruncatedDct]


def slots(seq_len: int, n_kept: int, **options: object) -> BlockSlotsDct:
    """Return the two-stage transform with the largest divisor up to 64 as block length."""
    block = max(b for b in range(1, min(64, seq_len) + 1) if seq_len % b == 0)
    return BlockSlotsDct(seq_len, n_kept, block=block, **options)  # type: ignore[arg-type]


def gemm(seq_len: int, n_kept: int, **options: object) -> BlockGemmDct:
    """Return the one-stage transform with a block length that rarely divides the length."""
    return BlockGemmDct(seq_len, n_kept, block=min(48, seq_len), **options)  # type: ignore[arg-type]


def padded_slots(seq_len: int, n_kept: int, **options: object) -> BlockSlotsDct:
    """Return `slots` with tables for tensor cores."""
    return slots(seq_len, n_kept, alignment=8, **options)


def padded_gemm(seq_len: int, n_kept: int, **options: object) -> BlockGemmDct:
    """Return `gemm` with tables for tensor cores."""
    return gemm(seq_len, n_kept, alignment=8, **options)


ALGORITHMS = [BasisDct, RfftDct, slots, gemm, padded_slots, padded_gemm]
every = pytest.mark.parametrize("make", ALGORITHMS, ids=lambda make: getattr(make, "algorithm", make.__name__))


def normal(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def exact_dct(x: Tensor, n_kept: int) -> Tensor:
    """Return the first coefficients by scipy, in float64."""
    return torch.from_numpy(scipy.fft.dct(x.double().numpy(), type=2, norm="ortho", axis=-2)[..., :n_kept, :])


def exact_inverse(z: Tensor, seq_len: int) -> Tensor:
    """Return the inverse of zero-padded coefficients by scipy, in float64."""
    padded = np.zeros((*z.shape[:-2], seq_len, z.shape[-1]))
    padded[..., : z.shape[-2], :] = z.double().numpy()
    return torch.from_numpy(scipy.fft.idct(padded, type=2, norm="ortho", axis=-2))


def errors(transform: TruncatedDct, batch: int = 1, columns: int = 5) -> tuple[float, float]:
    """Return the largest error of the forward and of the inverse transform on N(0, 1)."""
    dtype = transform.like.dtype
    x = normal(batch, transform.seq_len, columns, dtype=dtype)
    z = normal(batch, transform.n_kept, columns, dtype=dtype, seed=1)
    forward = transform(x).double() - exact_dct(x, transform.n_kept)
    inverse = transform.inverse(z).double() - exact_inverse(z, transform.seq_len)
    return forward.abs().max().item(), inverse.abs().max().item()


# Accuracy

SHAPES = [
    (1, 1),
    (2, 1),
    (2, 2),
    (3, 2),
    (7, 7),
    (16, 5),
    (64, 64),
    (97, 30),
    (1000, 125),
    (1001, 1001),
    (997, 125),
    (4095, 512),
]


@every
@pytest.mark.parametrize(("seq_len", "n_kept"), SHAPES)
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 5e-6), (torch.float64, 1e-11)], ids=str)
def test_equals_scipy(make: Make, seq_len: int, n_kept: int, dtype: torch.dtype, allowed: float) -> None:
    assert max(errors(make(seq_len, n_kept, dtype=dtype), batch=2)) <= allowed


@every
@pytest.mark.parametrize(("seq_len", "n_kept"), [(16_384, 256), (65_536, 128)])
def test_equals_scipy_at_long_lengths(make: Make, seq_len: int, n_kept: int) -> None:
    assert max(errors(make(seq_len, n_kept), columns=16)) <= 5e-6


@pytest.mark.parametrize(("seq_len", "n_kept", "block"), [(8192, 1024, 128), (65_536, 8192, 256), (6000, 750, 120)])
def test_two_stages_equal_scipy_where_they_are_used(seq_len: int, n_kept: int, block: int) -> None:
    assert max(errors(BlockSlotsDct(seq_len, n_kept, block=block), columns=8)) <= 5e-6


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.bfloat16, 1e-2), (torch.float16, 2e-3)], ids=str)
@every
def test_half_precision_is_as_accurate_as_its_rounding(make: Make, dtype: torch.dtype, allowed: float) -> None:
    transform = make(512, 64, dtype=dtype)
    x, z = normal(2, 512, 16, dtype=dtype), normal(2, 64, 16, dtype=dtype)
    for y, exact in ((transform(x), exact_dct(x, 64)), (transform.inverse(z), exact_inverse(z, 512))):
        assert y.dtype == dtype
        assert (y.double() - exact).norm() / exact.norm() <= allowed


@given(data=st.data(), seq_len=st.integers(1, 400), make=st.sampled_from(ALGORITHMS), batch=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_any_shape_equals_scipy_and_the_inverse_is_the_adjoint(
    data: st.DataObject, seq_len: int, make: Make, batch: int
) -> None:
    n_kept = data.draw(st.integers(1, seq_len))
    transform = make(seq_len, n_kept, dtype=torch.float64)
    assert max(errors(transform, batch, columns=3)) <= 1e-11
    x, z = normal(batch, seq_len, 3, dtype=torch.float64), normal(batch, n_kept, 3, dtype=torch.float64, seed=1)
    for ordered in (True, False):
        left, right = (transform(x, ordered=ordered) * z).sum(), (x * transform.inverse(z, ordered=ordered)).sum()
        assert left.item() == pytest.approx(right.item(), rel=1e-9, abs=1e-9)


@given(data=st.data(), blocks=st.integers(1, 40), block=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_two_stages_are_right_for_every_block(data: st.DataObject, blocks: int, block: int) -> None:
    n_kept = data.draw(st.integers(1, blocks * block))
    transform = BlockSlotsDct(blocks * block, n_kept, block=block, dtype=torch.float64)
    assert max(errors(transform, columns=2)) <= 1e-11


# Order of the rows


@every
@pytest.mark.parametrize(("seq_len", "n_kept"), [(512, 64), (512, 50), (500, 9)])
def test_rows_in_their_own_order_are_the_same_rows_with_dc_first(make: Make, seq_len: int, n_kept: int) -> None:
    transform = make(seq_len, n_kept, dtype=torch.float64)
    x = normal(1, seq_len, 1, dtype=torch.float64)
    natural, own = transform(x), transform(x, ordered=False)
    torch.testing.assert_close(own.flatten().sort().values, natural.flatten().sort().values)
    torch.testing.assert_close(own[:, 0], natural[:, 0])
    torch.testing.assert_close(transform.inverse(own, ordered=False), transform.inverse(natural))


# In a network


@every
def test_gradients_are_the_adjoint_and_have_gradients(make: Make) -> None:
    transform = make(30, 8, dtype=torch.float64)
    x = normal(2, 30, 3, dtype=torch.float64).requires_grad_()
    z = normal(2, 8, 3, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(transform, (x,), fast_mode=True)
    assert torch.autograd.gradcheck(transform.inverse, (z,), fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: transform(x).sin(), (x,), fast_mode=True)


@every
def test_leading_dimensions_are_a_batch(make: Make) -> None:
    transform = make(30, 8, dtype=torch.float64)
    x = normal(2, 3, 30, 4, dtype=torch.float64)
    torch.testing.assert_close(transform(x), exact_dct(x, 8))
    torch.testing.assert_close(transform(x[0, 0]), exact_dct(x[0, 0], 8))
    torch.testing.assert_close(transform.inverse(transform(x)), exact_inverse(exact_dct(x, 8), 30))


@every
def test_an_empty_batch_gives_an_empty_output_and_an_empty_gradient(make: Make) -> None:
    transform = make(30, 8)
    x = normal(0, 30, 4).requires_grad_()
    z = transform(x)
    assert z.shape == (0, 8, 4)
    y = transform.inverse(z)
    assert y.shape == (0, 30, 4)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.shape == x.shape


@every
def test_views_are_transformed_like_their_copies(make: Make) -> None:
    transform = make(32, 8)
    wide = normal(4, 40, 32).transpose(1, 2)[1::2, :, 3:10]  # (2, 32, 7)
    torch.testing.assert_close(transform(wide), transform(wide.contiguous()))
    narrow = normal(2, 7, 8).transpose(1, 2)
    torch.testing.assert_close(transform.inverse(narrow), transform.inverse(narrow.contiguous()))


@every
def test_tables_follow_the_module_and_stay_out_of_its_state(make: Make) -> None:
    transform = make(200, 25)
    assert not transform.state_dict()
    assert max(errors(copy.deepcopy(transform).double(), columns=3)) <= 1e-11  # rebuilt, not converted
    assert max(errors(make(200, 25, device="meta").to_empty(device="cpu"), columns=3)) <= 5e-6
    assert transform.table_bytes == sum(table.nbytes for table in transform.buffers())


@every
def test_runs_on_meta_and_in_inference_mode(make: Make) -> None:
    assert make(200, 25, device="meta")(torch.empty(2, 200, 3, device="meta")).shape == (2, 25, 3)
    with torch.inference_mode():
        assert max(errors(make(200, 25))) <= 5e-6


@every
def test_other_lengths_are_refused(make: Make) -> None:
    transform = make(30, 8)
    with pytest.raises(UsageError, match="30"):
        transform(normal(1, 31, 2))
    with pytest.raises(UsageError, match="8"):
        transform.inverse(normal(1, 30, 2))
    for n_kept in (0, 31):
        with pytest.raises(UsageError, match="keeps 1 to 30"):
            make(30, n_kept)


# Resampling


def test_resampling_keeps_constants_and_at_equal_length_everything() -> None:
    resampler = Resampler(60, 12, 3, dtype=torch.float64)
    ones = torch.ones(1, 60, 3, dtype=torch.float64)
    torch.testing.assert_close(resampler(ones), ones[:, :12])
    torch.testing.assert_close(resampler.inverse(ones[:, :12]), ones)
    z = normal(1, 12, 3, dtype=torch.float64)
    torch.testing.assert_close(resampler(resampler.inverse(z)), z)
    x = normal(1, 60, 3, dtype=torch.float64)
    torch.testing.assert_close(Resampler(60, 60, 3, dtype=torch.float64)(x), x)


def test_resampling_is_scipys_on_band_limited_rows() -> None:
    z = normal(1, 12, 2, dtype=torch.float64)
    coefficients = exact_dct(z, 12) * (60 / 12) ** 0.5
    torch.testing.assert_close(Resampler(60, 12, 2, dtype=torch.float64).inverse(z), exact_inverse(coefficients, 60))
