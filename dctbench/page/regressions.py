"""The texts of the page's section on regressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dctbench.compare import ComparisonOutcome
from dctbench.compare.rules import MOVED
from dctbench.page.charts.regressions import MOST, band_words, changed, has_raw, held_against
from dctbench.text.format import format_percent, listed, pluralize
from dctbench.wording import verdict_numbers, verdict_sentences
from dctbench.wording.verdict_cells import VerdictRow, drift_words, labels_of, opening, relevant

_ROWS = 60
_SENTENCES = 10


@dataclass(frozen=True, slots=True)
class Section:
    """The context of sections/regressions.html.j2."""

    opening: str
    drift: str
    drifted: bool
    drawn: bool
    raw: bool
    band: str
    undrawn: str | None
    worse: Sequence[str]
    doubts: Sequence[str]
    rows: Sequence[VerdictRow]
    nothing: str
    left_out: str
    sides: Sequence[str]
    differences: Sequence[str]


def section(outcome: ComparisonOutcome) -> Section:
    """Return all texts of the section. Its figure is `charts.regressions.regressions_chart(outcome)`."""
    found = relevant(outcome)
    labels = labels_of(outcome)
    worse = verdict_sentences.regressions(found.rows, labels)
    more = [f"and {len(worse) - _SENTENCES} more in the table below"] if len(worse) > _SENTENCES else []
    changes = changed(outcome)
    return Section(
        opening=opening(outcome),
        drift=drift_banner(outcome),
        drifted=_drifted(outcome),
        drawn=bool(changes),
        raw=any(map(has_raw, changes)),
        band=verdict_numbers.by_device(held_against(outcome), band_words),
        undrawn=_undrawn(len(changes) - MOST),
        worse=[*worse[:_SENTENCES], *more],
        doubts=verdict_sentences.remedies(outcome),
        rows=found.rows[:_ROWS],
        nothing=verdict_sentences.nothing_changed(outcome),
        left_out=_left_out(len(found.rows) - _ROWS, found.hidden_cases),
        sides=verdict_sentences.sides(outcome),
        differences=verdict_sentences.differences(outcome.differences),
    )


def drift_banner(outcome: ComparisonOutcome) -> str:
    """Return a sentence on how the references changed, and what this says about the machine."""
    found = drift_words(outcome)
    if not outcome.judgement.drift:
        return "No reference ran on both sides, so the drift of the machine is not known."
    if _drifted(outcome) and outcome.in_turn:
        return (
            f"The references changed: {found}. Base and head took turns, so a change of the machine affected both. A "
            "case counts as slower only if it is also slower relative to the references."
        )
    if _drifted(outcome):
        return (
            f"The machine changed: {found}. The changes below are relative to the references, which cancels out what "
            "affected all cases alike. The raw changes still include it."
        )
    return f"The machine was stable: {found}, within {format_percent(MOVED)}."


def _drifted(outcome: ComparisonOutcome) -> bool:
    return any(not 1 / (1 + MOVED) <= change <= 1 + MOVED for change in outcome.judgement.drift.values())


def _undrawn(number: int) -> str | None:
    return f"{pluralize(number, 'case')} with smaller changes are not drawn" if number > 0 else None


def _left_out(rows: int, cases: int) -> str:
    parts = [f"{pluralize(rows, 'row')} more"] if rows > 0 else []
    parts += [f"{pluralize(cases, 'case')} without a change"] if cases else []
    return listed(parts)
