"""The first screen: what to ship at the longest length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from dctbench import analysis
from dctbench.analysis.budgets import usual_budgets
from dctbench.analysis.deadlines import but_for_engine, deadlines
from dctbench.analysis.decision import Accuracies, decide
from dctbench.analysis.in_model import ModelQuality
from dctbench.model import Case
from dctbench.page.facets import Contents, Facet
from dctbench.wording import accuracy, decision, in_model
from dctbench.wording import deadlines as words
from dctbench.wording.decision import Row


@dataclass(frozen=True, slots=True)
class DeadlinePart:
    """Which methods keep a deadline in which engine.

    Attributes:
        title: the period and the deadline.
        rule: what is called in time.
        answers: what to ship at each length, longest first.
        engines: the columns.
        rows: for each method its name and a cell for each engine.
        facets: the facets of the page that it is about.
        hidden: whether the page opens with another facet.
    """

    title: str
    rule: str
    answers: tuple[str, ...]
    engines: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    facets: tuple[int, ...]
    hidden: bool


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of accuracy where some facets of the page are shown.

    Attributes:
        answers: what each task or model says; empty where no accuracy was measured.
        facets: of the page.
        hidden: whether the page opens with another facet.
    """

    answers: tuple[str, ...]
    facets: tuple[int, ...]
    hidden: bool


@dataclass(frozen=True, slots=True)
class DecisionSection:
    """What the first screen says.

    Attributes:
        sentence: what to ship.
        learned: what tasks and models say, by the facets of which they say it.
        rows: the methods that nothing else beats.
        reference: what speed-ups refer to.
        more: a sentence on those that the table leaves out, or an empty text.
        scheduled: whether calls were released on a schedule, so that the table says how many were late.
        deadlines: which methods keep which deadline.
    """

    sentence: str
    learned: tuple[Learned, ...]
    rows: tuple[Row, ...]
    reference: str | None
    more: str
    scheduled: bool
    deadlines: tuple[DeadlinePart, ...]


def decision_section(contents: Contents, facet: Facet) -> DecisionSection:
    """Return the first screen for the length that a facet opens with, within its deadline if it has one."""
    accuracies = contents.accuracies(facet)
    rankings = facet.rankings(contents.reference)
    learned, kept = _learned(contents), _deadlines(contents)
    if not rankings:
        place = contents.labels.place(facet.summaries[-1].case)
        said = decision.TEMPLATES["nothing_timed"].format(place=place)
        return DecisionSection(said, learned, (), contents.reference, "", False, kept)
    ranking = next(one for one in rankings if one.seq_len == facet.opening[0])
    budgets = usual_budgets(facet.case)
    choice = analysis.choose(ranking, budgets)
    found = decide(ranking, choice, accuracies)
    return DecisionSection(
        sentence=decision.sentence(ranking, choice, found, budgets, contents.labels, accuracies),
        learned=learned,
        rows=tuple(decision.rows(ranking, choice, found, budgets, accuracies)),
        reference=None if ranking.reference is None else ranking.reference.case.name,
        more=decision.TEMPLATES["not_shown"].format(count=found.more) if found.more else "",
        scheduled=facet.case.deadline is not None,
        deadlines=kept,
    )


def _learned(contents: Contents) -> tuple[Learned, ...]:
    """What is known of accuracy, in the order of the facets; facets of which the same is known have one part."""
    found: dict[tuple[str, ...], list[int]] = {}
    for number, facet in enumerate(contents.facets):
        known = contents.accuracies(facet)
        if isinstance(known, ModelQuality):
            answers = tuple(in_model.answer(model, contents.labels) for model in known.models)
        else:
            answers = tuple(accuracy.headline(results) for results in known.tasks)
        found.setdefault(answers, []).append(number)
    return tuple(Learned(answers, tuple(facets), hidden=0 not in facets) for answers, facets in found.items())


def _accuracies_of(contents: Contents, facets: Mapping[tuple[object, ...], Facet], case: Case) -> Accuracies:
    """Return what is known of accuracy in the facet of a case."""
    return contents.accuracies(facets[case.facet])


def _deadlines(contents: Contents) -> tuple[DeadlinePart, ...]:
    found = []
    for run, recorded in enumerate(contents.runs):
        ordered = analysis.arranged(recorded.summaries, contents.reference)
        of_run = {facet.case.facet: facet for facet in contents.facets if facet.run == run}
        for deadline in deadlines(ordered, partial(_accuracies_of, contents, of_run)):
            facets = tuple(
                number
                for number, facet in enumerate(contents.facets)
                if facet.run == run and but_for_engine(facet.case) == but_for_engine(deadline.case)
            )
            found.append(
                DeadlinePart(
                    title=words.heading(deadline),
                    rule=words.rule(deadline),
                    answers=tuple(words.at_length(one, deadline.engines) for one in deadline.lengths),
                    engines=deadline.engines,
                    rows=tuple(
                        (name, tuple(words.cell(engines.get(engine, ())) for engine in deadline.engines))
                        for name, engines in deadline.curves.items()
                    ),
                    facets=facets,
                    hidden=0 not in facets,
                )
            )
    return tuple(found)
