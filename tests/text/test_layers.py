"""The text of `--layers`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench.errors import UsageError
from dctbench.text.layers import checked_layers, chosen_layers


@given(st.lists(st.integers(0, 9999), min_size=1, max_size=20))
def test_a_list_is_sorted_and_each_number_stands_once(numbers: list[int]) -> None:
    text = checked_layers(" , ".join(map(str, numbers)))
    assert text == ",".join(map(str, sorted(set(numbers))))
    assert checked_layers(text) == text
    assert chosen_layers(text, 10_000) == sorted(set(numbers))


@given(st.integers(0, 50), st.integers(1, 50))
def test_from_a_layer_on(first: int, count: int) -> None:
    if first < count:
        assert chosen_layers(f"{first}..", count) == list(range(first, count))
    else:
        with pytest.raises(UsageError, match=f"the model has {count} attentions? that"):
            chosen_layers(f"{first}..", count)


def test_no_text_is_all() -> None:
    assert chosen_layers(None, 3) == [0, 1, 2]


@pytest.mark.parametrize("text", ["", "a", "1,", "..3", "1..3", "-1", "1.5", "1e3", "99999"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a list of layers"):
        checked_layers(text)
