"""Print the history of one case: a row per run, where its level changed, and a summary."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from dctbench.analysis import REFERENCE
from dctbench.cli.tables.damage import refuse_damage
from dctbench.cli.tables.records import print_records, records_text
from dctbench.cli.terminal.files import print_document
from dctbench.cli.terminal.wrap import print_sentences
from dctbench.compare.history import ChangePoint, History, Point, change_points, find_case, find_reference, history
from dctbench.exporters.json_document import dumps
from dctbench.text.format import format_ratio
from dctbench.wording.cells import interval_words, marked
from dctbench.wording.history import sentences, when
from dctbench.wording.markdown import escape

if TYPE_CHECKING:
    from dctbench.store import Store

_BARS = "▁▂▃▄▅▆▇█"
_WIDEST = 60


def print_history(store: Store, case: str, output_format: str, reference: str | None = None) -> None:
    """Print the latency of one case over the stored runs, with its change points.

    Args:
        store: an open store.
        case: an id, the start of one, or a name and a length such as `dct-x r=8 n=4096`.
        output_format: table, json, csv or md.
        reference: the implementation whose latency beside it is shown; None for sdpa.

    Raises:
        UsageError: when no stored run has such a case or such a reference beside it, or the name fits several.
        UnavailableError: without the extra `history`, when there are enough runs to look for change points.
        StoreError: when the store cannot be read; a DamagedError, after all else, when records were left out.
    """
    damage: list[str] = []
    followed = find_case(store, case, damage)
    beside = REFERENCE if reference is None else find_reference(store, followed, reference, damage)
    found = history(store, followed, beside, damage)
    changes = change_points(found)
    summary = sentences(found, changes)
    if output_format == "json":
        print_document(dumps(_document(found, changes)))
    elif output_format == "csv":
        print_records(_numbers(found, changes), "csv")
    elif output_format == "md":
        table = records_text(_texts(found, changes), "md") + "\n" if found.points else ""
        lines = "".join(f"- {escape(line)}\n" for line in summary)
        print_document(f"### {escape(_title(found))}\n\n{table}{lines}")
    else:
        click.echo(_title(found))
        if found.points:
            print_records(_texts(found, changes), "table")
            click.echo(f"\n{sparkline([point.latency.value for point in found.points])}")
        print_sentences(summary)
    refuse_damage(store.name, damage)


def sparkline(values: Sequence[float]) -> str:
    """Return one bar per value on a logarithmic scale; of many values, one bar for several consecutive ones."""
    every = -(-len(values) // _WIDEST)
    logs = [math.log(statistics.median(values[i : i + every])) for i in range(0, len(values), every)]
    low, span = min(logs), max(logs) - min(logs)
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1)) if span else 0] for value in logs)


def _title(found: History) -> str:
    return f"{found.case.name}, n = {found.case.seq_len} (case {found.case.id})"


def _texts(found: History, changes: Sequence[ChangePoint]) -> list[dict[str, str | None]]:
    factors = _factors(changes)
    return [
        {
            "started": when(point.run),
            "run": point.run.short_id,
            "latency (95% CI)": interval_words(point.latency, point.samples),
            f"vs {found.reference}": marked(point.speedup),
            "new level": format_ratio(factors[i]) if i in factors else None,
        }
        for i, point in enumerate(found.points)
    ]


def _numbers(found: History, changes: Sequence[ChangePoint]) -> list[dict[str, str | float | None]]:
    factors = _factors(changes)
    return [
        {
            "started_at": point.run.started_at,
            "run": point.run.id,
            **_ends(point),
            "speedup": point.speedup.ratio if point.speedup else None,
            "new_level": factors.get(i),
        }
        for i, point in enumerate(found.points)
    ]


def _factors(changes: Sequence[ChangePoint]) -> Mapping[int, float]:
    return {change.position: change.factor for change in changes}


def _document(found: History, changes: Sequence[ChangePoint]) -> dict[str, Any]:
    return {
        "case": found.case.to_json(),
        "case_id": found.case.id,
        "reference": found.reference,
        "fingerprint": found.fingerprint,
        "points": [
            {
                "run": point.run.id,
                "started_at": point.run.started_at,
                "latency": {"unit": "s", **_ends(point)},
                "speedup": {"value": s.ratio, "low": s.low, "high": s.high} if (s := point.speedup) else None,
            }
            for point in found.points
        ],
        "changes": [
            {
                "run": change.run.id,
                "started_at": change.run.started_at,
                "before": change.before,
                "after": change.after,
                "factor": change.factor,
                "relative": change.relative,
            }
            for change in changes
        ],
        "missing": found.missing,
        "left_out": {"elsewhere": found.elsewhere, "untimed": found.untimed},
    }


def _ends(point: Point) -> dict[str, float | None]:
    alone = point.samples == 1
    low, high = (None if alone else end for end in (point.latency.low, point.latency.high))
    return {"value": point.latency.value, "low": low, "high": high}
