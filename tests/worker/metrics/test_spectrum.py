"""The spectrum of an input against SciPy's transform, and against windows that are averaged by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
import torch

from dctbench.errors import UnsupportedError
from dctbench.worker.metrics.spectrum import spectrum


@pytest.mark.parametrize("length", [24, 30])
def test_shares_are_those_of_scipys_dct_without_the_mean(length: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, length, 3)).cumsum(axis=1) + 5
    found = spectrum({"x": torch.from_numpy(x)})
    energy = scipy.fft.dct(x, type=2, norm="ortho", axis=1)[:, 1:] ** 2
    assert found.kept == tuple(dict.fromkeys(-(-length // ratio) for ratio in (64, 32, 16, 8, 4, 2)))
    for kept, share in zip(found.kept, found.dct["x"], strict=True):
        assert share == pytest.approx(energy[:, : kept - 1].sum() / energy.sum(), abs=1e-12)


def test_windows_keep_what_is_left_when_each_becomes_its_mean() -> None:
    x = np.random.default_rng(1).standard_normal((1, 10, 2))
    found = spectrum({"v": torch.from_numpy(x)})
    centred = x - x.mean(axis=1, keepdims=True)
    for kept, share in zip(found.kept, found.pool["v"], strict=True):
        windows = [np.flatnonzero(np.arange(10) * kept // 10 == window) for window in range(kept)]
        smooth = np.concatenate([np.repeat(centred[:, w].mean(axis=1, keepdims=True), len(w), 1) for w in windows], 1)
        assert share == pytest.approx((smooth**2).sum() / (centred**2).sum(), abs=1e-12)


def test_a_pure_cosine_is_in_its_own_coefficient() -> None:
    wave = torch.cos(torch.pi * 3 * (torch.arange(32, dtype=torch.float64) + 0.5) / 32)
    found = spectrum({"x": 7 + wave[None, :, None]})
    assert dict(zip(found.kept, found.dct["x"], strict=True)) == pytest.approx({1: 0, 2: 0, 4: 1, 8: 1, 16: 1})


def test_what_never_changes_and_one_token_have_no_spectrum() -> None:
    with pytest.raises(UnsupportedError, match="constant along the sequence"):
        spectrum({"x": torch.full((1, 8, 2), 3.0)})
    with pytest.raises(UnsupportedError, match="one token has no spectrum"):
        spectrum({"x": torch.ones(1, 1, 2)})
