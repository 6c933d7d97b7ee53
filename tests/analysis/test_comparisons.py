"""What the results say: a tie is a tie, nothing is extrapolated, a failure is never a speed-up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from dctbench import analysis
from dctbench.analysis import Payoff, Summary, Winner
from dctbench.model import Result, ResultDetails
from tests.support.made import in_two_rounds, result
from tests.support.trained import trained

LATENCY = st.floats(1e-6, 10)


def speedup(method_seconds: float, reference_seconds: float) -> analysis.Speedup | None:
    reference, method = analysis.summarise([result("sdpa", seconds=reference_seconds),
                                            result("dct-x", seconds=method_seconds, ratio=8)])  # fmt: skip
    return analysis.compare(method, reference)


def marks(results: Sequence[Result]) -> dict[str, Winner | None]:
    """The marks of a table beside sdpa, by method."""
    found = analysis.speedups(analysis.summarise(results), "sdpa")
    return {case.implementation: speedup.mark for case, speedup in found.items() if case.implementation != "sdpa"}


def test_a_summary_keeps_samples_in_order_round_after_round() -> None:
    [summary] = analysis.summarise([result(seconds=[3.0, 4.0], round=2), result(seconds=[1.0, 2.0], round=1)])
    assert summary.samples == (1.0, 2.0, 3.0, 4.0)
    assert summary.latency is not None
    assert summary.latency.value == pytest.approx(np.sqrt(1.5 * 3.5))


def test_the_latency_of_several_rounds_is_the_geometric_mean_of_their_medians() -> None:
    rounds = [[1.0, 1.0, 9.0], [3.0, 3.0, 3.0], [2.0, 2.0, 2.0]]
    [summary] = analysis.summarise([result(seconds=s, round=i) for i, s in enumerate(rounds, 1)])
    assert summary.medians == {1: 1.0, 2: 3.0, 3: 2.0}
    assert summary.latency is not None
    assert summary.latency.value == pytest.approx(scipy_stats.gmean([1.0, 2.0, 3.0]))
    logs = np.log([1.0, 2.0, 3.0])
    half = scipy_stats.t.ppf(0.975, 2) * logs.std(ddof=1) / np.sqrt(3)
    assert summary.latency.high == pytest.approx(np.exp(logs.mean() + half))


def test_a_comparison_pairs_rounds_so_that_drift_common_to_both_cancels() -> None:
    drift = [1.0, 3.0, 0.5, 2.0]
    results = [
        r
        for i, factor in enumerate(drift, 1)
        for r in (result("sdpa", seconds=factor, round=i), result("dct-x", seconds=factor / 1.1, round=i, ratio=8))
    ]
    reference, method = analysis.summarise(results)
    found = analysis.compare(method, reference)
    assert found is not None
    assert (found.ratio, found.low, found.high) == pytest.approx((1.1, 1.1, 1.1))
    assert marks(results) == {"dct-x": Winner.FASTER}
    assert method.latency is not None
    assert method.latency.low <= reference.medians[1] <= method.latency.high


def test_an_interval_that_holds_one_is_a_tie_however_large_the_ratio() -> None:
    pairs = [(1.0, 4.0), (1.0, 1.1), (1.2, 1.0)]
    results = [
        r
        for i, (mine, theirs) in enumerate(pairs, 1)
        for r in (result("sdpa", seconds=theirs, round=i), result("dct-x", seconds=mine, round=i, ratio=8))
    ]
    reference, method = analysis.summarise(results)
    found = analysis.compare(method, reference)
    assert found is not None
    assert found.low is not None
    assert found.low < 1 < found.ratio
    assert marks(results) == {"dct-x": Winner.TIE}


def test_p99_is_silent_until_it_can_be_bounded() -> None:
    [few] = analysis.summarise([result(seconds=[float(i + 1) for i in range(298)])])
    [enough] = analysis.summarise([result(seconds=[float(i + 1) for i in range(299)])])
    assert few.p99 is None
    assert enough.p99 is not None
    assert enough.p99.high == 299.0
    assert enough.p99.value == pytest.approx(np.quantile(np.arange(1, 300), 0.99))


def test_a_case_that_failed_once_has_failed_and_keeps_what_it_had() -> None:
    [summary] = analysis.summarise(
        [result(seconds=1.0, round=1), result(seconds=None, round=2, status="error", message="SIGKILL")]
    )
    assert (summary.status, summary.message) == ("error", "SIGKILL")
    assert summary.medians == {1: 1.0}


def test_memory_is_what_a_call_needs_plus_what_the_method_keeps_or_unknown() -> None:
    both = {"memory.tensor": ("B", 10.0), "memory.state": ("B", 5.0)}
    [known] = analysis.summarise([result(values=both)])
    [unknown] = analysis.summarise([result(values={"memory.tensor": ("B", 10.0)})])
    assert known.memory == 15.0
    assert unknown.memory is None


@given(LATENCY, LATENCY)
def test_one_round_gives_a_ratio_and_tells_nothing_apart(method: float, reference: float) -> None:
    found = speedup(method, reference)
    assert found is not None
    assert found.ratio == pytest.approx(reference / method)
    assert (found.low, found.high, found.p, found.mark) == (None, None, None, None)


@pytest.mark.parametrize(("ratio", "winner"), [(0.74, Winner.SLOWER), (1.0, Winner.TIE), (1.5, Winner.FASTER)])
def test_074x_never_reads_as_a_win(ratio: float, winner: Winner) -> None:
    assert marks(in_two_rounds([result("sdpa", seconds=ratio), result("dct-x", seconds=1.0, ratio=8)])) == {
        "dct-x": winner
    }


def test_a_ratio_of_exactly_1x_leans_to_neither_side() -> None:
    leanings = [
        analysis.Speedup(ratio, None, None).leaning for ratio in (math.nextafter(1, 0), 1.0, math.nextafter(1, 2))
    ]
    assert leanings == [Winner.SLOWER, Winner.TIE, Winner.FASTER]


def test_an_interval_that_touches_1x_is_a_tie() -> None:
    """The interval of a slowdown and of a speed-up that just reach 1x, by SciPy's quantile of Student's t."""
    spread = scipy_stats.t.ppf(0.975, 1) * 0.01 * math.sqrt(2) / math.sqrt(2)
    for sign, state in ((1, Winner.FASTER), (-1, Winner.SLOWER)):
        for factor, winner in ((0.999, Winner.TIE), (1.001, state)):
            logs = sign * factor * spread + np.array([-0.01, 0.01])
            made = [result("sdpa", seconds=1.0, round=number) for number in (1, 2)]
            made += [result("dct-x", seconds=float(np.exp(-log)), ratio=8, round=n) for n, log in enumerate(logs, 1)]
            assert marks(made) == {"dct-x": winner}


def test_rounds_that_only_one_side_has_are_left_out_and_the_others_keep_their_partner() -> None:
    """Round 3 is ten times slower for both. By order, the method's round 2 would stand beside round 1."""
    reference, method = analysis.summarise(
        [result("sdpa", seconds=seconds, round=number) for number, seconds in {1: 1.0, 2: 2.0, 3: 20.0, 4: 3.0}.items()]
        + [result("dct-x", seconds=s, round=n, ratio=8) for n, s in {5: 9.0, 4: 1.5, 3: 10.0, 2: 1.0}.items()]
    )
    found = analysis.compare(method, reference)
    assert found is not None
    assert (found.ratio, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))


