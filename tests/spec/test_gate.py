"""The cases to which budgets apply: `--at`, with the names of the axis flags."""

from __future__ import annotations

import pytest

from dctbench.errors import UsageError
from dctbench.spec import gate


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("seq=4k,ratio=8", {"seq_len": 4096, "ratio": 8}),
        ("device=cuda", {"device": "cuda:0"}),
        ("dtype=fp16", {"dtype": "float16"}),
        ("impl=package.module:Layer", {"implementation": "package.module:Layer"}),
        ("impl=dct-x, mode=train", {"implementation": "dct-x", "mode": "train"}),
    ],
)
def test_a_place_is_named_as_by_the_flags_and_found_by_the_fields_of_a_case(
    text: str, found: dict[str, object]
) -> None:
    assert gate.at([text]) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seq=512..2048", "one value of an axis at a time"),
        ("impl=dct*", "one value of an axis at a time"),
        ("impl=dtc-x", "dtc-x"),
        ("mode=sideways", "sideways"),
        ("length=4096", "not AXIS=VALUE"),
        ("seq", "not AXIS=VALUE"),
        ("seq=", "not AXIS=VALUE"),
    ],
)
def test_a_text_that_names_no_single_place_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        gate.at([text])
    assert words in refused.value.message
    assert refused.value.hint
