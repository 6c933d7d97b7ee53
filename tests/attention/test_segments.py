"""Means over segments against their definition: position j of n is in segment floor(j count / n)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dctbench.attention.segments import segment_means, segment_table


@given(data=st.data(), seq_len=st.integers(1, 40), masked=st.booleans(), seed=st.integers(0, 1000))
def test_means_are_those_of_the_real_tokens_of_each_segment(
    data: st.DataObject, seq_len: int, masked: bool, seed: int
) -> None:
    count = data.draw(st.integers(1, seq_len))
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, seq_len, 3))
    real = rng.random((2, seq_len)) < 0.6 if masked else np.ones((2, seq_len), bool)
    means, occupied = segment_means(
        torch.from_numpy(x), segment_table(seq_len, count), torch.from_numpy(real) if masked else None
    )
    segment = np.arange(seq_len) * count // seq_len
    for sample in range(2):
        for number in range(count):
            members = x[sample, (segment == number) & real[sample]]
            expected = members.mean(0) if len(members) else np.zeros(3)
            assert means[sample, number].numpy() == pytest.approx(expected, abs=1e-12)
            assert occupied is None or occupied[sample, number].item() == (len(members) > 0)
    assert (occupied is None) != masked


def test_a_filler_adds_nothing_even_where_the_row_in_its_place_is_infinite() -> None:
    x = torch.tensor([[1.0], [3.0], [5.0], [7.0], [torch.inf]])
    means, _ = segment_means(x, segment_table(5, 2), None)  # positions 0 to 2 and 3 to 4
    assert means[0, 0] == 3.0
