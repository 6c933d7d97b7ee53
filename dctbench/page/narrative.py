"""The sentences for every facet, reference and length. The page's script only chooses among them.

The cards of a page without scripts are made here. The script makes the same cards for other choices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dctbench import analysis
from dctbench.analysis import Ranking, Summary
from dctbench.catalog import Family
from dctbench.page.facets import Contents, Facet
from dctbench.page.packing import Sentences
from dctbench.text.format import format_count, format_size
from dctbench.wording import recommendation
from dctbench.wording import summary as words
from dctbench.wording.labels import Labels

FASTEST = "Which is fastest?"
PAYS = "From which length does the DCT pay off?"
COST = "What does it need, and what do I give up?"
WHOLE = "Is it complete, and can I trust it?"
_NAMED = 6
"""The most lines of a card. The table has all methods."""
_PLAIN = Labels([])

Line = tuple[str, str]
"""The name of a curve and a sentence about it, so that the sentence can be hidden with its curve."""


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
        dct: the payoffs of the methods of the DCT family.
    """

    shapes: tuple[ShapeSentences, ...]
    payoffs: tuple[Line, ...]
    dct: tuple[str, ...]


@dataclass(frozen=True)
class FacetSentences:
    """The sentences about a facet that do not depend on the reference.

    Attributes:
        scalings: how the latency of each curve grows.
        misfits: the curves that did not fit into memory at some length.
        costs: for each length, its name and the costs of each method.
        nearest: for each length, which method is closest to the ceilings of the machine.
        roofs: each case in the roofline, at the longest length.
        energy: of a call of each case, or why it was not measured.
    """

    scalings: tuple[Line, ...]
    misfits: tuple[Line, ...]
    costs: tuple[tuple[int, str, tuple[str, ...]], ...]
    nearest: tuple[tuple[int, str], ...]
    roofs: tuple[Line, ...]
    energy: tuple[str, ...]


def reference_sentences(contents: Contents, facet: Facet, reference: str | None) -> ReferenceSentences:
    """Return the sentences about a facet that depend on the reference."""
    payoffs = sorted(contents.payoffs(facet, reference), key=_soonest) if reference else []
    texts = [words.payoff(found, reference, _PLAIN) for found in payoffs if reference]
    pairs = list(zip(payoffs, texts, strict=True))
    return ReferenceSentences(
        shapes=tuple(_shape(ranking, contents.labels) for ranking in facet.rankings(reference)),
        payoffs=tuple((_PLAIN.curve(found.case), text) for found, text in pairs),
        dct=tuple(text for found, text in pairs if found.method.family is Family.DCT),
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
        costs=tuple((s.seq_len, labels.place(s.ranked[0].case), _costs(s)) for s in facet.ranking),
        nearest=tuple((length, f"At {at}, {words.nearest_roof(placed)}.") for length, at, placed in under),
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
                "costs": {length: [code(at), *map(code, costs)] for length, at, costs in general.costs},
                "nearest": {length: code(text) for length, text in general.nearest},
                "energy": [code(line) for line in general.energy],
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


def cards(found: ReferenceSentences, general: FacetSentences, coverage: str, stability: str) -> list[dict[str, Any]]:
    """Return the cards for the longest length: a question, its answer, and the details behind it."""
    made = []
    if found.shapes:
        *shorter, longest = found.shapes
        made.append({"question": FASTEST, "answer": f"At {longest.at}, {longest.fastest}.",
                     "details": _some([f"n = {shape.length}: {shape.fastest}" for shape in shorter])})  # fmt: skip
    if found.dct:
        made.append({"question": PAYS, "answer": f"{found.dct[0]}.", "details": _some(found.dct[1:])})
    if found.shapes:
        made.append({"question": COST, "answer": longest.leanest, "details": list(general.costs[-1][2])})
    made.append({"question": WHOLE, "answer": f"{coverage}.", "details": [stability]})
    return made


def _shape(ranking: Ranking, labels: Labels) -> ShapeSentences:
    at = labels.place(ranking.ranked[0].case)
    return ShapeSentences(ranking.seq_len, at, words.fastest(ranking), _leanest(ranking, at))


def _leanest(ranking: Ranking, at: str) -> str:
    known = [s.memory for s in ranking.ranked if s.memory is not None]
    if not known:
        return f"At {at}, memory was not measured."
    least = min(known)
    names = [s.case.name for s in ranking.ranked if s.memory == least]
    shown = [*names[:2], f"{len(names) - 2} more"] if len(names) > 3 else names
    who = f"{shown[0]} needs" if len(names) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]} need"
    answer = f"At {at}, {who} the least memory, {format_size(least)}"
    reference = ranking.reference
    if reference is not None and reference.memory is not None and reference.memory > least:
        answer += f" against {format_size(reference.memory)} for {reference.case.name}"
    return f"{answer}."


def _costs(ranking: Ranking) -> tuple[str, ...]:
    """The memory and the error of each of the fastest methods."""
    details = []
    for summary in ranking.ranked[:_NAMED]:
        memory = "memory not measured" if summary.memory is None else format_size(summary.memory)
        details.append(f"{summary.case.name}: {memory}, {recommendation.error_costs(summary)}")
    return tuple(details)


def _some(lines: Sequence[str]) -> list[str]:
    """As many lines as a card can hold, and how many more there are."""
    if len(lines) <= _NAMED:
        return list(lines)
    return [*lines[: _NAMED - 1], f"and {len(lines) - _NAMED + 1} more"]


def _energy(summaries: Sequence[Summary]) -> list[str]:
    """The energy of a call of each case, or each reason why it was not measured."""
    measured = [
        f"{_PLAIN.curve(s.case)} at n = {s.case.seq_len}: {format_count(s.values['energy'], 'J')} a call"
        for s in summaries
        if "energy" in s.values
    ]
    reasons = dict.fromkeys(s.details.absent["energy"] for s in summaries if "energy" in s.details.absent)
    return measured or [f"not measured: {reason}" for reason in reasons]
