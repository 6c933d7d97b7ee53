"""A case's history in sentences, the same in the terminal, in Markdown and on the page."""

from __future__ import annotations

from collections.abc import Sequence

from dctbench.compare.history import ChangePoint, History
from dctbench.model import Run
from dctbench.stats.changepoint import LEAST_POINTS
from dctbench.text.format import format_ratio, format_seconds, pluralize

OWN_INTERVALS = "the intervals are those of this case alone; in a report, all cases of a run narrow them together"


def sentences(found: History, changes: Sequence[ChangePoint]) -> list[str]:
    """Return sentences on a series, its changes of level, and the runs that were left out."""
    own = [OWN_INTERVALS] if found.points else []
    return [*_trend(found, changes), *_left_out(found), *own]


def when(run: Run) -> str:
    """`2026-01-02 03:04`, in UTC."""
    return run.started_at[:16].replace("T", " ")


def _trend(found: History, changes: Sequence[ChangePoint]) -> list[str]:
    if not found.points:
        return ["no stored run has a latency of this case"]
    first, last = when(found.points[0].run), when(found.points[-1].run)
    span = pluralize(len(found.points), "run") + (f" from {first} to {last}" if len(found.points) > 1 else f", {first}")
    if found.missing:
        return [f"{span}: changes of level need {LEAST_POINTS} runs"]
    if not changes:
        return [f"{span}: no change of level stands out from the noise"]
    return [span, *(_change(found, change) for change in changes)]


def _change(found: History, change: ChangePoint) -> str:
    relative = "" if change.relative is None else f", {format_ratio(change.relative)} relative to {found.reference}"
    return (
        f"since run {change.run.short_id} ({when(change.run)}) {format_ratio(change.factor)} the latency before: "
        f"{format_seconds(change.before)} became {format_seconds(change.after)}{relative}"
    )


def _left_out(found: History) -> list[str]:
    reasons = [
        (found.elsewhere, "of another environment or measured in another way"),
        (found.untimed, "without a latency"),
    ]
    return [f"left out: {pluralize(number, 'run')} {why}" for number, why in reasons if number]
