"""The sentences for every facet, reference and length. The page's script only chooses among them.

A page without scripts has the sentences for its first facet, reference and longest length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dctbench import analysis
from dctbench.analysis import Ranking, Summary
from dctbench.page.facets import Contents, Facet
from dctbench.page.packing import Sentences
from dctbench.text.format import format_count, format_size
from dctbench.wording import summary as words
from dctbench.wording.labels import Labels

_PLAIN = Labels([])

Line = tuple[str, str]
"""The name of a curve and a sentence about it, so that the sentence can be hidden with its curve.

The name is empty where the sentence is about no single curve.
"""


@dataclass(frozen=True)
class ShapeSentences:
    """The sentences about one length: which method is fastest, and which needs the least memory."""

    length: int
    at: str
    fastest: str
    leanest: str


@dataclass(frozen=True)
class ReferenceSentences:
    """The sentences about a facet that depend on the reference.

    Attributes:
        shapes: by length.
        payoffs: at which lengths each method is faster or slower; those that are faster at a short length come first.
    """

    shapes: tuple[ShapeSentences, ...]
    payoffs: tuple[Line, ...]


@dataclass(frozen=True)
class FacetSentences:
    """The sentences about a facet that do not depend on the reference.

    Attributes:
        scalings: how the latency of each curve grows.
        misfits: the curves that did not fit into memory at some length.
        nearest: for each length, which method is closest to the ceilings of the machine.
        roofs: each case in the roofline, at the longest length.
        energy: of a call of each case, or why it was not measured.
    """

    scalings: tuple[Line, ...]
    misfits: tuple[Line, ...]
    nearest: tuple[tuple[int, str], ...]
    roofs: tuple[Line, ...]
    energy: tuple[Line, ...]


def reference_sentences(contents: Contents, facet: Facet, reference: str | None) -> ReferenceSentences:
    """Return the sentences about a facet that depend on the reference."""
    payoffs = sorted(contents.payoffs(facet, reference), key=_soonest) if reference else []
    texts = [words.payoff(found, reference, _PLAIN) for found in payoffs if reference]
    pairs = list(zip(payoffs, texts, strict=True))
    return ReferenceSentences(
        shapes=tuple(_shape(ranking, contents.labels) for ranking in facet.rankings(reference)),
        payoffs=tuple((_PLAIN.curve(found.case), text) for found, text in pairs),
    )


def facet_sentences(facet: Facet, reference: str | None, labels: Labels) -> FacetSentences:
    """Return the sentences about a facet that do not depend on the reference."""
    feasible = analysis.feasible_lengths(facet.summaries)
    by_case = {one.summary.case: one for one in facet.placed if one}
    under = [
        (ranking.seq_len, labels.place(ranking.ranked[0].case), placed)
        for ranking in facet.rankings(reference)
        if (placed := [by_case[summary.case] for summary in ranking.ranked if summary.case in by_case])
    ]
    longest = under[-1][2] if under else []
    return FacetSentences(
        scalings=tuple(
            (_PLAIN.curve(found.case), words.scaling(found, _PLAIN)) for found in analysis.scalings(facet.summaries)
        ),
        misfits=tuple((_PLAIN.curve(f.case), text) for f in feasible if (text := words.feasible(f, _PLAIN))),
        nearest=tuple((length, f"At {at}, {words.nearest_roof(placed)}") for length, at, placed in under),
        roofs=tuple((p.summary.case.name, f"{p.summary.case.name}: {words.roof_words(p)}") for p in longest),
        energy=tuple(_energy(facet.summaries)),
    )


def encoded(contents: Contents, sentences: Sentences) -> list[dict[str, Any]]:
    """Return the encoded sentences of each facet, for the script."""
    code = sentences.coded
    found = []
    for facet in contents.facets:
        general = facet_sentences(facet, contents.reference, contents.labels)
        found.append(
            {
                "scalings": _lines(general.scalings, code),
                "misfits": _lines(general.misfits, code),
                "nearest": {length: code(text) for length, text in general.nearest},
                "energy": _lines(general.energy, code),
                "by_reference": {
                    name or "": _encoded(reference_sentences(contents, facet, name), code)
                    for name in contents.references or (None,)
                },
            }
        )
    return found


def _encoded(found: ReferenceSentences, code: Callable[[str], str]) -> dict[str, Any]:
    return {
        "shapes": {shape.length: [code(shape.fastest), code(shape.leanest)] for shape in found.shapes},
        "payoffs": _lines(found.payoffs, code),
    }


def _soonest(found: analysis.PayoffRange) -> float:
    return math.inf if found.first_win is None else found.first_win


def _lines(lines: Sequence[Line], code: Callable[[str], str]) -> list[tuple[str, str]]:
    return [(name, code(text)) for name, text in lines]


def _shape(ranking: Ranking, labels: Labels) -> ShapeSentences:
    at = labels.place(ranking.ranked[0].case)
    return ShapeSentences(ranking.seq_len, at, words.fastest(ranking), _leanest(ranking, at))


def _leanest(ranking: Ranking, at: str) -> str:
    known = [s.memory for s in ranking.ranked if s.memory is not None]
    if not known:
        return f"At {at}, memory was not measured"
    least = min(known)
    names = [s.case.name for s in ranking.ranked if s.memory == least]
    shown = [*names[:2], f"{len(names) - 2} more"] if len(names) > 3 else names
    who = f"{shown[0]} needs" if len(names) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]} need"
    answer = f"At {at}, {who} the least memory, {format_size(least)}"
    reference = ranking.reference
    if reference is not None and reference.memory is not None and reference.memory > least:
        answer += f" against {format_size(reference.memory)} for {reference.case.name}"
    return answer


def _meter(summary: Summary) -> str:
    """Which meter measured the energy of a case, and what it covers."""
    reading = summary.details.energy or {}
    source = reading.get("source")
    return f" above idle, by {source}" if isinstance(source, str) else ""


def _energy(summaries: Sequence[Summary]) -> list[Line]:
    """The energy of a call of each case, or each reason why it was not measured."""
    measured = [(_PLAIN.curve(s.case), _joules(s)) for s in summaries if "energy" in s.values]
    reasons = dict.fromkeys(s.details.absent["energy"] for s in summaries if "energy" in s.details.absent)
    return measured or [("", f"not measured: {reason}") for reason in reasons]


def _joules(summary: Summary) -> str:
    energy = format_count(summary.values["energy"], "J")
    return f"{_PLAIN.curve(summary.case)} at n = {summary.case.seq_len}: {energy} a call{_meter(summary)}"
