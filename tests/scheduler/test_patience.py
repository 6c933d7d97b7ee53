"""Which trainings are made once more, several times as long."""

from __future__ import annotations

from dctbench.scheduler.patience import longer_trainings
from tests.support.trained import learned, trained

REFERENCE = trained("sdpa", [0.9, 0.91, 0.92])
CONTROL = trained("none", [0.1, 0.11, 0.12])
SHORT = trained("dct-x", [0.5, 0.51, 0.52], ratio=4)
OTHERS = [trained("linear", [0.9, 0.91, 0.92]), trained("pool", [0.3, 0.31, 0.32], ratio=4)]
NEAR = trained("dct-x", [0.86, 0.87, 0.88], ratio=2)


def test_what_falls_short_is_trained_longer_beside_exact_attention_and_nothing_else_is() -> None:
    found = longer_trainings(learned(REFERENCE, CONTROL, SHORT, *OTHERS), 4)
    assert [(case.implementation, case.ratio, case.task) for case in found] == [
        ("sdpa", None, "mnist1d/4x"), ("dct-x", 4, "mnist1d/4x"), ("pool", 4, "mnist1d/4x"),
    ]  # fmt: skip


def test_what_fell_short_by_a_blind_choice_of_rate_is_trained_longer() -> None:
    unknown = trained("dct-x", [0.5, 0.51, 0.52], ratio=4, blind=(1, 2, 3))
    found = longer_trainings(learned(REFERENCE, CONTROL, unknown), 4)
    assert [case.implementation for case in found] == ["sdpa", "dct-x"]


def test_nothing_is_trained_longer_where_nothing_falls_short_or_the_task_says_nothing() -> None:
    assert longer_trainings(learned(REFERENCE, CONTROL, OTHERS[0]), 4) == []
    assert longer_trainings(learned(REFERENCE, SHORT), 4) == []


def test_longer_is_longer_than_the_trainings_of_the_run() -> None:
    summaries = learned(
        trained("sdpa", [0.9, 0.91, 0.92], task="mnist1d/8x"),
        trained("none", [0.1, 0.11, 0.12], task="mnist1d/8x"),
        trained("dct-x", [0.5, 0.51, 0.52], ratio=4, task="mnist1d/8x"),
    )
    assert [case.task for case in longer_trainings(summaries, 4)] == ["mnist1d/32x", "mnist1d/32x"]
    assert longer_trainings(summaries, 1000) == []


def test_the_margin_decides_what_falls_short() -> None:
    summaries = learned(REFERENCE, CONTROL, NEAR)
    assert [case.implementation for case in longer_trainings(summaries, 2)] == ["sdpa", "dct-x"]
    assert longer_trainings(summaries, 2, margin=0.1) == []