def test_the_95th_percentile_needs_twenty_samples() -> None:
    few, enough = (analysis.summarise([result(seconds=[float(i) for i in range(1, n + 1)])])[0] for n in (19, 20))
    assert few.p95 is None
    assert enough.p95 == pytest.approx(np.quantile(np.arange(1, 21), 0.95))


def test_means_of_several_calls_have_no_95th_percentile_of_one_call() -> None:
    alone, several = (
        replace(result("sdpa", seconds=[1e-3] * 30, round=number), details=ResultDetails(calls_per_sample=calls))
        for number, calls in ((1, 1), (2, 4))
    )
    assert analysis.summarise([alone])[0].p95 == pytest.approx(1e-3)
    assert analysis.summarise([alone, several])[0].p95 is None


def test_a_reference_without_a_latency_gives_no_speedup() -> None:
    failed, method = analysis.summarise(
        [result("sdpa", seconds=None, status="oom"), result("dct-x", seconds=1e-3, ratio=8)]
    )
    assert analysis.compare(method, failed) is None
    assert analysis.compare(failed, method) is None
    assert analysis.compare(method, None) is None


def test_cases_of_different_shapes_are_not_compared() -> None:
    reference, method = analysis.summarise([result("sdpa", batch=1), result("dct-x", ratio=8, batch=2)])
    assert analysis.compare(method, reference) is None


