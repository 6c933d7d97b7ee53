"""The change of one case, pair by pair: expected values by NumPy and SciPy from the same numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as scipy_stats

from dctbench.analysis import summarise
from dctbench.compare.change import CONFIRMING, moderated, paired, unpaired
from dctbench.model import ResultDetails
from tests.support.made import result


def summary(seconds_by_round, name="dct-x"):
    [found] = summarise([result(name, 1024, seconds, round=number) for number, seconds in seconds_by_round.items()])
    return found


def test_pairs_are_matched_by_round_and_a_reference_is_a_witness_by_its_median_change():
    base, head = summary({1: 2e-3, 2: 4e-3, 3: 2e-3}), summary({2: 5e-3, 1: 3e-3, 4: 1.0})
    sdpa = summary({1: 1e-3, 2: 1e-3}, "sdpa"), summary({1: 1.5e-3, 2: 1e-3}, "sdpa")
    change = paired(base, head, {"sdpa": sdpa}, fresh=False)
    assert np.exp(change.raw) == pytest.approx([1.5, 1.25])
    assert change.effect(None) == pytest.approx(np.sqrt(1.5 * 1.25))
    assert change.drifts["sdpa"] == pytest.approx(np.sqrt(1.5))
    assert change.effect("sdpa") == pytest.approx(np.sqrt(1.25))
    assert change.moved == pytest.approx(np.sqrt(1.5) - 1)


def test_a_process_of_base_that_took_turns_under_another_round_is_the_pair_that_head_names():
    base = summary({1: 1e-3, 2: 2e-3, 3: 4e-3, CONFIRMING + 2: 8e-3})
    pairs = {1: (3, 5e-3), 2: (2, 3e-3), CONFIRMING + 1: (CONFIRMING + 2, 8e-3)}
    [head] = summarise(
        replace(result("dct-x", 1024, seconds, round=number), details=ResultDetails(pair=pair))
        for number, (pair, seconds) in pairs.items()
    )
    assert np.exp(paired(base, head, {}, fresh=False).raw) == pytest.approx([5 / 4, 3 / 2])
    assert np.exp(paired(base, head, {}, fresh=True).raw) == pytest.approx([1.0])


@pytest.mark.parametrize("pair", [9, "1", [1], None])
def test_what_names_no_process_of_base_makes_no_pair(pair):
    head = replace(result("dct-x", 1024, 1e-3, round=1), details=ResultDetails.from_json({"pair": pair}))
    [now] = summarise([head])
    assert paired(summary({1: 1e-3}), now, {}, fresh=False).count == 0


def test_confirming_rounds_are_judged_by_themselves():
    rounds = {1: 2e-3, 2: 2e-3, CONFIRMING + 1: 6e-3, CONFIRMING + 2: 6e-3}
    base = summary(dict.fromkeys(rounds, 2e-3))
    assert paired(base, summary(rounds), {}, fresh=False).effect(None) == pytest.approx(1.0)
    assert paired(base, summary(rounds), {}, fresh=True).effect(None) == pytest.approx(3.0)


def test_processes_that_took_turns_are_compared_turn_by_turn():
    # A stall in the second turn doubles both sides there; the median over all samples of head alone would be 4 ms.
    base = replace(result(seconds=[1e-3] * 4 + [2e-3] * 9 + [1e-3] * 4), details=ResultDetails(turns=(4, 9, 4)))
    head = replace(result(seconds=[2e-3] * 2 + [4e-3] * 9 + [2e-3] * 2), details=ResultDetails(turns=(2, 9, 2)))
    [before], [now] = summarise([base]), summarise([head])
    assert paired(before, now, {}, fresh=False).effect(None) == pytest.approx(2.0)


@pytest.mark.parametrize("turns", [[3, "x"], [100], [0, 20], [True, 19], "turns", [-1, 21]])
def test_turns_that_do_not_describe_the_samples_are_not_believed(turns):
    head = replace(result(seconds=2e-3), details=ResultDetails.from_json({"turns": turns}))
    [before], [now] = (
        summarise([replace(result(seconds=1e-3), details=ResultDetails(turns=(10, 10)))]),
        summarise([head]),
    )
    assert paired(before, now, {}, fresh=False).effect(None) == pytest.approx(2.0)


def test_the_interval_of_pairs_is_students_on_the_logarithms():
    ratios = [1.1, 1.3, 1.2, 1.25, 1.4]
    change = paired(summary(dict.fromkeys(range(5), 1e-3)), summary({i: r * 1e-3 for i, r in enumerate(ratios)}),
                    {}, fresh=False)  # fmt: skip
    low, high = np.exp(scipy_stats.t.interval(0.95, 4, np.mean(np.log(ratios)), scipy_stats.sem(np.log(ratios))))
    found = change.interval(None)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((1.25, low, high), rel=1e-6)


BASE, HEAD = [1.0e-3, 1.1e-3, 1.05e-3, 0.98e-3], [1.3e-3, 1.6e-3, 1.2e-3, 1.5e-3, 1.4e-3]


def test_two_runs_of_few_cases_are_compared_by_students_test_on_the_logarithms():
    change = unpaired(summary(dict(enumerate(BASE))), summary(dict(enumerate(HEAD))), {}, fresh=False)
    test = scipy_stats.ttest_ind(np.log(HEAD), np.log(BASE), alternative="greater")
    low, high = np.exp(scipy_stats.ttest_ind(np.log(HEAD), np.log(BASE)).confidence_interval(0.95))
    found = change.interval(None)
    assert found is not None
    effect = scipy_stats.gmean(HEAD) / scipy_stats.gmean(BASE)
    assert (found.value, found.low, found.high) == pytest.approx((effect, low, high), rel=1e-6)
    assert change.effect(None) == pytest.approx(effect)
    assert change.p_slower(None, 0.1) == pytest.approx(test.pvalue, rel=1e-6)
    assert change.p_faster(None, 0.1) == 1.0
    assert replace(change, looks=2).p_slower(None, 0.1) == pytest.approx(2 * test.pvalue, rel=1e-6)


def test_what_is_detectable_is_the_change_that_would_just_be_found():
    change = unpaired(summary(dict(enumerate(BASE))), summary(dict(enumerate(BASE))), {}, fresh=False)
    factor = change.detectable(None, 0.01) or 0.0
    just = unpaired(summary(dict(enumerate(BASE))), summary({i: one * factor for i, one in enumerate(BASE)}), {}, False)
    assert just.p_slower(None, 0.1) == pytest.approx(0.01, rel=1e-6)


def test_nothing_is_detectable_among_processes_that_differ_as_much_as_a_file_may_say():
    wild = summary({1: 1e-10, 2: 1e6})
    assert unpaired(wild, wild, {}, fresh=False).detectable(None, 1e-4) is None


def test_one_process_on_a_side_proves_nothing_however_slow():
    one, many = summary({1: 1e-3}), summary({1: 9e-3, 2: 9.1e-3, 3: 9.2e-3})
    for base, head in ((one, many), (many, one)):
        change = unpaired(base, head, {}, fresh=False)
        assert (change.p_slower(None, 0.1), change.p_faster(None, 0.1)) == (1.0, 1.0)
        assert change.interval(None) is None
        assert change.detectable(None, 0.05) is None


def test_cases_of_one_comparison_share_what_is_known_of_their_variance():
    rng = np.random.default_rng(0)
    drawn = [[summary(dict(enumerate(1e-3 * np.exp(rng.normal(0, 0.1, 3))))) for _ in range(2)] for _ in range(30)]
    changes = [unpaired(base, head, {}, fresh=False) for base, head in drawn]
    shared = moderated(changes, looks=1)
    widths = [np.array([np.log(i.high / i.low) for c in both if (i := c.interval(None))]) for both in (changes, shared)]
    assert widths[1].std() < 0.5 * widths[0].std()  # drawn to what all cases say
    assert np.median(widths[1]) < np.median(widths[0])  # and narrower, by more degrees of freedom
    own = [spread.variance for c in changes if (spread := c.spread(None))]
    [prior] = {c.priors[None] for c in shared}
    assert prior.at(1e-3) == pytest.approx(np.mean(own), rel=0.5)


def test_what_a_run_changes_in_all_cases_has_one_degree_of_freedom_less_than_there_are_runs():
    """However many cases there are: the runs are the units, as Student's test with one value per run has them."""
    rng = np.random.default_rng(1)
    runs = np.array([0.0, 0.06])  # the second run of base is 6% slower in every case

    def measured(level):
        return summary(dict(enumerate(1e-3 * np.exp(level + rng.normal(0, 1e-4, 4)))))

    drawn = [(measured(runs[0]), measured(0.1), {measured(0.0).case: measured(runs[1])}) for _ in range(30)]
    changes = [unpaired(base, head, {}, False, {1: again}) for base, head, again in drawn]
    error = runs.std(ddof=1) * np.sqrt(1 + 1 / 2)
    for change in moderated(changes, looks=1):
        found = change.interval(None)
        assert found is not None
        assert np.log(change.effect(None)) == pytest.approx(0.1 - 0.03, abs=1e-3)
        assert np.log(found.high / found.low) / 2 == pytest.approx(scipy_stats.t.ppf(0.975, 1) * error, rel=0.05)


