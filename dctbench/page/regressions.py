"""What the page's section on regressions says: the texts of its partial, ready to be put in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dctbench.compare import Outcome
from dctbench.compare.rules import MOVED
from dctbench.page.charts.regressions import MOST, band_words, changed, has_raw, held_against
from dctbench.text.format import format_percent, pluralize
from dctbench.wording import verdict_numbers, verdict_sentences
from dctbench.wording.verdict_cells import Row, drift, labels_of, opening, relevant

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
    rows: Sequence[Row]
    nothing: str
    left_out: str
    sides: Sequence[str]
    differences: Sequence[str]


def section(outcome: Outcome) -> Section:
    """All texts of the section; the figure is `figures.regressions(outcome)`."""
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


def drift_banner(outcome: Outcome) -> str:
    """What the references say of the machine, in a sentence."""
    told = drift(outcome)
    if not outcome.judgement.drift:
        return "No reference ran on both sides, so that the machine's own drift is not known."
    if _drifted(outcome) and not any(map(has_raw, changed(outcome))):
        return (
            f"The references themselves changed: {told}. Base and head took turns, so that a change of the machine "
            "befell both; a case is called slower only where it is slower than the references too."
        )
    if _drifted(outcome):
        return (
            f"The machine itself was not the same: {told}. Changes below are taken against the references, "
            "which cancels what befell all alike; the raw changes still hold it."
        )
    return f"The machine held still: {told}, within {format_percent(MOVED)}."


def _drifted(outcome: Outcome) -> bool:
    return any(not 1 / (1 + MOVED) <= change <= 1 + MOVED for change in outcome.judgement.drift.values())


def _undrawn(number: int) -> str | None:
    return f"{pluralize(number, 'case')} with smaller changes not drawn" if number > 0 else None


def _left_out(rows: int, cases: int) -> str:
    parts = [f"{pluralize(rows, 'row')} more"] if rows > 0 else []
    parts += [f"{pluralize(cases, 'case')} without a change"] if cases else []
    return " and ".join(parts)
