"""The own JSON document: everything of a run, raw samples included, in a stable order and SI units."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dctbench.analysis import Summary, summarise
from dctbench.model import JSON, Case, Environment, Measurement, Result, Run

SCHEMA_VERSION = 1


def document(run: Run, environments: Mapping[str, Environment], results: Sequence[Result]) -> JSON:
    """The document of one run; one entry per case, a metric that was not measured is absent."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run": {
            "id": run.id,
            "label": run.label,
            "suite": run.suite,
            "argv": list(run.argv),
            "started_at": run.started_at,
            "dctbench_version": run.dctbench_version,
            "settings": dict(run.settings),
        },
        "environments": {key: dict(found.facts) for key, found in sorted(environments.items())},
        "results": [entry(summary) for summary in summarise(results)],
    }


def entry(summary: Summary) -> JSON:
    """One case of the document."""
    return {
        "case": summary.case.to_json(),
        "case_id": summary.case.id,
        "host": summary.rounds[0].host,
        "fingerprint": summary.rounds[0].fingerprint,
        "rounds": [_round(result) for result in summary.rounds],
        "status": summary.status,
        "message": summary.message,
        "warnings": list(summary.warnings),
        "details": dict(summary.details),
        "metrics": _metrics(summary),
    }


def from_document(data: Mapping[str, Any]) -> tuple[Run, dict[str, Environment], list[Result]]:
    """The run, environments and results of a document that `document` made, samples split back into their rounds."""
    about = data["run"]
    run = Run(
        id=about["id"],
        label=about["label"],
        suite=about["suite"],
        argv=tuple(about["argv"]),
        started_at=about["started_at"],
        dctbench_version=about["dctbench_version"],
        settings=about["settings"],
    )
    environments = {key: Environment(facts, key) for key, facts in data["environments"].items()}
    return run, environments, [result for one in data["results"] for result in _results_of_entry(one)]


def _results_of_entry(one: Mapping[str, Any]) -> list[Result]:
    """One result per round; metrics other than latency belong to the first."""
    results = []
    samples = one["metrics"].get("latency", {}).get("samples", [])
    start = 0
    for index, taken in enumerate(one["rounds"]):
        own = samples[start : start + taken["samples"]]
        start += taken["samples"]
        measurements = [Measurement("latency", "s", tuple(own))] if own else []
        if index == 0:
            measurements += [
                Measurement(name, figure["unit"], (figure["value"],))
                for name, figure in one["metrics"].items()
                if name != "latency"
            ]
        results.append(
            Result(
                case=Case.from_json(one["case"]),
                round=taken["round"],
                status=taken["status"],
                measurements=tuple(measurements),
                message=one["message"] if taken["status"] == one["status"] else None,
                warnings=tuple(one["warnings"]) if index == 0 else (),
                details=one["details"] if index == 0 else {"stop_reason": taken["stop_reason"]},
                fingerprint=one["fingerprint"],
                host=one["host"],
            )
        )
    return results


def plan_document(cases: Sequence[Case], estimate: Mapping[str, Any]) -> JSON:
    """What `--dry-run` prints: the cases, and the estimate in seconds."""
    return {"cases": [case.to_json() for case in cases], "estimate": dict(estimate)}


def dumps(value: Any) -> str:
    """Indented JSON text without NaN."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _round(result: Result) -> JSON:
    latency = result.measurement("latency")
    return {
        "round": result.round,
        "status": result.status,
        "samples": len(latency.samples) if latency else 0,
        "stop_reason": result.details.get("stop_reason"),
    }


def _metrics(summary: Summary) -> JSON:
    metrics: JSON = {}
    if summary.latency:
        metrics["latency"] = {
            "unit": "s",
            "value": summary.latency.value,
            "low": summary.latency.low,
            "high": summary.latency.high,
            "p99": summary.p99.value if summary.p99 else None,
            "p99_high": summary.p99.high if summary.p99 else None,
            "samples": list(summary.samples),
        }
    for metric, value in summary.values.items():
        metrics[metric] = {"unit": summary.units[metric], "value": value}
    return metrics