def test_a_case_that_lacks_a_run_of_base_is_apart_from_the_levels_of_those_it_has():
    """Three runs of base at 0, 50% and 2%: a case without the second one differs between its runs by little."""
    level = np.array([0.0, 0.5, 0.02])
    rng = np.random.default_rng(3)
    changes = []
    for number in range(20):
        runs = [summary(dict.fromkeys(range(3), 1e-3 * np.exp(one + rng.normal(0, 1e-3)))) for one in level]
        further = {place: {one.case: one} for place, one in enumerate(runs) if place and (number or place != 1)}
        changes.append(unpaired(runs[0], runs[0], {}, False, further))
    lacking, *others = moderated(changes, looks=1)
    for change in (lacking, *others):
        spread = change.between_runs(None)
        assert spread is not None
        assert spread.variance == pytest.approx(level.var(ddof=1), rel=0.05)
        assert spread.degrees == pytest.approx(2, abs=0.1)
    assert lacking.between[None].apart(lacking.runs[None]).variance < 1e-4


def test_what_a_run_changes_in_each_case_by_itself_is_better_known_from_all_of_them():
    rng = np.random.default_rng(2)
    drawn = [[summary(dict.fromkeys(range(3), 1e-3 * np.exp(rng.normal(0, 0.1)))) for _ in range(3)] for _ in range(40)]
    changes = [unpaired(base, head, {}, False, {1: {again.case: again}}) for base, head, again in drawn]
    widths = [np.log(i.high / i.low) / 2 for c in moderated(changes, looks=1) if (i := c.interval(None))]
    # Five degrees of freedom, where two runs of one case alone have one.
    assert np.median(widths) == pytest.approx(scipy_stats.t.ppf(0.975, 5) * 0.1 * np.sqrt(1 + 1 / 2), rel=0.25)


