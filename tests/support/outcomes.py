"""Comparisons of results made by hand, judged by the real rules, for tests of their presentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dctbench import analysis
from dctbench.compare import CONFIRMING, Comparison, ComparisonOutcome, Difference, Judgement, Rules, judge
from dctbench.model import Case, Reason, ReasonCode, Result, Verdict, VerdictKind
from tests.support.made import RUN, result

BASE = replace(RUN, id="b" * 16, label="main", suite="ci", started_at="2026-01-01T10:20:30.000000+00:00")
HEAD = replace(RUN, id="a" * 16, suite="ci", started_at="2026-01-02T10:20:30.000000+00:00")
X = Case("dct-x", 1024, 8)
MIB = 2.0**20


def outcome(
    *verdicts: Verdict,
    drift: dict[str, float] | None = None,
    exit_code: int = 1,
    differences: Sequence[Difference] = (),
    informs: bool = False,
    **runs: Any,
) -> ComparisonOutcome:
    """Return an outcome with these verdicts."""
    judgement = Judgement(verdicts, drift={"sdpa": 1.0, "none": 1.0} if drift is None else drift)
    base, head = runs.get("base", BASE), runs.get("head", HEAD)
    return ComparisonOutcome(base, head, judgement, Rules(), tuple(differences), exit_code, informs)


def judged(
    base: Sequence[Result], head: Sequence[Result], rules: Rules | None = None, **comparison: Any
) -> ComparisonOutcome:
    """Return the outcome of these results. Every case of head except the references is judged."""
    rules = rules or Rules()
    sides = [{s.case: s for s in analysis.summarise(results)} for results in (base, head)]
    cases = {case: case for case in sides[1] if case.implementation not in ("sdpa", "none")}
    judgement = judge(Comparison(sides[0], sides[1], cases, **({"paired": True} | comparison)), rules)
    return ComparisonOutcome(BASE, HEAD, judgement, rules, (), judgement.exit_code())


def in_rounds(
    name: str, seconds: Sequence[float], seq_len: int = 1024, *, confirmed: bool = False, **kwargs: Any
) -> list[Result]:
    """Return a case with one median per round; `confirmed` adds the same medians as further rounds."""
    starts = (1, CONFIRMING + 1) if confirmed else (1,)
    return [
        result(name, seq_len, took, round=number, **kwargs)
        for start in starts
        for number, took in enumerate(seconds, start)
    ]


SLOWER = Verdict(X, "latency", VerdictKind.SLOWER, 2.31e-3, 3.28e-3, 1.42, 1.37, 1.48, 1.42, 0.25)
WORSE = Verdict(
    replace(X, seq_len=2048), "memory.tensor", VerdictKind.WORSE, MIB, MIB + 64, 1 + 64 / MIB, tolerance=0.0
)
OVER = Verdict(X, "budget.latency.p99", VerdictKind.OVER_BUDGET, head=6.1e-3, tolerance=5e-3, budget="latency_p99")
FAILING = Verdict(
    Case("full", 4096),
    "status",
    VerdictKind.NEWLY_FAILING,
    reason=Reason(ReasonCode.HEAD_FAILED, {"head": "error: SIGSEGV"}),
)
FASTER = Verdict(replace(X, ratio=16), "latency", VerdictKind.FASTER, 2e-3, 1e-3, 0.5, 0.48, 0.52, 0.51, 0.25)
OPEN = Verdict(
    Case("linformer", 512, 4), "latency", VerdictKind.INCONCLUSIVE, 1e-3, 1.4e-3, 1.4, 0.9, 2.1, 1.3, 0.25,
    Reason(ReasonCode.REFERENCES_DISAGREE),
)  # fmt: skip
PASSED = Verdict(Case("pool", 512, 4), "latency", VerdictKind.PASS, 1e-3, 1.01e-3, 1.01, 0.98, 1.04, 1.0, 0.25)
FLOPS = Verdict(X, "flops", VerdictKind.PASS, 1e9, 1e9, 1.0, tolerance=0.0)
MIXED = (FLOPS, SLOWER, PASSED, WORSE, OVER, FAILING, FASTER, OPEN)
