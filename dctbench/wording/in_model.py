"""What another attention does to a model, in words: the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dctbench import catalog
from dctbench.analysis import Summary
from dctbench.analysis.accuracy import MARGIN
from dctbench.analysis.decision import Worth
from dctbench.analysis.in_model import Answer, Figures, InModel, ModelQuality, Quality, Replaced
from dctbench.model import WarningCode
from dctbench.text.format import format_percent, format_ratio, listed
from dctbench.wording.accuracy import difference_words
from dctbench.wording.cells import latency_words
from dctbench.wording.labels import Labels
from dctbench.wording.summary import speedup_with_interval

METRICS = {
    "drift.cosine": "cosine of pooled outputs",
    "drift.tokens": "cosine per token",
    "drift.top1": "same largest output",
    "drift.neighbours": "same nearest neighbour",
}
_POINTS = f"{100 * MARGIN:.0f} points"


def metric_words(metric: str) -> str:
    """`cosine of pooled outputs`, or the name of a figure of the user's evaluation; `evaluate` for one without."""
    return METRICS.get(metric) or metric.removeprefix(f"{catalog.EVALUATE}.")


def quality_words(quality: Quality | None) -> str:
    """`0.680 (0.640-0.710)`; `-` where it was not measured."""
    if quality is None:
        return "-"
    interval = quality.interval
    return f"{quality.value:.3f}" + (f" ({interval.low:.3f}-{interval.high:.3f})" if interval else "")


def change_words(quality: Quality | None) -> str:
    """`-4.0 points (-9.1 to +1.2)`: the difference from the original on the same inputs."""
    if quality is None or quality.change is None:
        return "-"
    return difference_words(quality.change)


def changes(figures: Figures, metrics: Sequence[str]) -> str:
    """`exact: -0.3 points (-1.0 to +0.4), recall: -2.0 points (-4.1 to +0.1)`; ` after training` where that is so.

    `exact and recall not measured` where nothing is known.
    """
    if not figures.known(metrics):
        return f"{listed(map(metric_words, metrics))} not measured"
    words = ", ".join(f"{metric_words(name)}: {change_words(figures.values.get(name))}" for name in metrics)
    return f"{words}{' after training' if figures.trained else ''}"


def judged_words(found: InModel) -> str:
    """`exact and recall`: what judges the methods."""
    return listed(map(metric_words, found.judged))


def limit(found: InModel, labels: Labels) -> str | None:
    """Return what attention without any cost would bring; None where its share was not measured."""
    if found.limit is None or found.share is None:
        return None
    return (
        f"attention takes {format_percent(found.share)} of {found.original.case.model} at "
        f"{place(found, labels)}: even free "
        f"attention would make it at most {format_ratio(found.limit)} as fast"
    )


def place(found: InModel, labels: Labels) -> str:
    """`n = 512, bfloat16`: the length, and the axes in which the cases of the run differ beside the model."""
    return labels.place_in_model(found.original.case)


def answer(found: InModel, labels: Labels) -> str:
    """Return what the model gains at one shape, in one sentence."""
    at, model = place(found, labels), found.original.case.model
    faster = [one for one in found.methods if one.faster and not one.control]
    if found.answer is Answer.NOT_TIMED:
        return f"{at}: {model} as it is ({found.original.case.name}) was not timed, so nothing can be compared with it"
    if found.answer is Answer.NOT_FASTER:
        return f"{at}: keep {found.original.case.name}: no method is shown to make {model} faster"
    best = faster[0]
    assert best.speedup is not None
    figures = best.figures(found.named)
    gain = f"{best.summary.case.name} makes {model} {speedup_with_interval(best.speedup)} as fast"
    if found.answer is Answer.NOT_EVALUATED:
        what = no_shares(found) or "evaluate(model) in the model's module would say what that costs"
        return f"{at}: {gain}, and {_drift_words(figures, found)}; {what}"
    if found.answer is Answer.NOT_KEPT:
        return (
            f"{at}: keep {found.original.case.name}: {gain}, and no faster method is shown to lose less than {_POINTS} "
            f"of {judged_words(found)} ({best.summary.case.name}, {changes(figures, found.judged)})"
        )
    chosen = found.worthwhile[0]
    assert chosen.speedup is not None
    return (
        f"{at}: {chosen.summary.case.name} makes {model} {speedup_with_interval(chosen.speedup)} as fast and keeps "
        f"{changes(chosen.figures(found.judged), found.judged)}"
    )


def _drift_words(figures: Figures, found: InModel) -> str:
    drift = figures.values.get(found.metric)
    if drift is None:
        return "how far its outputs drift was not measured"
    trained = " after training" if figures.trained else ""
    return f"its outputs have a cosine of {quality_words(drift)} to the original's{trained}"


def quality_cell(summary: Summary, quality: ModelQuality) -> str:
    """`recall 0.590`: the quality of the model with a method, by the figures that it is judged by."""
    found = quality.of(summary)
    if found is not None:
        model, one = found
        values = one.figures(model.named).values
        known = [(name, values[name].value) for name in model.named if name in values]
        return _named(known) or "not measured"
    original = next((model for model in quality.models if model.original.case == summary.case), None)
    if original is None:
        return "-"
    figures = original.original.values
    return _named([(name, figures[name]) for name in original.named if name in figures]) or "-"


