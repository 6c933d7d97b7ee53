"""dctbench's own JSON: everything of a run, raw samples included, in a stable order and SI units.

`dctbench.importers` reads it back into the same results: exporting what was imported gives the same text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dctbench.analysis import Summary, summarise
from dctbench.model import JSON, SCHEMA_VERSION, Case, CaseWarning, Environment, Result, Run, WarningCode
from dctbench.text.sanitize import sanitize_values
from dctbench.wording.warnings import message


def document(run: Run, environments: Mapping[str, Environment], results: Sequence[Result]) -> JSON:
    """Return the document of one run: one entry per case, or one for each environment in which the case ran.

    A metric that was not measured is absent.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "run": run_document(run),
        "environments": {key: sanitize_values(_sorted(found.facts)) for key, found in sorted(environments.items())},
        "results": [entry(part) for summary in summarise(results) for part in _by_environment(summary)],
    }


def _by_environment(summary: Summary) -> Iterator[Summary]:
    while True:
        yield summary
        if not summary.elsewhere:
            return
        [summary] = summarise(summary.elsewhere)


def run_document(run: Run) -> JSON:
    """Return the entry of a run, the same in every document."""
    written: JSON = sanitize_values(
        {
            "id": run.id,
            "label": run.label,
            "suite": run.suite,
            "argv": list(run.argv),
            "started_at": run.started_at,
            "dctbench_version": run.dctbench_version,
            "settings": _sorted(run.settings.to_json()),
        }
    )
    return written


def entry(summary: Summary) -> JSON:
    """Return the entry of one case: the figures of all rounds together, and per round what differs from them."""
    first = summary.rounds[0]
    metrics = metric_values(summary)
    if summary.samples:
        metrics["latency"]["samples"] = list(summary.samples)
    about = {
        "host": first.host,
        "fingerprint": first.fingerprint,
        "rounds": [_round(result, summary) for result in summary.rounds],
        "status": summary.status,
        "message": summary.message,
        "warnings": [_warning(warning) for warning in summary.warnings],
        "details": _sorted(first.details.to_json()),
    }
    return {
        "case": summary.case.to_json(), "case_id": summary.case.id, **sanitize_values(about), "metrics": metrics
    }  # fmt: skip


def metric_values(summary: Summary) -> JSON:
    """Return the metrics of a case without samples: unit and value, and for latency also its interval and tail.

    A single sample has no interval.
    """
    metrics: JSON = {}
    if summary.latency:
        alone = len(summary.samples) == 1
        metrics["latency"] = {
            "unit": "s",
            "value": summary.latency.value,
            "low": None if alone else summary.latency.low,
            "high": None if alone else summary.latency.high,
            "p99": summary.p99.value if summary.p99 else None,
            "p99_high": summary.p99.high if summary.p99 else None,
        }
    for metric, value in summary.values.items():
        metrics[metric] = {"unit": summary.units[metric], "value": value}
    if summary.timeliness:
        rate, surely = summary.timeliness.miss_rate(), summary.timeliness.miss_rate(0.99)
        metrics["miss_rate"] |= {"low": rate.low, "high": rate.high, "high_99": surely.high}
    return metrics


def plan_document(
    cases: Sequence[Case], seconds: float, *, measured_here: bool, sides: Mapping[Case, Sequence[str]] | None = None
) -> JSON:
    """Return what `--dry-run` prints.

    Args:
        cases: that would be measured.
        seconds: how long that takes.
        measured_here: whether this rests on what was measured in this environment.
        sides: of a check, those that measure each case.
    """
    more = {case: {} if sides is None else {"sides": list(sides[case])} for case in cases}
    estimate = {"seconds": round(seconds, 3), "rates_measured_here": measured_here}
    return {"cases": [case.to_json() | more[case] for case in cases], "estimate": estimate}


_line = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def dumps(value: Any) -> str:
    """Return indented JSON without NaN. A list of numbers takes one line, so that a diff shows what changed."""
    return _text(value, "\n") + "\n"


def _text(value: Any, newline: str) -> str:
    if isinstance(value, dict) and value:
        inner = newline + "  "
        items = (f"{_line(key)}: {_text(item, inner)}" for key, item in value.items())
        return "{" + inner + ("," + inner).join(items) + newline + "}"
    if isinstance(value, list | tuple) and any(isinstance(item, str | dict | list | tuple) for item in value):
        inner = newline + "  "
        return "[" + inner + ("," + inner).join(_text(item, inner) for item in value) + newline + "]"
    return _line(value)


def _round(result: Result, summary: Summary) -> JSON:
    """Return the entry of one round, without what is equal for the whole case. Metrics appear only in later rounds."""
    latency = result.measurement("latency")
    first = summary.rounds[0]
    written: JSON = {
        "round": result.round,
        "status": result.status,
        "samples": len(latency.samples) if latency else 0,
        "stop_reason": result.details.stop_reason,
        "message": result.message,
        "warnings": [_warning(warning) for warning in result.warnings],
    }
    own = {m.metric: list(m.samples) for m in result.measurements if m.metric != "latency"}
    shared = {metric: [value] for metric, value in summary.values.items()}
    if (result.host, result.fingerprint) != (first.host, first.fingerprint):
        written |= {"host": result.host, "fingerprint": result.fingerprint}
    if result is not first:
        written["details"] = _sorted(result.details.to_json())
    if result is not first or own != shared:
        written["metrics"] = own
    return written


def _warning(warning: CaseWarning) -> JSON:
    """A warning with its sentence, which is all there is of one that was stored as a sentence."""
    values = {} if warning.code is WarningCode.TEXT else _sorted(warning.values)
    return {"code": warning.code.value, "message": message(warning), "values": values}


def _sorted(table: Mapping[str, Any]) -> JSON:
    """Return a mapping with arbitrary keys in an order that does not depend on its origin."""
    return {key: _sorted(value) if isinstance(value, Mapping) else value for key, value in sorted(table.items())}
