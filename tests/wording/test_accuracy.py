"""Sentences about accuracy."""

from __future__ import annotations

import pytest

from dctbench.analysis.accuracy import Compared, Doubt, Standing, TaskResults, task_results
from dctbench.analysis.in_model import Quality
from dctbench.analysis.resolution import acuities
from dctbench.model import TaskName
from dctbench.stats.midpoint import Midpoint, midpoint
from dctbench.stats.robust import Interval
from dctbench.wording import accuracy as words
from dctbench.wording.in_model import change_words
from tests.support.trained import learned, trained, whole_suite


@pytest.fixture(scope="module")
def suite() -> dict[str, TaskResults]:
    return {str(found.task): found for found in task_results(learned(whole_suite()))}


def judged(suite: dict[str, TaskResults], task: str, method: str) -> Compared:
    return next(found for found in suite[task].methods if found.case.name == method)


def test_the_answer_of_a_task_names_what_is_as_good_at_which_ratio(suite: dict[str, TaskResults]) -> None:
    assert words.headline(suite["mnist1d"]) == (
        "On mnist1d, n = 40, dct-x r=4 and pool r=4 are as good as sdpa, within 2 points (3 seeds, a look)"
    )
    assert words.headline(suite["mnist1d/scrambled"]) == (
        "On mnist1d scrambled, n = 40, no method is shown to be as good as sdpa, within 2 points (3 seeds, a look)"
    )


def test_a_task_that_says_nothing_says_why(suite: dict[str, TaskResults]) -> None:
    assert words.headline(suite["masked-bytes"]) == (
        "On masked-bytes, n = 256, this task says nothing: sdpa gains +1.0 points (+0.8 to +1.2) over none, and a task "
        "must surely show more than 8 points"
    )


def test_a_blind_choice_of_learning_rates_is_told() -> None:
    [found] = task_results(learned(
        trained("sdpa", [0.8, 0.82, 0.81]), trained("none", [0.3, 0.31, 0.32]),
        trained("dct-x", [0.5, 0.52, 0.51], ratio=4, blind=(1, 3)),
    ))  # fmt: skip
    one = next(found for found in found.methods if found.case.implementation == "dct-x")
    assert words.standing_words(one).startswith("undecided, -30.0 points")
    assert "its learning rates were chosen blindly in half of the seeds or more; longer training tells" in words.doubts(
        one
    )
    assert words.remarks(one.score) == ["no learning rate did better than a guess when one was chosen, in 2 of 3"]


def test_a_method_is_told_with_its_verdict_its_share_and_its_failures(suite: dict[str, TaskResults]) -> None:
    better = judged(suite, "mnist1d", "dct-x r=4")
    assert better.kept is not None
    assert words.standing_words(better) == "better, +4.0 points (+3.0 to +5.0)"
    assert words.kept_words(better.kept) == "110% (107% to 112%)"
    assert words.remarks(better.score) == ["the best learning rate was at the edge of the grid in 1 of 3"]
    worse = judged(suite, "mnist1d/scrambled", "pool r=4")
    assert words.standing_words(worse) == "worse, -6.0 points (-7.0 to -5.0)"
    failed = judged(suite, "mnist1d", "linformer r=4")
    assert words.standing_words(failed).startswith("undecided, ")
    assert {"these seeds do not tell", "solved in 1 of 3"} <= set(words.doubts(failed))
    assert "1 of 3 trainings failed (crashed) and counted at the floor" in words.remarks(failed.score)


def test_what_a_layer_was_trained_with_is_told_with_its_accuracy() -> None:
    [found] = task_results(learned(
        trained("sdpa", [0.8, 0.82, 0.81]), trained("none", [0.3, 0.31, 0.32]),
        trained("nystromformer", [0.8, 0.82, 0.81], ratio=4, options={"convolution": 33}),
    ))  # fmt: skip
    assert words.headline(found).startswith(
        "On mnist1d, n = 40, nystromformer r=4 (with a convolution of 33 taps) is as good as sdpa"
    )
    [one] = [found for found in found.methods if found.case.implementation == "nystromformer"]
    assert words.remarks(one.score) == ["trained with a convolution of 33 taps, which latency and error leave out"]


def test_of_several_ratios_those_that_were_trained_and_held_are_listed() -> None:
    good = [0.8, 0.82, 0.81]
    [found] = task_results(learned(
        trained("sdpa", good), trained("none", [0.3, 0.31, 0.32]),
        *(trained("dct-x", good, ratio=ratio) for ratio in (2, 4)), trained("dct-x", [0.5, 0.51, 0.52], ratio=8),
        *(trained("nystromformer", good, kept=kept, options={"convolution": 33}) for kept in (16, 8)),
        *(trained("pool", [0.5, 0.51, 0.52] if ratio == 4 else good, ratio=ratio) for ratio in (2, 4)),
    ))  # fmt: skip
    assert words.headline(found) == (
        "On mnist1d, n = 40, dct-x (r=2, r=4), pool r=2 and nystromformer (kept=16, kept=8; with a convolution "
        "of 33 taps) are as good as sdpa, within 2 points (3 seeds, a look)"
    )


