"""What other attentions do to a model: answers by codes, and the sentences of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from scipy import stats

from dctbench.analysis import summarise
from dctbench.analysis.decision import Worth
from dctbench.analysis.in_model import Answer, InModel, ModelQuality, in_models
from dctbench.model import Case, Measurement, Result
from dctbench.wording import in_model as words
from dctbench.wording.labels import Labels
from tests.support.intervals import agresti_min
from tests.support.made import result

LABELS = Labels([])
ROUNDS = 6
N = 100


def answers(right: int) -> list[float]:
    """Right answers of the first `right` of a hundred inputs."""
    return [1.0] * right + [0.0] * (N - right)


def rounds(
    name: str,
    seconds: float,
    right: int | None,
    *,
    ratio: float | None = None,
    recovered: int | None = None,
    share: float | None = None,
    model: str = "minilm",
) -> list[Result]:
    """A method in a model, with processes that differ by 1%."""
    found = []
    for number in range(1, ROUNDS + 1):
        one = result(name, 128, seconds * (1 + 0.01 * (number % 3)), ratio=ratio, round=number)
        case = replace(one.case, scope="model", model=model)
        extra: list[Measurement] = []
        if number == 1:
            extra.append(Measurement("drift.cosine", "1", (0.9, 0.8, 0.7)))
            extra += [] if right is None else [Measurement("evaluate.recall", "1", tuple(answers(right)))]
            extra += [] if share is None else [Measurement("attention.share", "1", (share,))]
        if recovered is not None:
            extra.append(Measurement("recovered.evaluate.recall", "1", tuple(answers(recovered))))
        found.append(replace(one, case=case, measurements=(*one.measurements, *extra)))
    return found


def with_exact(results: Sequence[Result], right: int, recovered: int | None = None) -> list[Result]:
    """The results with a second figure of the evaluation, which comes first by its name."""
    found = []
    for one in results:
        extra = [Measurement("evaluate.exact", "1", tuple(answers(right)))] if one.round == 1 else []
        extra += [] if recovered is None else [Measurement("recovered.evaluate.exact", "1", tuple(answers(recovered)))]
        found.append(replace(one, measurements=(*one.measurements, *extra)))
    return found


def judged_twice(method: Sequence[Result]) -> InModel:
    original = with_exact(rounds("sdpa", 10e-3, 60, share=0.4), 80)
    [found] = in_models(summarise([*original, *method]))
    assert found.judged == ("evaluate.exact", "evaluate.recall")
    return found


def judged(*methods: Sequence[Result], share: float | None = 0.4, right: int | None = 60) -> InModel:
    results = [*rounds("sdpa", 10e-3, right, share=share), *(one for method in methods for one in method)]
    [found] = in_models(summarise(results))
    return found


def test_attention_for_free_is_the_limit() -> None:
    found = judged(share=0.4)
    assert found.limit == pytest.approx(1 / 0.6)
    assert words.limit(found, LABELS) == (
        "attention takes 40% of minilm at n = 128: even free attention would make it at most 1.67x as fast"
    )
    assert judged(share=None).limit is None


def test_a_method_that_is_faster_and_keeps_the_answers_is_recommended() -> None:
    found = judged(rounds("dct-kv", 5e-3, 63, ratio=2), rounds("dct-x", 4e-3, 20, ratio=2))
    assert found.answer is Answer.REPLACE
    assert [one.summary.case.implementation for one in found.worthwhile] == ["dct-kv"]
    assert words.answer(found, LABELS).startswith("n = 128: dct-kv r=2 makes minilm 2.00x")
    assert "keeps recall" in words.answer(found, LABELS)


def test_answers_of_shapes_that_differ_in_more_than_length_say_in_what() -> None:
    both = [*rounds("sdpa", 10e-3, 60), *rounds("dct-kv", 5e-3, 63, ratio=2)]
    halves = [replace(one, case=replace(one.case, dtype="bfloat16")) for one in both]
    summaries = summarise([*both, *halves])
    labels = Labels([Case("sdpa", 64), *(summary.case for summary in summaries)])  # a layer, on the same page
    assert [words.place(found, labels) for found in in_models(summaries)] == ["n = 128, float32", "n = 128, bfloat16"]


def test_a_loss_is_claimed_of_each_figure_of_an_evaluation() -> None:
    """Two methods with two figures each: four claims."""
    original = with_exact(rounds("sdpa", 10e-3, 60), 80)
    kept, lossy = (with_exact(rounds(name, 5e-3, 55, ratio=2), 70) for name in ("dct-kv", "dct-x"))
    [found] = in_models(summarise([*original, *kept, *lossy]))
    for one in found.methods:
        together = one.quality["evaluate.exact"].together
        assert together is not None
        assert (together.low, together.high) == pytest.approx(agresti_min(answers(70), answers(80), 1 - 0.05 / 4))


def test_a_loss_that_cannot_be_excluded_is_no_recommendation() -> None:
    """Two answers of a hundred lost: the interval of the difference goes beyond two points."""
    found = judged(rounds("dct-kv", 5e-3, 58, ratio=2))
    assert found.answer is Answer.NOT_KEPT
    assert words.answer(found, LABELS).startswith("n = 128: keep sdpa: dct-kv r=2 makes minilm 2.00x")


def test_training_may_bring_the_answers_back() -> None:
    found = judged(rounds("dct-kv", 5e-3, 20, ratio=2, recovered=63))
    assert found.answer is Answer.REPLACE
    assert "keeps recall: +3.0 points (" in words.answer(found, LABELS)
    assert words.answer(found, LABELS).endswith(") after training")


def test_all_figures_of_the_evaluation_judge_and_all_are_told() -> None:
    found = judged_twice(with_exact(rounds("dct-kv", 5e-3, 40, ratio=2), 80))
    assert found.answer is Answer.NOT_KEPT
    said = words.answer(found, LABELS)
    assert "no faster method is shown to lose less than 2 points of exact and recall (dct-kv r=2, exact: 0.0" in said
    assert "), recall: -20.0 points (" in said
    quality = ModelQuality((), (found,))
    [summary] = [one.summary for one in found.methods]
    assert quality.worth(summary) is Worth.GIVES_UP
    assert words.worth_words(summary, quality).startswith("loses recall: -20.0 points (")
    assert words.quality_cell(summary, quality) == "exact 0.800, recall 0.400"
    assert words.quality_cell(found.original, quality) == "exact 0.800, recall 0.600"


def test_figures_at_once_and_after_training_are_not_mixed() -> None:
    """At once it answers more exactly than after the training, but it recalls only after it."""
    found = judged_twice(with_exact(rounds("dct-kv", 5e-3, 20, ratio=2, recovered=65), 87, recovered=85))
    assert found.answer is Answer.REPLACE
    said = words.answer(found, LABELS)
    assert "makes minilm 2.00x" in said
    assert "and keeps exact: +5.0 points (" in said
    assert "), recall: +5.0 points (" in said
    assert said.endswith(") after training")


def test_a_method_that_was_not_evaluated_is_told_so_and_loses_nothing_by_it() -> None:
    found = judged(rounds("linformer", 5e-3, None, ratio=2))
    assert found.answer is Answer.NOT_KEPT
    assert words.answer(found, LABELS).endswith("2 points of recall (linformer r=2, recall not measured)")
    quality = ModelQuality((), (found,))
    [summary] = [one.summary for one in found.methods]
    assert quality.worth(summary) is Worth.UNKNOWN
    assert words.worth_words(summary, quality) == "recall not measured"
    trained = judged(rounds("linformer", 5e-3, None, ratio=2, recovered=63))
    assert trained.answer is Answer.REPLACE


def test_how_far_outputs_drift_that_were_not_compared_is_not_told() -> None:
    bare = [replace(one, measurements=one.measurements[:1]) for one in rounds("linformer", 5e-3, None, ratio=2)]
    assert "how far its outputs drift was not measured; evaluate(model)" in words.answer(
        judged(bare, right=None), LABELS
    )


def test_nothing_can_be_compared_with_a_model_that_was_not_timed() -> None:
    late = [replace(one, status="timeout", measurements=()) for one in rounds("sdpa", 10e-3, 60)]
    [found] = in_models(summarise([*late, *rounds("dct-kv", 5e-3, 60, ratio=2)]))
    assert found.answer is Answer.NOT_TIMED
    assert words.answer(found, LABELS) == (
        "n = 128: minilm as it is (sdpa) was not timed, so nothing can be compared with it"
    )


def test_methods_that_are_not_faster_change_nothing() -> None:
    found = judged(rounds("dct-kv", 10e-3, 60, ratio=2), rounds("dct-x", 20e-3, 60, ratio=2))
    assert found.answer is Answer.NOT_FASTER
    assert words.answer(found, LABELS) == "n = 128: keep sdpa: no method is shown to make minilm faster"


def test_a_control_is_never_recommended() -> None:
    found = judged(rounds("none", 2e-3, 62))
    assert found.methods[0].control
    assert found.answer is Answer.NOT_FASTER


def test_without_an_evaluation_the_drift_is_told_and_nothing_is_recommended() -> None:
    found = judged(rounds("dct-kv", 5e-3, None, ratio=2), right=None)
    assert found.metric == "drift.cosine"
    assert found.answer is Answer.NOT_EVALUATED
    assert "cosine of 0.800" in words.answer(found, LABELS)
    assert "evaluate(model)" in words.answer(found, LABELS)


def test_one_round_proves_no_gain() -> None:
    results = [one for one in (*rounds("sdpa", 10e-3, 60), *rounds("dct-kv", 2e-3, 60, ratio=2)) if one.round == 1]
    [found] = in_models(summarise(results))
    assert found.answer is Answer.NOT_FASTER


def test_runs_without_a_model_have_none() -> None:
    assert in_models(summarise([result("sdpa"), result("dct-x", ratio=2)])) == []


def test_layers_and_training_keep_cases_apart_and_comparable() -> None:
    plain = Case("dct-kv", 128, 2, scope="model", model="minilm")
    some = replace(plain, layers="2..", recover=100)
    assert plain.shape == some.shape
    assert plain.row != some.row
    assert some.name == "dct-kv r=2 layers=2.. recover=100"
    assert Case.from_json(some.to_json()) == some
    assert "model" not in Case("sdpa", 128).to_record()


def test_figures_that_are_no_shares_are_not_judged() -> None:
    """Of a loss less is better, and nobody said so."""
    results = []
    for one in (*rounds("sdpa", 10e-3, 60), *rounds("dct-kv", 5e-3, 60, ratio=2)):
        loss = 2.0 if one.case.implementation == "sdpa" else 8.0
        kept = [m for m in one.measurements if not m.metric.startswith("evaluate")]
        results.append(replace(one, measurements=(*kept, Measurement("evaluate.loss", "1", (loss,) * 20))))
    [found] = in_models(summarise(results))
    assert found.answer is Answer.NOT_EVALUATED
    assert "cannot tell whether a higher loss is better" in words.answer(found, LABELS)


def test_more_claims_need_more_evidence() -> None:
    """One method keeps its answers at 95%; among many, the same answers are not enough."""
    alone = judged(rounds("dct-kv", 5e-3, 61, ratio=2))
    many = judged(*(rounds("dct-kv", 5e-3, 61, ratio=ratio) for ratio in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)))
    assert alone.answer is Answer.REPLACE
    first = [one for one in many.methods if one.summary.case.ratio == 2]
    claims = [one.quality["evaluate.recall"].together for one in (alone.methods[0], first[0])]
    assert claims[0] is not None
    assert claims[1] is not None
    assert claims[1].low < claims[0].low


def test_a_loss_is_claimed_for_all_methods_together_too() -> None:
    """Eight answers of a hundred less are a loss that one method surely has, but not each of twelve."""
    alone = judged(rounds("dct-kv", 5e-3, 52, ratio=2))
    many = judged(*(rounds("dct-kv", 5e-3, 52, ratio=ratio) for ratio in range(2, 14)))
    gained, lost = 0 + 0.5, 8 + 0.5  # Wald's interval after half an input was added to each cell
    middle, error = (gained - lost) / 102, math.sqrt(gained + lost - (gained - lost) ** 2 / 102) / 102
    for found, claims in ((alone, 1), (many, 12)):
        [one] = [one for one in found.methods if one.summary.case.ratio == 2]
        quality = one.quality["evaluate.recall"]
        assert quality.together is not None
        assert quality.together.high == pytest.approx(middle + stats.norm.ppf(1 - 0.025 / claims) * error)
        assert quality.change == alone.methods[0].quality["evaluate.recall"].change
        assert quality.lost() == (quality.together.high < -0.02) == (claims == 1)
        assert [quality.lost(margin) for margin in (0.0, 0.1)] == [quality.together.high < 0, False]
        worth = Worth.GIVES_UP if claims == 1 else Worth.UNDECIDED
        assert ModelQuality((), (found,)).worth(one.summary) is worth


def test_what_models_keep_is_claimed_for_all_lengths_of_a_run_together() -> None:
    here = [*rounds("sdpa", 10e-3, 60), *rounds("dct-kv", 5e-3, 63, ratio=2)]
    there = [replace(one, case=replace(one.case, seq_len=256)) for one in here]

    def least(results: Sequence[Result]) -> float:
        found = in_models(summarise(results))[0].methods[0].quality["evaluate.recall"].together
        assert found is not None
        return found.low

    alone, together = (agresti_min(answers(63), answers(60), 1 - 0.05 / claims)[0] for claims in (1, 2))
    assert least(here) == pytest.approx(alone, rel=1e-9)
    assert least([*here, *there]) == pytest.approx(together, rel=1e-9)
    assert together < alone
