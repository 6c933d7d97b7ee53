"""Which methods nothing else beats, and what is recommended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dctbench import analysis
from dctbench.analysis import Budgets, Ranking
from dctbench.analysis.accuracy import task_results, without_longer
from dctbench.analysis.decision import MOST, NOTHING_LEARNED, Accuracies, Decision, Worth, decide, unbeaten
from dctbench.analysis.in_model import ModelQuality, in_models
from dctbench.model import Measurement, Result
from tests.analysis.test_in_model import rounds
from tests.support.made import in_two_rounds, result
from tests.support.trained import learned, trained

KIB = 2.0**10
EXACT = ("sdpa", None, 8e-3, 64.0)


def timed(
    name: str, ratio: float | None, seconds: float, kib: float | None = None, error: float | None = None
) -> Result:
    values = {} if kib is None else {"memory.tensor": ("B", kib * KIB), "memory.state": ("B", 0.0)}
    values |= {} if error is None else {"error.smooth": ("1", error)}
    return result(name, 512, seconds, ratio=ratio, values=values)


def in_rounds(name: str, ratio: float | None, seconds: Sequence[float], kib: float = 8) -> list[Result]:
    """A method with a median for each round."""
    return [replace(timed(name, ratio, took, kib), round=number) for number, took in enumerate(seconds, 1)]


def ranking_of(*methods: Sequence[Result]) -> Ranking:
    [ranking] = analysis.rankings(analysis.summarise(one for method in methods for one in method), "sdpa")
    return ranking


def ranked(*cases: Sequence) -> Ranking:  # type: ignore[type-arg]
    [ranking] = analysis.rankings(analysis.summarise(in_two_rounds(timed(*case) for case in cases)), "sdpa")
    return ranking


def names(found: Sequence[analysis.Summary]) -> list[str]:
    return [summary.case.name for summary in found]


def accuracies(**by: Sequence[float]) -> Accuracies:
    """What was learned on mnist1d by sdpa, by none, and by `dct_x_4` and so on."""
    cases = [trained("sdpa", [0.8, 0.81, 0.82]), trained("none", [0.3, 0.31, 0.32])]
    for name, values in by.items():
        method, _, ratio = name.rpartition("_")
        cases.append(trained(method.replace("_", "-"), list(values), ratio=float(ratio)))
    return Accuracies(tuple(task_results(learned(*cases))))


GOOD, BAD, UNSURE = (0.80, 0.811, 0.819), (0.5, 0.51, 0.52), (0.7, 0.9, 0.8)


def decided(ranking: Ranking, known: Accuracies = NOTHING_LEARNED, budgets: Budgets | None = None) -> Decision:
    return decide(ranking, analysis.choose(ranking, budgets or Budgets()), known)


def test_an_exact_method_that_needs_less_beats_all_that_are_worth_no_more() -> None:
    ranking = ranked(("sdpa", None, 1e-3, 8), ("full", None, 4e-3, 64), ("dct-x", 4, 2e-3, 16), ("dct-x", 8, 9e-4, 16))
    assert names(unbeaten(ranking)) == ["dct-x r=8", "sdpa"]


def test_time_beats_only_if_rounds_prove_it() -> None:
    fast, slow = [1e-3, 1.01e-3, 1.02e-3], [4e-3, 4.01e-3, 4.02e-3]

    def standing(first: Sequence[float], second: Sequence[float]) -> list[str]:
        return names(unbeaten(ranking_of(in_rounds("sdpa", None, first), in_rounds("full", None, second))))

    assert standing(fast, slow) == ["sdpa"]
    assert standing(fast[:1], slow[:1]) == standing(fast[:1], slow) == standing(fast, slow[:1]) == ["sdpa", "full"]


def test_a_method_that_needs_more_memory_does_not_beat_by_time_alone() -> None:
    ranking = ranked(("sdpa", None, 1e-3, 64), ("full", None, 4e-3, 8))
    assert names(unbeaten(ranking)) == ["sdpa", "full"]


def test_of_one_method_the_one_that_keeps_more_and_needs_less_beats() -> None:
    ranking = ranked(EXACT, ("dct-x", 4, 1e-3, 8), ("dct-x", 8, 2e-3, 16))
    assert names(unbeaten(ranking)) == ["dct-x r=4", "sdpa"]


def test_methods_of_unknown_worth_do_not_beat_each_other_and_errors_compare_approximations() -> None:
    assert names(unbeaten(ranked(EXACT, ("dct-x", 8, 1e-3, 8), ("fnet", None, 2e-3, 16)))) == [
        "dct-x r=8",
        "fnet",
        "sdpa",
    ]
    close = ranked(EXACT, ("dct-kv", 8, 1e-3, 8, 0.1), ("nystromformer", 8, 2e-3, 16, 0.2))
    assert names(unbeaten(close)) == ["dct-kv r=8", "sdpa"]


def test_accuracy_decides_between_methods_that_were_trained() -> None:
    ranking = ranked(EXACT, ("dct-x", 8, 1e-3, 8), ("linformer", 8, 2e-3, 16))
    known = accuracies(dct_x_8=GOOD, linformer_8=BAD)
    assert names(unbeaten(ranking, known)) == ["dct-x r=8"]  # as good as sdpa, faster and smaller
    assert names(unbeaten(ranking, accuracies(dct_x_8=BAD, linformer_8=GOOD))) == ["dct-x r=8", "linformer r=8"]


def test_worth_is_known_only_if_every_telling_task_was_trained() -> None:
    ranking = ranked(
        EXACT, ("dct-x", 4, 1e-3, 8), ("dct-x", 8, 9e-4, 8), ("fnet", None, 2e-3, 8), ("dct-kv", 4, 3e-3, 8)
    )
    known = accuracies(dct_x_4=GOOD, dct_x_8=BAD, dct_kv_4=UNSURE)
    worth = {summary.case.name: known.worth(summary) for summary in ranking.ranked}
    assert worth == {
        "sdpa": Worth.EXACT, "dct-x r=4": Worth.AS_GOOD, "dct-x r=8": Worth.GIVES_UP, "fnet": Worth.UNKNOWN,
        "dct-kv r=4": Worth.UNDECIDED,
    }  # fmt: skip


def with_a_convolution(values: Sequence[float] = GOOD) -> Accuracies:
    """What was learned of nystromformer with a convolution, of sdpa and of none."""
    cases = [trained("sdpa", [0.8, 0.81, 0.82]), trained("none", [0.3, 0.31, 0.32])]
    cases.append(trained("nystromformer", values, ratio=4, options={"convolution": 33}))
    return Accuracies(tuple(task_results(learned(*cases, trained("dct-x", BAD, ratio=4)))))


def test_the_accuracy_of_a_layer_with_options_is_not_that_of_the_layer_that_was_timed() -> None:
    ranking = ranked(EXACT, ("nystromformer", 4, 1e-3, 8), ("dct-x", 4, 2e-3, 16))
    fast, known = ranking.ranked[0], with_a_convolution()
    assert known.worth(fast) is Worth.OTHER_LAYER
    assert with_a_convolution(BAD).worth(fast) is Worth.GIVES_UP  # not even with the convolution
    assert names(decided(ranking, known).leaders) == ["sdpa"]
    assert names(unbeaten(ranking, known)) == ["nystromformer r=4", "dct-x r=4", "sdpa"]


def test_a_training_that_kept_every_token_tells_nothing_of_a_longer_sequence() -> None:
    cases = [trained("sdpa", [0.8, 0.81, 0.82]), trained("none", [0.3, 0.31, 0.32])]
    known = [Accuracies(tuple(task_results(learned(*cases, trained("linformer", GOOD, kept=k))))) for k in (16, 64)]
    short, long = (analysis.summarise(in_two_rounds([result("linformer", n, 1e-3, kept=64)]))[0] for n in (40, 4096))
    assert [known[1].worth(summary) for summary in (short, long)] == [Worth.AS_GOOD, Worth.UNKNOWN]
    few = analysis.summarise(in_two_rounds([result("linformer", 4096, 1e-3, kept=16)]))[0]
    assert known[0].worth(few) is Worth.AS_GOOD


def test_longer_trainings_of_another_run_are_no_task_of_their_own() -> None:
    usual = [trained("sdpa", [0.8, 0.81, 0.82]), trained("none", [0.3, 0.31, 0.32])]
    longer = [trained("sdpa", [0.8, 0.81, 0.82], task="mnist1d/4x"), trained("dct-x", GOOD, task="mnist1d/4x")]
    found = [*task_results(learned(*usual)), *task_results(learned(*longer))]
    assert [str(one.task) for one in without_longer(found)] == ["mnist1d"]
    assert [str(one.task) for one in without_longer(found, {"mnist1d/4x"})] == ["mnist1d", "mnist1d/4x"]
    assert [str(one.task) for one in without_longer(found[1:])] == ["mnist1d/4x"]


def test_without_a_task_the_fastest_is_the_leader_and_with_one_the_fastest_that_is_as_good() -> None:
    ranking = ranked(EXACT, ("dct-x", 4, 2e-3, 8), ("dct-x", 8, 1e-3, 8))
    alone = decided(ranking)
    assert (names(alone.leaders), alone.learned, alone.faster) == (["dct-x r=8"], False, None)
    found = decided(ranking, accuracies(dct_x_4=GOOD, dct_x_8=BAD))
    assert (names(found.leaders), found.learned) == (["dct-x r=4"], True)
    assert found.faster is not None
    assert found.faster.case.name == "dct-x r=8"
    assert names(decided(ranking, accuracies(dct_x_4=BAD, dct_x_8=BAD)).leaders) == ["sdpa"]


def test_what_took_less_time_is_not_called_faster_unless_it_is_told_apart() -> None:
    exact = in_rounds("sdpa", None, [1e-3, 1.02e-3, 1.01e-3])
    noisy = in_rounds("dct-x", 8, [0.6e-3, 1.3e-3, 0.9e-3])
    known = accuracies(dct_x_8=BAD, dct_x_16=BAD)
    found = decided(ranking_of(exact, noisy), known)
    assert (names(found.leaders), found.told, found.faster) == (["sdpa"], True, None)
    sure = decided(ranking_of(exact, noisy, in_rounds("dct-x", 16, [0.9e-3, 0.91e-3, 0.9e-3])), known)
    assert sure.faster is not None
    assert sure.faster.case.name == "dct-x r=16"


def test_one_round_leaves_the_method_that_took_the_least_time_and_tells_nothing_else() -> None:
    alone = [in_rounds("sdpa", None, [1.1e-3]), in_rounds("full", None, [1e-3]), in_rounds("dct-x", 8, [5e-4])]
    found = decided(ranking_of(*alone), accuracies(dct_x_8=BAD))
    assert (names(found.leaders), found.told, found.faster) == (["full"], False, None)


def test_budgets_leave_nobody_if_only_methods_that_give_up_accuracy_keep_them() -> None:
    ranking = ranked(EXACT, ("dct-x", 8, 1e-3, 8))
    found = decided(ranking, accuracies(dct_x_8=BAD), Budgets(memory=9 * KIB))
    assert found.leaders == ()


def test_at_most_six_are_shown_and_the_reference_is_always_among_them() -> None:
    ranking = ranked(EXACT, *(("dct-x", ratio, 1e-2 / ratio**2, 64 / ratio) for ratio in range(2, 12)))
    found = decided(ranking)
    assert len(found.shown) == MOST
    assert "sdpa" in names(found.shown)
    assert found.more == 11 - MOST


def test_the_reference_is_shown_beside_six_methods_that_are_not_told_apart() -> None:
    swing = (1.0, 1.3, 0.8, 1.1)
    tied = [
        in_rounds(name, 8, [1e-3 * swing[(number + turn) % 4] for turn in range(4)])
        for number, name in enumerate(("dct-x", "dct-kv", "linformer", "nystromformer", "performer", "dct-qkv"))
    ]
    found = decided(ranking_of(in_rounds("sdpa", None, [20e-3, 20.1e-3, 20.2e-3, 20e-3], kib=64), *tied))
    assert len(found.leaders) == MOST
    assert (len(found.shown), found.shown[-1].case.name) == (MOST, "sdpa")
    assert found.more == 1


def test_nothing_is_worth_in_int8_what_it_is_in_floating_point() -> None:
    engines = ("onnxruntime-int8", "onnxruntime")
    cases = [result(name, 512, 1e-3, engine=engine, ratio=ratio) for name, ratio in (("sdpa", None), ("dct-x", 4))
             for engine in engines]  # fmt: skip
    exact_int8, exact, int8, floating = analysis.summarise(in_two_rounds(cases))
    for known in (NOTHING_LEARNED, accuracies(dct_x_8=GOOD), ModelQuality()):
        assert (known.worth(exact_int8), known.worth(exact)) == (Worth.UNKNOWN, Worth.EXACT)
    known = accuracies(dct_x_4=GOOD)
    assert (known.worth(int8), known.worth(floating)) == (Worth.UNKNOWN, Worth.AS_GOOD)
    assert accuracies(dct_x_4=BAD).worth(int8) is Worth.UNKNOWN


def in_a_model(name: str, seconds: float, right: int, kib: float, **case: object) -> list[Result]:
    """A method in a model: right answers of a hundred inputs, and memory."""
    recovered = case.pop("recovered", None)
    memory = (Measurement("memory.tensor", "B", (kib * KIB,)), Measurement("memory.state", "B", (0.0,)))
    return [
        replace(one, case=replace(one.case, **case), measurements=(*one.measurements, *memory))  # type: ignore[arg-type]
        for one in rounds(name, seconds, right, ratio=None if name == "sdpa" else 4, recovered=recovered)  # type: ignore[arg-type]
    ]


def test_a_method_in_all_layers_of_a_model_does_not_hide_itself_in_fewer_or_after_a_training() -> None:
    results = [
        *in_a_model("sdpa", 10e-3, 60, 64),
        *in_a_model("dct-kv", 5e-3, 57, 8),
        *in_a_model("dct-kv", 6e-3, 57, 10, recover=64, recovered=59),
        *in_a_model("dct-kv", 7e-3, 60, 12, layers="3.."),
        *in_a_model("dct-kv", 8e-3, 56, 16, layers="4.."),
        *in_a_model("linformer", 6e-3, 50, 10),
    ]
    summaries = analysis.summarise(results)
    [ranking] = analysis.rankings(summaries, "sdpa")
    known = ModelQuality((), tuple(in_models(summaries)))
    standing = [(s.case.implementation, s.case.layers, s.case.recover) for s in unbeaten(ranking, known)]
    assert standing == [("dct-kv", None, None), ("dct-kv", None, 64), ("dct-kv", "3..", None), ("sdpa", None, None)]
    unjudged = unbeaten(ranking, ModelQuality((), tuple(replace(one, judged=()) for one in known.models)))
    assert [s.case.layers for s in unjudged if s.case.implementation == "dct-kv"] == [None, None, "3..", "4.."]
    assert [s.case.layers for s in decided(ranking, known).shown if s.case.layers] == ["3.."]


def test_a_ratio_that_is_as_good_only_by_itself_is_not_shipped() -> None:
    """Ratios are tested in sequence: r=16 came out well after r=4 and r=8 had failed."""
    ranking = ranked(EXACT, ("dct-x", 16, 1e-3, 8))
    known = accuracies(dct_x_4=BAD, dct_x_8=BAD, dct_x_16=GOOD)
    [fast, _] = ranking.ranked
    assert known.worth(fast) is Worth.UNDECIDED
    assert names(decided(ranking, known).leaders) == ["sdpa"]
    assert names(decided(ranking, accuracies(dct_x_4=GOOD, dct_x_8=GOOD, dct_x_16=GOOD)).leaders) == ["dct-x r=16"]