def test_a_stored_run_is_compared_by_ratios_to_its_own_reference():
    base, head = summary({1: 2e-3, 2: 2e-3}), summary({1: 6e-3, 2: 6e-3})
    sdpa = summary({1: 1e-3, 2: 1e-3}, "sdpa"), summary({1: 3e-3, 2: 3e-3}, "sdpa")
    change = unpaired(base, head, {"sdpa": sdpa}, fresh=False)
    assert change.effect("sdpa") == pytest.approx(1.0)
    assert change.effect(None) == pytest.approx(3.0)


def test_ratios_to_the_reference_are_taken_within_a_round_and_not_in_order():
    base = summary({1: 2e-3, 2: 4e-3, 3: 40e-3})
    beside = summary({2: 2e-3, 3: 20e-3, 4: 1.0}, "sdpa")
    change = unpaired(base, base, {"sdpa": (beside, beside)}, fresh=False)
    assert [*change.against["sdpa"][0], *change.against["sdpa"][1]] == pytest.approx([2.0] * 4)


def test_what_is_detectable_is_that_of_the_series_that_is_compared():
    """Case and reference drift together: their ratio is steady, and a far smaller change of it shows."""
    drift = {1: 1.0, 2: 1.5, 3: 0.7}
    own = summary({n: 2e-3 * by * wobble for (n, by), wobble in zip(drift.items(), (1.0, 1.01, 0.99), strict=True)})
    beside = summary({n: 1e-3 * by for n, by in drift.items()}, "sdpa")
    change = unpaired(own, own, {"sdpa": (beside, beside)}, fresh=False)
    raw, against = change.detectable(None, 0.05), change.detectable("sdpa", 0.05)
    assert raw is not None
    assert against is not None
    assert against < 1.1 < raw
    [shared] = moderated([change], looks=1)
    assert shared.detectable("sdpa", 0.05) == pytest.approx(against)