def test_ten_seeds_are_no_look() -> None:
    ten = [0.8] * 10
    [found] = task_results(learned(trained("sdpa", ten), trained("none", [0.3] * 10), trained("dct-x", ten, ratio=4)))
    assert words.headline(found) == ("On mnist1d, n = 40, dct-x r=4 is as good as sdpa, within 2 points (10 seeds)")


def test_a_claim_rests_on_the_fewest_seeds_of_those_that_it_names() -> None:
    ten, three = [0.8, 0.81] * 5, [0.8, 0.81, 0.8]
    known = [trained("sdpa", ten), trained("none", [0.3, 0.31] * 5), trained("pool", [0.6, 0.62] * 5, ratio=4)]
    [found] = task_results(learned(*known, trained("dct-x", three, ratio=4)))
    good = "dct-x r=4 is as good as sdpa, within 2 points"
    assert words.headline(found) == f"On mnist1d, n = 40, {good} (3 seeds, a look)"
    [found] = task_results(learned(*known, trained("dct-x", ten, ratio=4), trained("linformer", [0.4, 0.5], ratio=4)))
    assert words.headline(found) == f"On mnist1d, n = 40, {good} (10 seeds)"
    [found] = task_results(learned(*known, trained("linformer", [0.4, 0.5], ratio=4)))
    assert words.headline(found) == (
        "On mnist1d, n = 40, no method is shown to be as good as sdpa, within 2 points (2 seeds, a look)"
    )


def test_seeds_without_a_counterpart_are_told_with_the_means_that_the_verdict_compares() -> None:
    summaries = learned(
        trained("sdpa", [0.8, 0.82]), trained("none", [0.3, 0.31]), trained("dct-x", [0.8, 0.84, 0.2], ratio=4)
    )
    [found] = task_results(summaries)
    said = {one.case.name: [line for line in words.doubts(one) if "both" in line] for one in found.methods}
    assert said == {"dct-x r=4": ["compared by 2 seeds of both: 0.820 against 0.810"], "none": []}  # and not 0.613


@pytest.mark.parametrize(
    ("reference", "control", "said"),
    [
        ([None, None, None], [0.3, 0.3, 0.3], "3 of 3 trainings of sdpa failed"),
        ([0.8, None, 0.8], [0.3, 0.3, 0.3], "1 of 3 trainings of sdpa failed"),
        ([0.8, 0.8, 0.8], [0.3, None, None], "2 of 3 trainings of none failed"),
        ([0.8, None], [None], "1 of 2 trainings of sdpa failed and 1 of 1 training of none failed"),
    ],
)
def test_failed_trainings_of_exact_attention_or_of_none_are_named(
    reference: list[float | None], control: list[float | None], said: str
) -> None:
    summaries = learned(
        trained("sdpa", reference), trained("none", control), trained("dct-x", [0.8] * len(reference), ratio=4)
    )
    [found] = task_results(summaries)
    assert words.headline(found) == f"On mnist1d, n = 40, {said}, so no method can be judged"
    one = next(one for one in found.methods if one.case.ratio == 4)
    assert words.doubts(one) == ["trainings of exact attention or of none failed"]


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ((("dct-x", 3),), "exact attention was not trained, so no method can be judged"),
        ((("sdpa", 3), ("dct-x", 3)), "none was not trained, so nothing shows whether the task needs attention"),
        ((("sdpa", 1), ("none", 1)), "one seed tells nothing apart"),
    ],
)
def test_what_is_missing_is_said(cases: tuple[tuple[str, int], ...], said: str) -> None:
    [found] = task_results(learned(*(trained(name, [0.8] * count) for name, count in cases)))
    assert words.headline(found) == f"On mnist1d, n = 40, {said}"


def test_slow_is_explained_by_the_longer_training() -> None:
    [found] = task_results(
        learned(
            trained("sdpa", [0.8, 0.82, 0.81]), trained("none", [0.3, 0.3, 0.3]),
            trained("dct-x", [0.5, 0.52, 0.51], ratio=2),
            trained("sdpa", [0.9], task="mnist1d/4x"), trained("dct-x", [0.9], task="mnist1d/4x", ratio=2),
        )
    )  # fmt: skip
    text = next(words.standing_words(one) for one in found.methods if one.case.ratio == 2)
    assert text.startswith("slow, 0.0 points after longer training, -30.0 points (-30.2 to -29.8)")


