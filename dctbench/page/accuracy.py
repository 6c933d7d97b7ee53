"""The section "What do I give up?": accuracy beside cost for each task, and the acuity chart."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dctbench.analysis import Summary
from dctbench.analysis.accuracy import Compared, TaskResults, task_results
from dctbench.analysis.resolution import acuities
from dctbench.analysis.scores import Score
from dctbench.catalog import Kind
from dctbench.model import Case
from dctbench.page.charts.accuracy import Cost, accuracy_chart, acuity_chart, kept_chart
from dctbench.page.charts.axes import Figure
from dctbench.page.palette import Look
from dctbench.stats.paired import mean_of
from dctbench.text.format import format_seconds, pluralize
from dctbench.wording import accuracy as words
from dctbench.wording.acuity import AcuityTable, acuity_table
from dctbench.wording.cells import latency_words
from dctbench.wording.commands import method_flags

Timed = Sequence[tuple[str, Sequence[Summary]]]
"""What was timed, by run: its title, and its summaries."""
LATENCY_AXIS, TRAINING_AXIS = "latency of one call", "time of a training"


@dataclass(frozen=True, slots=True)
class MethodRow:
    """A row of the table of a task: a cell or two for each variant, ordered and scrambled."""

    name: str
    control: bool
    cost: str
    cells: tuple[tuple[str, str, str, str], ...]
    """Accuracy, verdict, difference in points and kept share, by variant."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A task in order, or scrambled: its name in the page, its answer, and its charts."""

    key: str
    title: str
    sentence: str
    unsolvable: bool
    chart: str | None
    acuity: str | None
    acuity_table: AcuityTable | None


@dataclass(frozen=True, slots=True)
class TaskPart:
    """One task at one length.

    Attributes:
        title: of the task.
        question: what the task asks, or None for a task that is not dctbench's own.
        variants: in order, then scrambled.
        kept: the name of the chart of kept shares, or None.
        rows: of the table.
        cost_title: what the column of costs holds.
        remarks: failed trainings and rates at the edge of the grid.
        note: where latencies come from if not from this shape of this run, or the command that measures them.
    """

    title: str
    question: str | None
    variants: tuple[Variant, ...]
    kept: str | None
    rows: tuple[MethodRow, ...]
    cost_title: str
    remarks: tuple[str, ...]
    note: str | None


@dataclass(frozen=True, slots=True)
class AccuracySection:
    """The parts and the figures of the section, by the name of their place in the page."""

    parts: tuple[TaskPart, ...]
    figures: Mapping[str, Figure]


def accuracy_section(
    summaries: Sequence[Summary],
    timed: Timed,
    styles: Mapping[Case, Look],
    *,
    reference: str | None,
    margin: float | None = None,
    prefix: str = "",
) -> AccuracySection | None:
    """Return the section for a run; None if nothing was trained.

    Args:
        summaries: of the run.
        timed: those that a latency may come from, with the title of their run: first the run itself, without a title,
            then the other runs on the page. Each run has been measured on one machine.
        styles: of each case.
        reference: what methods are compared with.
        margin: the loss of accuracy that does not matter; None for the default.
        prefix: of the names of figures, so that those of several runs differ.
    """
    found = task_results(summaries, reference, margin)
    groups: dict[tuple[object, ...], list[TaskResults]] = {}
    for results in found:
        in_order = replace(results.task, scrambled=False)
        groups.setdefault((str(in_order), *replace(results.case, task=None).shape), []).append(results)
    figures: dict[str, Figure] = {}
    parts = tuple(
        _part(members, timed, styles, figures, f"{prefix}task-{number}")
        for number, members in enumerate(groups.values())
    )
    return AccuracySection(parts, figures) if parts else None


def _part(
    members: Sequence[TaskResults],
    timed: Timed,
    styles: Mapping[Case, Look],
    figures: dict[str, Figure],
    key: str,
) -> TaskPart:
    cases = list(dict.fromkeys(score.case for results in members for score in results.scores))
    latencies, note = latencies_of(cases, timed)
    trainings = {s.case: cost for results in members for s in results.scores if (cost := _training_cost(s)) is not None}
    costs, axis = (latencies, LATENCY_AXIS) if latencies else (trainings, TRAINING_AXIS)
    variants = tuple(_variant(results, costs, styles, figures, f"{key}-{n}", axis) for n, results in enumerate(members))
    kept = kept_chart([("scrambled" if r.task.scrambled else "", r) for r in members], styles)
    if kept is not None:
        figures[f"{key}-kept"] = kept
    first = members[0]
    plain = replace(first, task=replace(first.task, scrambled=False))
    return TaskPart(
        title=words.task_title(plain),
        question=first.question,
        variants=variants,
        kept=None if kept is None else f"{key}-kept",
        rows=tuple(_rows(members, costs)),
        cost_title=axis,
        remarks=tuple(_remarks(members)),
        note=note,
    )


