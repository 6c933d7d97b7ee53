"""The section "Will it be in time?": the verdict on each case with a schedule, and its response times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dctbench.analysis import Summary
from dctbench.model import Case
from dctbench.page.charts.axes import Figure
from dctbench.page.charts.responses import Curve, distribution, in_order
from dctbench.page.palette import DASHES, Look
from dctbench.wording import timeliness as words
from dctbench.wording.labels import Labels

MOST_CURVES = 8
"""The cases of a chart. The list has the verdict on every case."""


@dataclass(frozen=True, slots=True)
class TimelySection:
    """The sentences and figures of the section for one run.

    Attributes:
        sentence: how many cases were in time in every call.
        cases: the verdict on each case, and what else is known of it.
        distribution, in_order: the names of its figures; None where no call was late.
        undrawn: the number of cases that are in no figure.
        figures: by name.
    """

    sentence: str
    cases: list[tuple[str, list[str]]]
    distribution: str
    in_order: str | None
    undrawn: int
    figures: dict[str, Figure]


def timely_section(
    summaries: Sequence[Summary], styles: Mapping[Case, Look], labels: Labels, *, prefix: str = ""
) -> TimelySection | None:
    """Return the section for a run, or None if it released no call on a schedule.

    Args:
        summaries: of the run.
        styles: of each case.
        labels: names of the curves.
        prefix: of the names of figures, so that those of several runs differ.
    """
    found = [(summary, kept) for summary in summaries if (kept := summary.timeliness) is not None]
    if not found:
        return None
    # Neither a case that is never late nor one that always is needs a chart as much as those in between.
    drawn = sorted(found, key=lambda pair: (pair[1].late, not pair[1].misses, -pair[0].case.seq_len))[:MOST_CURVES]
    # The color tells the method, so the dash has to tell everything else: length, engine, period and so on.
    shapes = list({summary.case.shape: summary.case.seq_len for summary, _ in drawn}.items())[: len(DASHES)]
    shapes.sort(key=lambda shape: -shape[1])
    dash_of = {shape: dash for (shape, _), dash in zip(shapes, DASHES, strict=False)}
    curves = [
        Curve(f"{labels.curve(s.case)}, n = {s.case.seq_len}", styles[s.case], dash_of[s.case.shape], kept)
        for s, kept in found
        if any(s is one for one, _ in drawn) and s.case.shape in dash_of
    ]
    late = [curve for curve in curves if curve.kept.misses]
    figures = {f"{prefix}responses": distribution(curves)}
    if late:
        figures[f"{prefix}responses-in-order"] = in_order(late)
    return TimelySection(
        sentence=words.overall([kept for _, kept in found]),
        cases=[(first, rest) for summary, _ in found for first, *rest in [words.lines(summary, labels)]],
        distribution=f"{prefix}responses",
        in_order=f"{prefix}responses-in-order" if late else None,
        undrawn=len(found) - len(curves),
        figures=figures,
    )
