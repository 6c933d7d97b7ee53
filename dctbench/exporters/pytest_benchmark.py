"""A run in the format of pytest-benchmark, which `pytest-benchmark compare` and `dctbench import` read."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from dctbench.analysis import Summary
from dctbench.exporters.series_name import series_name
from dctbench.model import JSON, Environment, Run
from dctbench.stats.robust import quantile
from dctbench.text.sanitize import sanitize_values


def pytest_benchmark(run: Run, environments: Mapping[str, Environment], summaries: Sequence[Summary]) -> JSON:
    """Return the file: a benchmark per case with a latency, its samples in seconds and its case in `extra_info`.

    The format has one machine and one commit for all benchmarks. Where several machines measured them, both are empty
    there, and stand in the `extra_info` of each benchmark.
    """
    written = [summary for summary in summaries if summary.samples]
    measured = {one.fingerprint: _origin(environments.get(one.fingerprint)) for one in written}
    shared = len(measured) < 2
    origin = next(iter(measured.values()), _origin(None)) if shared else {"machine_info": {}, "commit_info": {}}
    return {
        **origin,
        "datetime": run.started_at,
        "version": "4.0.0",
        "benchmarks": [_benchmark(one, {} if shared else measured[one.fingerprint]) for one in written],
    }


def _origin(environment: Environment | None) -> JSON:
    """Return the machine and the commit of an environment."""
    facts: Mapping[str, Any] = environment.facts if environment else {}
    git = facts.get("git")
    commit = git if isinstance(git, dict) else {}
    origin: JSON = sanitize_values(
        {
            "machine_info": {
                "node": facts.get("host"),
                "python_version": facts.get("python"),
                "cpu": {"brand_raw": facts.get("cpu"), "count": facts.get("cores_usable")},
            },
            "commit_info": {"id": commit.get("commit"), "dirty": commit.get("dirty")},
        }
    )
    return origin


def _benchmark(summary: Summary, origin: JSON) -> JSON:
    case = summary.case
    params = {key: value for key, value in case.to_json().items() if value is not None and key != "n_kept"}
    metrics = {metric: {"unit": summary.units[metric], "value": value} for metric, value in summary.values.items()}
    return {
        "group": f"n={case.seq_len}",
        "name": series_name(case),
        "fullname": f"dctbench::{series_name(case)}",
        "params": params,
        "param": case.name,
        "extra_info": {**params, "case_id": case.id, "metrics": metrics, **origin},
        "options": {},
        "stats": {**_stats(summary.samples), "iterations": summary.calls_per_sample},
    }


def _stats(samples: Sequence[float]) -> JSON:
    """Return pytest-benchmark's statistics, in seconds and calls per second; quartiles by linear interpolation."""
    mean = statistics.fmean(samples)
    deviation = statistics.stdev(samples) if len(samples) > 1 else 0.0
    q1, q3 = quantile(samples, 0.25), quantile(samples, 0.75)
    fences = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    within = [sample for sample in samples if fences[0] <= sample <= fences[1]]
    far = sum(abs(sample - mean) > deviation for sample in samples)
    return {
        "min": min(samples), "max": max(samples), "mean": mean, "stddev": deviation, "rounds": len(samples),
        "median": statistics.median(samples), "iqr": q3 - q1, "q1": q1, "q3": q3,
        "iqr_outliers": len(samples) - len(within), "stddev_outliers": far,
        "outliers": f"{far};{len(samples) - len(within)}", "ld15iqr": min(within), "hd15iqr": max(within),
        "ops": 1 / mean, "total": sum(samples), "data": list(samples),
    }  # fmt: skip