def test_processes_are_counted_by_the_series_that_is_compared():
    base, beside = summary({1: 2e-3, 2: 2e-3, 3: 2e-3}), summary({2: 1e-3, 3: 1e-3}, "sdpa")
    change = unpaired(base, summary({1: 2e-3, 2: 3e-3}), {"sdpa": (beside, beside)}, fresh=False)
    assert (change.processes(None), change.processes("sdpa")) == ((3, 2), (2, 1))
    assert (change.count, change.stored(None), change.stored("sdpa")) == (2, 3, 2)


def test_a_pair_in_which_a_reference_failed_is_no_pair():
    sdpa = summary({1: 1e-3, 3: 1e-3}, "sdpa"), summary({1: 1e-3, 2: 1e-3, 3: 2e-3}, "sdpa")
    change = paired(
        summary(dict.fromkeys((1, 2, 3), 1e-3)), summary({1: 1e-3, 2: 9e-3, 3: 3e-3}), {"sdpa": sdpa}, fresh=False
    )
    assert np.exp(change.raw) == pytest.approx([1.0, 3.0])
    assert change.drifts["sdpa"] == pytest.approx(np.sqrt(2))


def test_a_reference_that_became_faster_moved_as_far_as_one_that_became_slower():
    one = summary({1: 1e-3})
    faster, slower = (summary({1: seconds}, "sdpa") for seconds in (0.8e-3, 1.25e-3))
    for head in (faster, slower):
        assert paired(one, one, {"sdpa": (summary({1: 1e-3}, "sdpa"), head)}, fresh=False).moved == pytest.approx(0.25)
    assert unpaired(one, one, {"sdpa": (faster, slower)}, fresh=False).moved == 0.0


def test_only_head_has_confirming_rounds_against_a_stored_run():
    base = summary({1: 1e-3, 2: 1e-3, CONFIRMING + 1: 7e-3})
    head = summary({1: 2e-3, CONFIRMING + 1: 3e-3, CONFIRMING + 2: 3e-3})
    change = unpaired(base, head, {}, fresh=True)
    assert change.raw == ((1e-3, 1e-3), (3e-3, 3e-3))
    assert (change.count, change.stored(None)) == (2, 2)


def test_a_single_process_on_a_side_gives_no_interval():
    one, two = summary({1: 1e-3}), summary({1: 1e-3, 2: 2e-3})
    assert paired(one, one, {}, fresh=False).interval(None) is None
    assert unpaired(one, two, {}, fresh=False).interval(None) is None
    assert unpaired(two, one, {}, fresh=False).interval(None) is None
    assert unpaired(two, two, {}, fresh=False).interval(None) is not None
