"""The section "In your model": end-to-end speed-up against the quality that is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dctbench.analysis import Summary
from dctbench.analysis.in_model import in_models, metrics_of
from dctbench.model import Case
from dctbench.page.charts.axes import Figure
from dctbench.page.charts.in_model import in_model_chart
from dctbench.page.palette import Look
from dctbench.wording import in_model as words
from dctbench.wording.labels import Labels

MOST_METRICS = 4


@dataclass(frozen=True, slots=True)
class ShapePart:
    """A model at one shape: its title, Amdahl's limit, the name of the chart, and the table."""

    title: str
    limit: str | None
    chart: str | None
    metrics: tuple[str, ...]
    judged: str
    trained: bool
    rows: tuple[words.ModelRow, ...]


@dataclass(frozen=True, slots=True)
class InModelSection:
    """The answers, the parts and the figures of the section, by the name of their place in the page."""

    answers: tuple[str, ...]
    parts: tuple[ShapePart, ...]
    notes: tuple[str, ...]
    figures: Mapping[str, Figure]


def in_model_section(
    summaries: Sequence[Summary], styles: Mapping[Case, Look], labels: Labels, *, prefix: str = ""
) -> InModelSection | None:
    """Return the section for a run; None if no model was measured.

    Args:
        summaries: of the run.
        styles: of each case.
        labels: of all cases of the page.
        prefix: of the names of figures, so that those of several runs differ.
    """
    found = in_models(summaries)
    if not found:
        return None
    figures: dict[str, Figure] = {}
    parts = []
    for number, shape in enumerate(found):
        metrics = metrics_of(shape.original)[:MOST_METRICS]
        chart = in_model_chart(shape, styles)
        key = f"{prefix}in-model-{number}"
        if chart is not None:
            figures[key] = chart
        parts.append(
            ShapePart(
                title=f"{shape.original.case.model} at {words.place(shape, labels)}",
                limit=words.limit(shape, labels),
                chart=None if chart is None else key,
                metrics=tuple(map(words.metric_words, metrics)),
                judged=words.metric_words(shape.metric),
                trained=any(one.recovered for one in shape.methods),
                rows=tuple(words.rows(shape, metrics)),
            )
        )
    answers = tuple(words.answer(one, labels) for one in found)
    return InModelSection(answers, tuple(parts), tuple(words.notes(found, labels)), figures)
