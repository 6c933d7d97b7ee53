"""Names of tasks: one spelling for each, whatever the order of its variants, and a reason for what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench.model import Case, TaskFacts, TaskName

BASES = st.sampled_from(["mnist1d", "masked-photo", "my.package:Task", "a"])
WORDS = st.lists(st.sampled_from(["shift", "wide", "scrambled", "4x", "12x"]), unique=True)


@given(BASES, WORDS, st.randoms())
def test_the_order_of_variants_does_not_matter_and_the_spelling_is_stable(base: str, words: list[str], order) -> None:
    if {"4x", "12x"} <= set(words):
        words.remove("12x")
    name = TaskName.parse("/".join([base, *words]))
    order.shuffle(words)
    assert TaskName.parse("/".join([base, *words])) == name
    assert TaskName.parse(str(name)) == name
    assert (name.base, name.scrambled, name.patience) == (base, "scrambled" in words, 4 if "4x" in words else
                                                          12 if "12x" in words else 1)  # fmt: skip
    assert set(name.variants) == set(words) & {"shift", "wide"}


@given(st.text(max_size=30))
def test_any_other_text_is_a_value_error_or_has_one_spelling(text: str) -> None:
    try:
        name = TaskName.parse(text)
    except ValueError:
        return
    assert TaskName.parse(str(name)) == name


@pytest.mark.parametrize(
    "text", ["", "/4x", "mnist1d/", "mnist1d/1x", "mnist1d/4x/8x", "mnist1d/4x/4x", "a/scrambled/scrambled", "a b",
             "a/2000x", "../x", "a:1", "a/Shift"]
)  # fmt: skip
def test_what_is_no_task_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"a task is a name|is no variant"):
        TaskName.parse(text)


def test_patience_multiplies_the_steps() -> None:
    facts = TaskFacts(seq_len=8, batch=2, steps=100, classes=2, floor=0.5)
    assert facts.full_steps(TaskName.parse("own/4x")) == 400
    assert facts.guess == 0.5


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"floor": 1.5}, {"classes": True}, {"slices": ("a", "a")}])
def test_facts_outside_their_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        TaskFacts(**{"seq_len": 8, "batch": 2, "steps": 100, "classes": 2, "floor": 0.5, **wrong})  # type: ignore[arg-type]


def test_the_timed_case_of_a_training_has_its_shape() -> None:
    trained = Case("dct-x", 64, ratio=4, batch=32, heads=4, head_dim=16, scope="encoder", mode="train", task="acuity")
    assert trained.layer_case == Case("dct-x", 64, ratio=4, batch=32, heads=4, head_dim=16)
