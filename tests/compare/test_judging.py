"""Judging two stored runs, where nothing more can be measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats as scipy_stats

from dctbench import analysis
from dctbench.compare import CONFIRMING, Comparison, Judgement, Rules, judge
from dctbench.compare.stored import as_stored
from dctbench.model import Result, VerdictKind
from dctbench.wording.verdict_sentences import not_seen
from tests.support.made import result

STORED = as_stored(Rules())


def rounds(seconds: Sequence[float], first: int = 1) -> list[Result]:
    """The case in that many rounds, each beside a reference that takes 1 ms."""
    return [
        one
        for number, took in enumerate(seconds, first)
        for one in (result("sdpa", 1024, 1e-3, round=number), result("dct-x", 1024, took, ratio=8, round=number))
    ]


def judged(
    base: Sequence[Result], head: Sequence[Result], rules: Rules, *further: Sequence[Result], everything: bool = False
) -> Judgement:
    before, now, *more = ({s.case: s for s in analysis.summarise(results)} for results in (base, head, *further))
    cases = {case: case for case in now if everything or case.implementation != "sdpa"}
    return judge(Comparison(before, now, cases, paired=False, further=more), rules)


BASE = [2e-3 + i * 1e-6 for i in range(5)]
HEAD = [3e-3 + i * 1e-6 for i in range(5)]


def test_two_stored_runs_are_told_apart_without_fresh_processes_but_a_gate_waits_for_them() -> None:
    [verdict] = judged(rounds(BASE), rounds(HEAD), STORED).verdicts
    assert (verdict.kind, verdict.reason) == (VerdictKind.SLOWER, None)
    waiting = judged(rounds(BASE), rounds(HEAD), Rules(pairs=5, max_pairs=15))
    assert (waiting.verdicts[0].kind, waiting.confirming) == (VerdictKind.INCONCLUSIVE, True)


@pytest.mark.parametrize(("p", "proven"), [(0.02, True), (0.03, False)])
def test_a_gate_pays_for_two_looks_and_a_comparison_of_two_runs_for_two_directions(p: float, proven: bool) -> None:
    """The change is drawn so that Student's test on one side gives p."""
    logs = 0.3 * np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    error = np.sqrt(logs.var(ddof=1) * 2 / 5)
    shift = scipy_stats.t.isf(p, 8) * error
    slow, fast = (rounds([float(2e-3 * np.exp(log)) for log in side]) for side in (logs + shift, logs))
    assert judged(fast, slow, STORED).verdicts[0].kind is (VerdictKind.SLOWER if proven else VerdictKind.INCONCLUSIVE)
    assert (judged(slow, fast, STORED).verdicts[0].kind is VerdictKind.FASTER) is proven
    assert judged(fast, slow, Rules(pairs=5, max_pairs=15)).confirming is proven
    # Nothing can be told of a reference without another beside it, so the others do not pay for its test.
    kinds = {v.case.implementation: v.kind for v in judged(fast, slow, STORED, everything=True).verdicts}
    assert kinds == {
        "sdpa": VerdictKind.PASS, "dct-x": VerdictKind.SLOWER if proven else VerdictKind.INCONCLUSIVE
    }  # fmt: skip


def test_the_pairs_of_a_gate_are_judged_later_as_they_were_there() -> None:
    """Five unanimous pairs give p = 1.95^-5 = 0.035, and five fresh ones the same."""
    seconds = [2e-3] * 5
    sides = [
        {s.case: s for s in analysis.summarise([*rounds(one), *rounds(one, CONFIRMING + 1)])}
        for one in (seconds, [2 * t for t in seconds])
    ]
    cases = {case: case for case in sides[1] if case.implementation != "sdpa"}
    pairs = Comparison(sides[0], sides[1], cases, paired=True)
    for rules in (Rules(pairs=5, max_pairs=15), STORED):
        assert judge(pairs, rules).verdicts[0].kind is VerdictKind.SLOWER


def test_fresh_processes_that_are_stored_are_asked() -> None:
    head = rounds(HEAD) + rounds(BASE, CONFIRMING + 1)
    [verdict] = judged(rounds(BASE), head, STORED).verdicts
    assert verdict.kind is VerdictKind.PASS
    assert verdict.effect == pytest.approx(1.0)


def test_two_stored_runs_say_what_they_could_not_have_shown() -> None:
    noisy = [2e-3 * factor for factor in (0.7, 1.0, 1.4)]
    found = judged(rounds(noisy), rounds(noisy), STORED).sensitivity
    assert found is not None
    assert (found.base, found.head) == (3, 3)
    # One case: Student's t at 2.5% on one side with four degrees of freedom, times its standard error.
    logs = np.log(noisy)
    assert found.factor == pytest.approx(np.exp(scipy_stats.t.ppf(0.975, 4) * np.sqrt(logs.var(ddof=1) * 2 / 3)))
    assert not_seen(found).startswith(
        f"a change under {found.factor:.2f}x of a typical case could not be told from noise"
    )
    assert judged(rounds(BASE), rounds(BASE), STORED).sensitivity is None  # all beyond the tolerance would have shown
    assert judged(rounds(noisy[:1]), rounds(noisy), STORED).sensitivity is None


def test_a_gate_could_not_have_shown_less_than_the_runs_of_base_differ() -> None:
    runs = [rounds([seconds] * 3) for seconds in (2e-3, 2.4e-3, 2.2e-3)]
    rules = Rules(pairs=2, max_pairs=3)
    found = judged(runs[0], runs[0], rules, *runs[1:]).sensitivity
    assert found is not None
    assert found.runs == 3
    # One case: Student's t with the run as the unit, at 5% on one side. A gate looks twice, for slowdowns alone.
    logs = np.log([2.0, 2.4, 2.2])
    apart = np.sqrt(logs.var(ddof=1) * (1 + 1 / 3))
    assert found.factor == pytest.approx(np.exp(scipy_stats.t.ppf(0.975, 2) * apart))
    assert not_seen(found) == (
        f"a change under {found.factor:.2f}x of a typical case could not be told from noise with 3 runs of base; name "
        "further runs of base with --baseline, or measure in turn with dctbench check --base-python"
    )
    assert judged(runs[0], runs[0], rules).sensitivity is None  # beside one run no change shows, however large


def test_a_tripled_latency_is_called_slower_among_36_cases_of_three_noisy_rounds() -> None:
    rng = np.random.default_rng(5)
    sides = []
    for slow in (1.0, 3.0):
        made = []
        for number in (1, 2, 3):
            for n in range(36):
                made.append(result("sdpa", 1024 + n, 1e-3, round=number))
                seconds = 2e-3 * np.exp(rng.normal(0, 0.14)) * (slow if n == 7 else 1.0)
                made.append(result("dct-x", 1024 + n, float(seconds), ratio=8, round=number))
        sides.append(made)
    verdicts = judged(sides[0], sides[1], STORED).verdicts
    assert [v.case.seq_len for v in verdicts if v.metric == "latency" and v.kind is VerdictKind.SLOWER] == [1031]
