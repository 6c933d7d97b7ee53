"""A run for github-action-benchmark: customSmallerIsBetter, and customBiggerIsBetter for speed-ups and accuracies.

https://github.com/benchmark-action/github-action-benchmark
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dctbench import analysis, catalog
from dctbench.analysis import Summary
from dctbench.exporters.json_document import metric_values
from dctbench.exporters.series_name import series_name

Entries = list[dict[str, Any]]


def smaller_is_better(summaries: Sequence[Summary]) -> Entries:
    """Return the figures of every case that should be small: name, unit (SI), value; for latency also its interval and
    sample count.
    """
    return [entry for summary in summaries for entry in _figures(summary, larger=False)]


def bigger_is_better(summaries: Sequence[Summary]) -> Entries:
    """Return what should be large: accuracies, and the speed-up of each method over the reference of its shape."""
    reference = analysis.default_reference(summary.case for summary in summaries)
    found = analysis.reference_by_shape(summaries, reference) if reference else {}
    entries: Entries = []
    for summary in summaries:
        entries += _figures(summary, larger=True)
        against = found.get(summary.case.shape)
        speedup = None if summary is against else analysis.compare(summary, against)
        if speedup is not None:
            name = f"{series_name(summary.case)} / speed-up over {reference}"
            entries.append({"name": name, "unit": "x", "value": speedup.ratio, **_range(speedup.low, speedup.high)})
    return entries


def _figures(summary: Summary, *, larger: bool) -> Entries:
    """Return the figures of a case that are better the larger they are, or all others."""
    return [
        {
            "name": f"{series_name(summary.case)} / {metric}",
            "unit": figure["unit"],
            "value": figure["value"],
            **_range(figure.get("low"), figure.get("high")),
            **({"extra": _taken(summary)} if metric == "latency" else {}),
        }
        for metric, figure in metric_values(summary).items()
        if ((known := catalog.metric(metric)) is not None and known.larger_is_better) is larger
    ]


def _taken(summary: Summary) -> str:
    samples, processes = len(summary.samples), len(summary.medians)
    return f"{samples} samples of {processes} process{'' if processes == 1 else 'es'}"


def _range(low: float | None, high: float | None) -> dict[str, str]:
    return {} if low is None or high is None else {"range": f"{low:.4g} to {high:.4g}"}