def test_standings_rank_each_length_and_leave_out_failures_and_the_control_without_attention() -> None:
    summaries = analysis.summarise(
        [
            result("sdpa", 1024, 4.0),
            result("dct-x", 1024, 1.0, ratio=8),
            result("dct-x", 1024, 1.1, ratio=4),
            result("none", 1024, 0.1),
            result("full", 1024, None, status="oom"),
            result("sdpa", 512, 1.0),
        ]
    )
    short, long = analysis.rankings(summaries, "sdpa")
    assert [s.case.name for s in long.ranked] == ["dct-x r=8", "dct-x r=4", "sdpa"]
    assert [s.case.name for s in long.leaders] == ["dct-x r=8", "dct-x r=4"]
    assert (short.seq_len, long.seq_len) == (512, 1024)
    assert long.reference is not None


def rounds(latencies: Mapping[int, Sequence[float] | None]) -> list[Summary]:
    """dct-x with those seconds by length and round beside sdpa, which always takes a second; None for out of memory."""
    made = []
    for n, seconds in latencies.items():
        for number, one in enumerate(seconds or (1.0, 1.0), 1):
            made.append(result("sdpa", n, 1.0, round=number))
            if seconds is not None:
                made.append(result("dct-x", n, one, ratio=8, round=number))
        made += [] if seconds else [result("dct-x", n, None, ratio=8, status="oom")]
    return analysis.summarise(made)


@pytest.mark.parametrize(
    ("ratios", "kind", "brackets"),
    [
        ({512: 2.0, 1024: 3.0}, Payoff.ALWAYS, []),
        ({512: 0.5, 1024: 0.9}, Payoff.NEVER, []),
        ({512: 1.0, 1024: 1.0}, Payoff.UNTOLD, []),
        ({512: 0.5, 1024: 1.0}, Payoff.PARTLY, []),
        ({512: 1.0, 1024: 2.0}, Payoff.PARTLY, []),
        ({512: 0.5, 1024: 1.0, 2048: 2.0, 4096: 4.0}, Payoff.PARTLY, [(512, 2048)]),
        ({512: 2.0, 1024: 0.5, 2048: 2.0}, Payoff.PARTLY, [(512, 1024), (1024, 2048)]),
        ({512: 2.0, 1024: 0.5}, Payoff.PARTLY, [(512, 1024)]),
        ({512: None}, Payoff.UNKNOWN, []),
        ({512: None, 1024: 2.0, 2048: None}, Payoff.ALWAYS, []),
    ],
)
def test_payoff_names_the_bracket_and_claims_nothing_outside(
    ratios: dict[int, float | None], kind: Payoff, brackets: list[tuple[int, int]]
) -> None:
    [found] = analysis.payoffs(rounds({n: None if x is None else (1 / x,) * 2 for n, x in ratios.items()}), "sdpa")
    assert (found.kind, [(c.low, c.high) for c in found.crossings]) == (kind, brackets)
    assert [point.length for point in found.points] == [n for n, ratio in ratios.items() if ratio]


ROUNDS = st.lists(LATENCY, min_size=2, max_size=4)


