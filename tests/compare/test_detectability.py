"""Whether a gate could fail at all, by the very tests and correction that decide it."""

from __future__ import annotations

import pytest

from dctbench.compare import CONFIRMING, Rules
from dctbench.compare.detectability import Detectability
from dctbench.model import VerdictKind
from dctbench.stats.multiple import holm
from dctbench.stats.sequential import paired_p
from dctbench.wording.verdict_sentences import cannot_fail
from tests.compare.test_judgement import compare, kinds, side, slow

ALPHA = 0.05


def proven(cases: int, base: int | None, head: int) -> bool:
    """Whether one case that is a hundred times slower in every process is, beside others that have not changed."""
    if base is not None:  # beside a stored run, any two processes per side can, if the change is large enough
        return base >= 2 and head >= 2
    p_value = paired_p([4.6] * head, 0.1)
    return holm([p_value] + [1.0] * (cases - 1), ALPHA)[0]


@pytest.mark.parametrize("cases", [1, 2, 10, 36, 300])
@pytest.mark.parametrize("base", [None, 1, 2, 3, 5])
def test_what_is_needed_is_the_least_that_proves_a_slowdown_however_large(cases: int, base: int | None) -> None:
    found = next((n for n in range(2, 201) if proven(cases, base, n)), None)
    assert Detectability(cases, base, 2).needed == found
    for most in (2, 5, 15):
        assert Detectability(cases, base, most).enough is proven(cases, base, most)


@pytest.mark.parametrize(
    ("detectability", "said"),
    [
        (Detectability(10, None, 2), "2 pairs cannot prove it among 10 cases; --max-pairs 8 can"),
        (Detectability(1, None, 2), "2 pairs cannot prove it; --max-pairs 5 can"),
        (Detectability(36, 1, 15), "among 36 cases; a baseline of --rounds 2 can"),
    ],
)
def test_the_warning_says_what_would_be_enough(detectability: Detectability, said: str) -> None:
    warning = cannot_fail(detectability)
    assert warning.startswith("no slowdown can be called SLOWER")
    assert warning.endswith(said)


@pytest.mark.parametrize(("most", "kind"), [(5, VerdictKind.INCONCLUSIVE), (6, VerdictKind.SLOWER)])
def test_a_slowdown_that_cannot_be_proven_never_passes(most: int, kind: VerdictKind) -> None:
    rounds = [*range(1, most + 1), *range(CONFIRMING + 1, CONFIRMING + most + 1)]
    rules = Rules(latency=0.1, pairs=5, max_pairs=most)
    judgement = compare(side(rounds), side(rounds, slow(3.0)), rules=rules, judged=("dct-x", "none"))
    assert kinds(judgement)["dct-x"] is kind
    assert judgement.open == ()
    assert (judgement.blind is not None) is (kind is VerdictKind.INCONCLUSIVE)
    assert [judgement.exit_code(said) for said in (None, "pass", "fail")] == (
        [3, 3, 1] if kind is VerdictKind.INCONCLUSIVE else [1, 1, 1]
    )


def test_what_needs_no_proof_passes_a_blind_gate() -> None:
    rules = Rules(latency=0.1, pairs=2, max_pairs=2)
    judgement = compare(side([1, 2]), side([1, 2]), rules=rules)
    assert judgement.blind == Detectability(1, None, 2)
    assert judgement.exit_code() == 0


def test_a_stored_base_of_few_processes_makes_a_gate_blind() -> None:
    rules = Rules(latency=0.1, pairs=5, max_pairs=15)
    head = side(range(1, 16), slow(3.0))
    judgement = compare(side([1]), head, paired=False, rules=rules, further=[side([1])])
    assert judgement.blind == Detectability(1, 1, 15)
    assert judgement.exit_code("pass") == 3
    assert compare(side([1, 2]), head, paired=False, rules=rules, further=[side([1])]).blind is None
    advisory = compare(side([1]), head, paired=False, rules=rules)  # nothing could be called here anyway
    assert (advisory.blind, advisory.exit_code("pass")) == (None, 0)
