"""Verdicts as the cells of a table, the worst first, and how many are left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from dctbench.compare import ComparisonOutcome
from dctbench.model import IMPROVEMENTS, REGRESSIONS, UNDECIDED, Case, Verdict, VerdictKind
from dctbench.text.format import format_ratio, pluralize
from dctbench.wording import verdict_numbers
from dctbench.wording.labels import Labels
from dctbench.wording.reasons import reason_line

_GROUPS = (REGRESSIONS, UNDECIDED, IMPROVEMENTS, frozenset({VerdictKind.NEW}), frozenset({VerdictKind.PASS}))


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One verdict and its texts."""

    verdict: Verdict
    kind: str
    case: str
    seq_len: str
    metric: str
    base: str
    head: str
    change: str
    raw: str
    tolerance: str
    reason: str

    @property
    def has_figures(self) -> bool:
        """Whether there is any value; a case that runs on one side only has a reason instead."""
        return self.verdict.base is not None or self.verdict.head is not None


@dataclass(frozen=True, slots=True)
class Relevant:
    """The rows to show, and how many cases, and verdicts on shown cases, were left out."""

    rows: tuple[VerdictRow, ...]
    hidden_cases: int
    hidden_verdicts: int


def relevant(outcome: ComparisonOutcome, *, everything: bool = False) -> Relevant:
    """Return all verdicts but PASS, or all if `everything`; the worst kinds and the largest changes come first."""
    verdicts = outcome.judgement.verdicts
    shown = [v for v in verdicts if everything or v.kind is not VerdictKind.PASS]
    labels = labels_of(outcome)
    cases = {verdict.case for verdict in shown}
    return Relevant(
        rows=tuple(_row(verdict, labels) for verdict in sorted(shown, key=_place)),
        hidden_cases=len({v.case for v in verdicts} - cases),
        hidden_verdicts=sum(v.kind is VerdictKind.PASS for v in verdicts if v.case in cases and not everything),
    )


def labels_of(outcome: ComparisonOutcome) -> Labels:
    """Return names that distinguish all judged cases."""
    return Labels(verdict.case for verdict in outcome.judgement.verdicts)


def opening(outcome: ComparisonOutcome) -> str:
    """`2 regressions, 1 improvement, 38 unchanged, 3 inconclusive, runner drift 1.00x`, counted by case.

    A case that head was not asked for has not become worse, and is counted by itself.
    """
    kinds = Counter(outcome.judgement.by_case().values())
    if kinds and kinds.keys() <= {VerdictKind.MISSING, VerdictKind.NEW}:
        alone = ((VerdictKind.MISSING, "base"), (VerdictKind.NEW, "head"))
        counts = [f"{kinds[kind]} only in {side}" for kind, side in alone if kinds[kind]]
        return f"{', '.join(counts)}; nothing could be compared"
    parts = [
        pluralize(_number(kinds, REGRESSIONS - {VerdictKind.MISSING}), "regression"),
        pluralize(_number(kinds, IMPROVEMENTS), "improvement"),
        f"{kinds[VerdictKind.PASS]} unchanged",
        f"{kinds[VerdictKind.INCONCLUSIVE]} inconclusive",
    ]
    parts += [
        f"{kinds[kind]} {kind.value.lower()}"
        for kind in (VerdictKind.MISSING, VerdictKind.INCOMPARABLE, VerdictKind.NEW)
        if kinds[kind]
    ]
    return ", ".join([*parts, drift_words(outcome)])


def drift_words(outcome: ComparisonOutcome) -> str:
    """Return how much the references changed: `runner drift 1.00x`, each by name where they disagree."""
    found = {name: format_ratio(change) for name, change in outcome.judgement.drift.items()}
    if not found:
        return "runner drift unknown"
    if len(set(found.values())) == 1:
        return f"runner drift {next(iter(found.values()))}"
    return f"runner drift {', '.join(f'{change} ({name})' for name, change in found.items())}"


def _number(kinds: Counter[VerdictKind], group: Iterable[VerdictKind]) -> int:
    return sum(kinds[kind] for kind in group)


def _place(verdict: Verdict) -> tuple[int, int, float]:
    """Sort by group, then by kind, then by the size of the change."""
    group = next(number for number, kinds in enumerate(_GROUPS) if verdict.kind in kinds)
    if verdict.kind is VerdictKind.PASS:
        return group, 0, 0.0
    size = abs(math.log(verdict.effect)) if verdict.effect else math.inf
    return group, list(VerdictKind).index(verdict.kind), -size


def _row(verdict: Verdict, labels: Labels) -> VerdictRow:
    base, head = verdict_numbers.both(verdict)
    case: Case = verdict.case
    return VerdictRow(
        verdict=verdict,
        kind=verdict.kind.value,
        case=labels.curve(case),
        seq_len=str(case.seq_len),
        metric=verdict.metric,
        base=base,
        head=head,
        change=verdict_numbers.change(verdict),
        raw=verdict_numbers.NOTHING if verdict.raw is None else format_ratio(verdict.raw),
        tolerance=verdict_numbers.limit(verdict),
        reason=reason_line(verdict.reason),
    )