def test_what_is_as_good_only_by_itself_is_said() -> None:
    seeds = {2: [0.5, 0.51, 0.5], 4: [0.8, 0.811, 0.82], 8: [0.9, 0.911, 0.92]}
    known = [trained("sdpa", [0.8, 0.81, 0.82]), trained("none", [0.3, 0.31, 0.3])]
    [found] = task_results(learned(*known, *(trained("dct-x", seeds[ratio], ratio=ratio) for ratio in seeds)))
    said = {one.case.ratio: words.doubts(one) for one in found.methods if one.case.ratio}
    assert said == {
        2: [],
        4: ["as good by itself, but not in the joint test of all methods"],
        8: ["better by itself, but not in the joint test of all methods"],
    }
    assert "no method is shown to be as good as sdpa" in words.headline(found)


def test_every_standing_has_a_word_and_every_doubt_a_sentence() -> None:
    assert words.DOUBTS.keys() == set(Doubt)
    assert words.STANDINGS.keys() == set(Standing)
    assert len(set(words.STANDINGS.values())) == len(Standing)


def test_a_task_name_is_words() -> None:
    assert words.task_words(TaskName.parse("acuity/shift/scrambled/4x")) == "acuity shift scrambled 4x"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Midpoint(2.83, 2.5, 3.2, None, 1, 16, 3), "2.8 tokens (2.5 to 3.2)"),
        (Midpoint(1.2, None, 1.5, None, 1, 16, 3), "1.2 tokens (below 1 to 1.5)"),
        (Midpoint(14.0, 12.0, None, None, 1, 16, 3), "14.0 tokens (12.0 to above 16)"),
        (Midpoint(2.83, None, None, None, 1, 16, 1), "2.8 tokens"),
        (Midpoint(3.5, None, None, None, 1, 16, 2), "3.5 tokens (below 1 to above 16)"),
        (Midpoint(None, None, 1, "finer", 1, 16, 3), "finer than 1 token"),
        (Midpoint(None, 16, None, "coarser", 1, 16, 3), "coarser than 16 tokens"),
        (Midpoint(None, None, 12.3, "finer", 1, 16, 3), "finer than 1 token (below 1 to 12.3)"),
        (Midpoint(None, 9.0, None, "coarser", 1, 16, 3), "coarser than 16 tokens (9.0 to above 16)"),
        (Midpoint(None, None, None, "finer", 1, 16, 1), "finer than 1 token (one seed)"),
        (None, "not measured"),
    ],
)
def test_a_resolution_is_told_with_its_interval_or_its_side(found: Midpoint | None, said: str) -> None:
    assert words.resolution_words(found) == said


def test_an_interval_beyond_both_ends_is_told() -> None:
    found = midpoint((1, 16), [(0.1, 0.9), (0.4, 0.5)])
    assert words.resolution_words(found).endswith(" tokens (below 1 to above 16)")
    alone = midpoint((1, 16), [(0.1, 0.9)])
    assert words.resolution_words(alone) == "4.0 tokens"  # halfway on the logarithm


def test_the_resolution_of_each_method_is_told(suite: dict[str, TaskResults]) -> None:
    told = {one.case.name: words.resolution_words(one.resolution) for one in acuities(suite["acuity"])}
    assert told["sdpa"] == "finer than 1 token"
    assert told["none"] == "coarser than 16 tokens"
    assert told["dct-x r=4"].startswith("1.3 tokens (")


def test_lengths_of_trainings_are_named_unless_they_are_those_that_are_decided_for() -> None:
    found = task_results(
        learned(
            *(trained(name, [mean, mean + 0.01, mean + 0.02], task=task, seq_len=n)
              for task, n in (("mnist1d", 40), ("recall", 64), ("acuity", 64))
              for name, mean in (("sdpa", 0.8), ("none", 0.3)))
        )
    )  # fmt: skip
    assert words.lengths_note(found, [4096]) == (
        "accuracy is of trainings at n = 40 (mnist1d) and n = 64 (acuity, recall), and not shown at other lengths"
    )
    assert words.lengths_note([one for one in found if one.case.seq_len == 64], [64]) is None
    assert words.lengths_note([], [64]) is None
    assert words.lengths_note(found, [40, 64]) == words.lengths_note(found, [4096])  # no task covers both


def test_a_difference_that_rounds_to_nothing_has_no_sign() -> None:
    assert [words.points(share) for share in (-0.0001, 0.0001, 0.012, -0.5)] == ["0.0", "0.0", "+1.2", "-50.0"]


@pytest.mark.parametrize(
    ("counts", "said"),
    [([1], "1 seed, a look"), ([2, 1], "1 to 2 seeds, a look"), ([3, 12], "3 to 12 seeds, a look"),
     ([12, 10], "10 to 12 seeds"), ([10], "10 seeds")],
)  # fmt: skip
def test_seeds_are_a_claim_from_ten_on(counts: list[int], said: str) -> None:
    assert words.range_of_seeds(counts) == said


def test_a_zero_has_no_sign() -> None:
    assert words.kept_words(Interval(-0.003, -0.02, 0.003)) == "0% (-2% to 0%)"
    assert change_words(Quality(0.5, None, Interval(-0.0003, -0.0004, 0.0012), None)) == "0.0 points (0.0 to +0.1)"
