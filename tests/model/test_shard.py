"""Shards as text and as sets."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench.errors import UsageError
from dctbench.model import Shards
from dctbench.text.parse import parse_shard

SHARDS = st.integers(1, 50).flatmap(
    lambda of: st.builds(Shards, st.frozensets(st.integers(1, of), min_size=1), st.just(of))
)


@given(SHARDS)
def test_what_is_written_is_read_back(shards: Shards) -> None:
    assert Shards.read(str(shards)) == shards


@given(st.text(alphabet="0123456789,/ -x", max_size=12))
def test_any_text_is_either_a_shard_or_refused_in_a_sentence(text: str) -> None:
    numbers = [int(part) for part in text.split("/")] if re.fullmatch(r" *[0-9]{1,5}/[0-9]{1,5} *", text) else [0, 0]
    if len(numbers) == 2 and 1 <= numbers[0] <= numbers[1]:
        assert parse_shard(text, "--shard") == Shards(frozenset({numbers[0]}), numbers[1])
    else:
        with pytest.raises(UsageError, match=r"^--shard "):
            parse_shard(text, "--shard")


@pytest.mark.parametrize("value", ["0/3", "4/3", "1/0", "1,2", "/", "", None, 3, "1/1000001"])
def test_a_stored_value_of_another_kind_is_no_shard(value: object) -> None:
    assert Shards.read(value) is None


def test_shards_come_together_until_they_are_the_whole() -> None:
    one, two, three = (Shards(frozenset({number}), 3) for number in (1, 2, 3))
    assert (str(one | three), (one | three).whole, (one | three | two).whole) == ("1,3/3", False, True)