@given(st.dictionaries(st.sampled_from([2**k for k in range(4, 16)]), ROUNDS, min_size=1))
def test_a_crossing_lies_between_lengths_whose_states_are_proven(latencies: dict[int, list[float]]) -> None:
    [found] = analysis.payoffs(rounds(latencies), "sdpa")
    states = {point.length: point.state for point in found.points}
    for point in found.points:
        assert point.state in (Winner.TIE, point.speedup.leaning)
    for crossing in found.crossings:
        ends = (Winner.SLOWER, Winner.FASTER) if crossing.upward else (Winner.FASTER, Winner.SLOWER)
        assert (states[crossing.low], states[crossing.high]) == ends
        assert all(states[n] is Winner.TIE for n in states if crossing.low < n < crossing.high)
        assert crossing.low <= crossing.earliest <= crossing.latest <= crossing.high
        assert crossing.low <= crossing.estimate <= crossing.high


def test_a_crossing_is_where_straight_lines_on_logarithmic_axes_pass_one() -> None:
    seconds = {256: (2.0, 2.2, 1.8), 1024: (0.5, 0.45, 0.55)}
    [found] = analysis.payoffs(rounds(seconds), "sdpa")
    [crossing] = found.crossings
    logs = [-np.log(times) for times in seconds.values()]
    means = [float(one.mean()) for one in logs]
    halves = [scipy_stats.t.ppf(0.975, 2) * scipy_stats.sem(one) for one in logs]

    def passes(first: float, last: float) -> float:
        return float(np.exp(np.interp(0, [first, last], np.log([256, 1024]))))

    assert crossing.estimate == pytest.approx(passes(*means))
    assert crossing.earliest == pytest.approx(passes(means[0] + halves[0], means[1] + halves[1]))
    assert crossing.latest == pytest.approx(passes(means[0] - halves[0], means[1] - halves[1]))


def test_what_is_said_of_a_run_is_corrected_for_all_that_could_be_said() -> None:
    """p = 0.014 at one length: told where it stands alone, not beside three other lengths without a difference."""
    logs = np.array([0.1, 0.12, 0.15])
    p = scipy_stats.ttest_1samp(logs, 0).pvalue
    assert 0.025 / 4 < p < 0.025
    told = tuple(np.exp(-logs))
    [alone] = analysis.payoffs(rounds({64: told}), "sdpa")
    assert alone.kind is Payoff.ALWAYS
    [beside] = analysis.payoffs(rounds({64: told} | dict.fromkeys((1, 2, 3), (1.2, 1.0, 0.8))), "sdpa")
    assert beside.kind is Payoff.UNTOLD


def test_one_round_tells_no_payoff() -> None:
    [found] = analysis.payoffs(rounds({64: (0.01,)}), "sdpa")
    assert found.kind is Payoff.UNTOLD


def test_the_default_reference_is_sdpa_then_full_then_none() -> None:
    cases = [result(name).case for name in ("full", "sdpa", "pool")]
    assert analysis.default_reference(cases) == "sdpa"
    assert analysis.default_reference([cases[0], cases[2]]) == "full"
    assert analysis.default_reference([cases[2]]) is None


def test_readers_find_the_reference_first_at_each_length_then_methods_and_ratios_in_order() -> None:
    shuffled = [
        result("none", 64), result("dct-x", 64, ratio=8), result("mine:Layer", 64), result("sdpa", 128),
        result("dct-x", 64, ratio=2.5), result("full", 64), result("sdpa", 64),
    ]  # fmt: skip
    order = [(s.case.name, s.case.seq_len) for s in analysis.arranged(analysis.summarise(shuffled), "sdpa")]
    assert order == [
        ("sdpa", 64), ("full", 64), ("dct-x r=2.5", 64), ("dct-x r=8", 64), ("none", 64), ("mine:Layer", 64),
        ("sdpa", 128),
    ]  # fmt: skip