def latencies_of(cases: Sequence[Case], timed: Timed) -> tuple[dict[Case, Cost], str | None]:
    """Return the latency of a call of each method at the length and width of a task, and a note on where it is from.

    All of them come from one run, device, dtype, batch and number of threads, since others do not compare: those that
    timed most of the methods; of equals those as the task was trained, and of these the run itself.

    Args:
        cases: the trainings of a task, which have one shape.
        timed: those that a latency may come from, with the title of their run; that of the run itself is empty.
    """
    found: dict[tuple[int, tuple[object, ...]], dict[Case, Summary]] = {}
    for run, (_, summaries) in enumerate(timed):
        for summary in summaries:
            for case in cases if summary.timed is not None else ():
                if _is_layer_of(summary.case, case):
                    found.setdefault((run, summary.case.facet), {})[case] = summary
    if not found:
        return {}, f"Latency at this length was not measured. {measuring_command(cases)} measures it"

    def setting(layers: Mapping[Case, Summary]) -> tuple[str, str, int, int | None]:
        of = next(iter(layers.values())).case
        return of.device, of.dtype, of.batch, of.threads

    own = (cases[0].device, cases[0].dtype, cases[0].batch, cases[0].threads)
    (run, _), chosen = max(found.items(), key=lambda one: (len(one[1]), setting(one[1]) == own, -one[0][0]))
    title, (device, dtype, batch, threads) = timed[run][0], setting(chosen)
    note = None
    if title or setting(chosen) != own:
        note = f"The latencies are those of a batch of {batch} in {dtype} on {device}"
        if threads != own[-1]:
            note += f" with {'the default number of threads' if threads is None else pluralize(threads, 'thread')}"
        note += f", from {title}" if title else ""
    costs = {
        case: Cost(summary.timed.value, summary.timed, latency_words(summary))
        for case, summary in chosen.items()
        if summary.timed is not None
    }
    return costs, note


def _is_layer_of(timed: Case, case: Case) -> bool:
    """Whether a case is a call of the layer that a training had, by itself, at any batch and on any device."""
    return (
        (timed.task, timed.ranks, timed.period) == (None, None, None)
        and (timed.implementation, timed.compression) == (case.implementation, case.compression)
        and (timed.seq_len, timed.heads, timed.head_dim) == (case.seq_len, case.heads, case.head_dim)
        and (timed.scope, timed.mode, timed.engine) == ("layer", "forward", "eager")
    )


def _training_cost(score: Score) -> Cost | None:
    seconds = [seed.seconds for seed in score.seeds if seed.seconds is not None]
    if not seconds:
        return None
    interval = mean_of(seconds).interval() if len(seconds) > 1 else None
    mean = sum(seconds) / len(seconds)
    return Cost(mean, interval, format_seconds(mean))


def measuring_command(cases: Sequence[Case]) -> str:
    """Return the command that measures the latency of methods at the shape of a task."""
    first = cases[0]
    words = ["dctbench", "run", *method_flags(cases), "--seq", str(first.seq_len), "--batch", str(first.batch)]
    return shlex.join([*words, "--heads", str(first.heads), "--head-dim", str(first.head_dim)])


def _variant(
    results: TaskResults,
    costs: Mapping[Case, Cost],
    styles: Mapping[Case, Look],
    figures: dict[str, Figure],
    key: str,
    axis: str,
) -> Variant:
    chart = accuracy_chart(results, costs, styles, axis)
    found = acuities(results)
    acuity = acuity_chart(found, styles)
    for name, figure in ((key, chart), (f"{key}-acuity", acuity)):
        if figure is not None:
            figures[name] = figure
    return Variant(
        key=key,
        title="Scrambled" if results.task.scrambled else "In order",
        sentence=words.headline(results),
        unsolvable=results.solved_without_attention,
        chart=None if chart is None else key,
        acuity=None if acuity is None else f"{key}-acuity",
        acuity_table=acuity_table(found) if found else None,
    )


def _rows(members: Sequence[TaskResults], costs: Mapping[Case, Cost]) -> list[MethodRow]:
    def method(case: Case) -> Case:
        return replace(case, task=None)

    scores = {(i, method(s.case)): s for i, results in enumerate(members) for s in results.scores}
    judged = {(i, method(c.case)): c for i, results in enumerate(members) for c in results.methods}
    names = dict.fromkeys(case for _, case in scores)
    rows = []
    for case in names:
        own = [scores.get((i, case)) for i in range(len(members))]
        some = next(score for score in own if score is not None)
        cost = next((costs[score.case] for score in own if score is not None and score.case in costs), None)
        rows.append(
            MethodRow(
                name=case.name,
                control=some.summary.method.kind is Kind.CONTROL,
                cost="-" if cost is None else cost.words,
                cells=tuple(_cells(score, judged.get((i, case))) for i, score in enumerate(own)),
            )
        )
    return rows


def _cells(score: Score | None, found: Compared | None) -> tuple[str, str, str, str]:
    if score is None:
        return (words.NOT_MEASURED, "-", "-", "-")
    if found is None:
        return (words.accuracy_words(score), "reference", "-", "-")
    return (
        words.accuracy_words(found.counted),
        words.STANDINGS[found.standing],
        "-" if found.difference is None else words.difference_words(found.difference, ""),
        "-" if found.kept is None else words.kept_words(found.kept),
    )


def _remarks(members: Sequence[TaskResults]) -> list[str]:
    lines = []
    for results in members:
        where = "scrambled, " if results.task.scrambled else ""
        judged = {found.case: found for found in results.methods}
        for score in results.scores:
            found = judged.get(score.case)
            said = ([] if found is None else words.doubts(found)) + words.remarks(score)
            if said:
                lines.append(f"{where}{score.case.name}: {'; '.join(said)}")
    return lines
