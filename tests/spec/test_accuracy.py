"""Accuracies as users type them."""

from __future__ import annotations

import pytest

from dctbench.analysis.accuracy import MARGIN
from dctbench.analysis.floors import AccuracyFloor
from dctbench.errors import UsageError
from dctbench.spec import suites
from dctbench.spec.accuracy import parse_floors
from dctbench.text.parse import parse_points


@pytest.mark.parametrize(
    ("text", "floor"),
    [
        ("mnist1d=sdpa-2pt", AccuracyFloor("mnist1d", "sdpa", 0.02)),
        ("mnist1d/scrambled = full-0.5 pt", AccuracyFloor("mnist1d/scrambled", "full", 0.005)),
        ("acuity=gated-delta-net-1pt", AccuracyFloor("acuity", "gated-delta-net", 0.01)),
        ("recall=90%", AccuracyFloor("recall", None, 0.9)),
        ("recall=0.5", AccuracyFloor("recall", None, 0.5)),
    ],
)
def test_a_floor_is_below_a_method_or_an_accuracy_of_its_own(text: str, floor: AccuracyFloor) -> None:
    assert parse_floors([text]) == (floor,)


def test_task_alone_means_two_points_below_sdpa_unless_a_floor_is_given() -> None:
    assert parse_floors(["acuity=50%"], ["mnist1d,acuity"]) == (
        AccuracyFloor("acuity", None, 0.5), AccuracyFloor("mnist1d", "sdpa", 0.02),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mnist1d", "not TASK=ACCURACY"),
        ("=sdpa-2pt", "not TASK=ACCURACY"),
        ("mnist=sdpa-2pt", "did you mean 'mnist1d'?"),
        ("mnist1d=spda-2pt", "did you mean 'sdpa"),
        ("mnist1d=150%", "no accuracy is above 100%"),
        ("mnist1d=sdpa", "not a share"),
        ("mnist1d=dct*-2pt", "names"),
        ("mnist1d=dct-kv-2pt", "dct-kv has an accuracy for each number that it keeps"),
        ("mnist1d=performer-2pt", "such as --min-accuracy mnist1d=sdpa-2pt, or an accuracy, such as"),
    ],
)
def test_a_wrong_floor_says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_floors([text])
    assert said in f"{raised.value.message} {raised.value.hint}"


def test_a_pattern_that_names_several_is_refused_with_the_remedy() -> None:
    with pytest.raises(UsageError, match=r"^--min-accuracy 'dct\*-2pt': names [0-9]+ of them$") as refused:
        parse_floors(["mnist1d=dct*-2pt"])
    assert refused.value.hint == "name one; the flag may be repeated"


def test_points_are_hundredths() -> None:
    assert parse_points("1pt", "--max-accuracy-drop") == 0.01
    with pytest.raises(UsageError, match="--max-accuracy-drop '1%': not a number of points"):
        parse_points("1%", "--max-accuracy-drop")


def test_a_suite_declares_its_margin_in_points() -> None:
    text = '[axes]\nimpl = "sdpa"\nseq = "40"\n[settings]\nmargin = "1pt"\n'
    assert suites.parse(text, "mine.toml").settings.margin == 0.01
    with pytest.raises(UsageError, match=r"mine.toml, line 5: settings.margin \(margin '1%': not a number of points"):
        suites.parse(text.replace("1pt", "1%"), "mine.toml")
    assert suites.load("accuracy").settings.margin == MARGIN