def test_a_control_never_wins() -> None:
    [ranking] = analysis.rankings(
        analysis.summarise([result("sdpa", 64, 4.0), result("pool", 64, 1.0, ratio=4), result("none", 64, 0.5)]), "sdpa"
    )
    assert [s.case.implementation for s in ranking.ranked] == ["sdpa"]


def paired(logs: Mapping[str, Sequence[float]], seq_len: int = 512) -> list[Result]:
    """sdpa at a second in every round, and methods whose log speed-ups over it are given by round."""
    rounds = range(1, 1 + max(map(len, logs.values())))
    made = [result("sdpa", seq_len, 1.0, round=number) for number in rounds]
    return made + [
        result(name, seq_len, math.exp(-log), round=number)
        for name, values in logs.items()
        for number, log in enumerate(values, 1)
    ]


def test_marks_limit_the_share_of_false_ones_in_the_table_and_not_each_by_itself() -> None:
    """Two of five have p of about 0.03: marked alone, not beside the others; four such are marked together."""
    logs = [0.1, 0.12, 0.18]
    p = scipy_stats.ttest_1samp(logs, 0).pvalue
    assert 0.05 * 2 / 5 < p < 0.05 * 4 / 5

    def marked(told: int) -> int:
        found = marks(paired({name: logs if number < told else flat for number, name in enumerate(names)}))
        return sum(mark is Winner.FASTER for mark in found.values())

    flat = [0.2, 0.0, -0.2]
    names = ("dct-x", "dct-qkv", "dct-kv", "linear", "fnet")
    assert marks(paired({"dct-x": logs})) == {"dct-x": Winner.FASTER}
    assert (marked(2), marked(4)) == (0, 4)


def test_several_that_were_not_told_apart_are_a_set_and_each_comparison_has_its_share_of_the_level() -> None:
    logs = [0.1, 0.13, 0.16]
    one_sided = scipy_stats.ttest_1samp(logs, 0).pvalue / 2
    assert 0.025 / 3 < one_sided < 0.025
    [alone] = analysis.rankings(analysis.summarise(paired({"dct-x": logs})), "sdpa")
    assert [s.case.name for s in alone.leaders] == ["dct-x"]
    slow = {name: [-1.0, -1.1, -1.2] for name in ("dct-qkv", "linear")}
    [beside] = analysis.rankings(analysis.summarise(paired({"dct-x": logs, **slow})), "sdpa")
    assert [s.case.name for s in beside.leaders] == ["dct-x", "sdpa"]
    others = paired(slow, 1024) + paired(slow, 2048)
    short, *_ = analysis.rankings(analysis.summarise(paired({"dct-x": logs}) + others), "sdpa")
    assert [s.case.name for s in short.leaders] == ["dct-x", "sdpa"]


def test_a_method_that_any_other_beats_is_no_leader_even_if_the_first_is_too_noisy_to_beat_it() -> None:
    noisy, steady, slow = [3.0, 0.0, 3.0], [1.0, 1.001, 0.999], [0.1, 0.101, 0.099]
    [ranking] = analysis.rankings(
        analysis.summarise(paired({"dct-x": noisy, "dct-qkv": steady, "linear": slow})[3:]), None
    )
    assert [s.case.name for s in ranking.leaders] == ["dct-x", "dct-qkv"]
    assert [s.case.name for s in ranking.leading([ranking.ranked[0], ranking.ranked[2]])] == ["dct-x", "linear"]


def test_trainings_have_no_length_from_which_they_pay() -> None:
    timed = [result(name, 512, seconds, ratio=ratio, round=n) for n in (1, 2, 3)
             for name, seconds, ratio in (("sdpa", 2e-3, None), ("dct-x", 1e-3, 4))]  # fmt: skip
    summaries = analysis.summarise([*timed, *trained("sdpa", [0.9, 0.9]), *trained("dct-x", [0.8, 0.8], ratio=4)])
    assert [(found.case.implementation, found.case.task) for found in analysis.payoffs(summaries, "sdpa")] == [
        ("dct-x", None)
    ]