def _named(values: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{metric_words(name)} {value:.3f}" for name, value in values)


def worth_words(summary: Summary, quality: ModelQuality) -> str:
    """Why one would not take a method for what it does to the model: `loses recall: -10.0 points (-15.9 to -3.7)`."""
    worth, found = quality.worth(summary), quality.of(summary)
    if worth in (Worth.EXACT, Worth.AS_GOOD) or found is None:
        return ""
    model, one = found
    if not model.evaluated:
        return "nothing evaluates the model with it"
    if worth is Worth.UNKNOWN:
        return f"{judged_words(model)} not measured"
    figures = one.figures(model.judged)
    if worth is Worth.GIVES_UP:
        return f"loses {changes(figures, [name for name in model.judged if figures.lose([name])])}"
    return f"may lose {changes(figures, [name for name in model.judged if not figures.keep([name])])}"


def why_not_evaluated(summary: Summary) -> str | None:
    """Return why the model with a method was not evaluated, as its warning says; None where nothing says it."""
    told = (one.values for one in summary.warnings if one.code is WarningCode.NOT_MEASURED)
    return next((str(values["reason"]) for values in told if values["metric"] == catalog.EVALUATE), None)


def no_shares(found: InModel) -> str | None:
    """Return why the figures of an evaluation judge nothing; None where they do, and without any."""
    if not found.unjudged:
        return None
    names = listed(map(metric_words, found.unjudged))
    values = "its" if len(found.unjudged) == 1 else "their"
    return f"dctbench cannot tell whether a higher {names} is better, because {values} values are not all from 0 to 1"


def notes(found: Sequence[InModel], labels: Labels) -> list[str]:
    """Return which attentions of the models were left as they are, what a method could not be compared by, and rates of
    training at the edge of their grid.
    """
    lines: dict[str, None] = {}
    for shape in found:
        record = shape.original.details.conversion
        if record is not None and record.refused:
            first, reason = next(iter(record.refused.items()))
            lines[
                f"{len(record.refused)} attentions of {shape.original.case.model} were not replaced, such as {first}: "
                f"{reason}"
            ] = None
        for (metric, reason), names in _absent(shape).items():
            lines[f"{place(shape, labels)}: {metric} of {', '.join(names)}: not measured ({reason})"] = None
        edge = [
            one.summary.case.name
            for one in shape.methods
            if one.summary.details.conversion is not None and one.summary.details.conversion.at_edge
        ]
        if edge:
            lines[
                f"{place(shape, labels)}: the best rate of {', '.join(dict.fromkeys(edge))} is at the edge of those "
                "tried, so more training might bring more"
            ] = None
    return list(lines)


def _absent(found: InModel) -> dict[tuple[str, str], list[str]]:
    """Return what kinds of quality are absent and why, with the methods of which this is so."""
    lacking: dict[tuple[str, str], list[str]] = {}
    for summary in (found.original, *(one.summary for one in found.methods)):
        for metric in (name for kind in ("drift", catalog.EVALUATE) for name in (kind, f"{catalog.RECOVERED}{kind}")):
            reason = summary.details.absent.get(metric)
            if reason is not None:
                lacking.setdefault((metric, reason), []).append(summary.case.name)
    return lacking


@dataclass(frozen=True, slots=True)
class ModelRow:
    """The cells of one method in a model: `quality` and `recovered` by metric."""

    name: str
    control: bool
    latency: str
    speedup: str
    quality: tuple[str, ...]
    change: str
    recovered: str
    recovered_change: str


def rows(found: InModel, metrics: Sequence[str]) -> list[ModelRow]:
    """Return a row for the original and one for each method, with the cells of some metrics."""
    original = ModelRow(
        name=f"{found.original.case.name} (as it is)",
        control=False,
        latency=latency_words(found.original),
        speedup=format_ratio(1.0),
        quality=tuple(_original_words(found, metric) for metric in metrics),
        change="-",
        recovered="-",
        recovered_change="-",
    )
    return [original, *(_row(one, found.metric, metrics) for one in found.methods)]


def _original_words(found: InModel, metric: str) -> str:
    value = found.original.values.get(metric)
    return "-" if value is None else f"{value:.3f}"


def _row(one: Replaced, judged: str, metrics: Sequence[str]) -> ModelRow:
    summary = one.summary
    return ModelRow(
        name=summary.case.name,
        control=one.control,
        latency=summary.status if summary.timed is None else latency_words(summary),
        speedup="-" if one.speedup is None else speedup_with_interval(one.speedup),
        quality=tuple(quality_words(one.quality.get(metric)) for metric in metrics),
        change=change_words(one.quality.get(judged)),
        recovered=quality_words(one.recovered.get(judged)),
        recovered_change=change_words(one.recovered.get(judged)),
    )
