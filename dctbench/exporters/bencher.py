"""A run in the Bencher Metric Format: https://bencher.dev/docs/reference/bencher-metric-format/"""

from __future__ import annotations

from collections.abc import Sequence

from dctbench.analysis import Summary
from dctbench.exporters.json_document import metric_values
from dctbench.exporters.series_name import series_name
from dctbench.model import JSON

_NANOSECONDS = 1e9


def bencher(summaries: Sequence[Summary]) -> JSON:
    """Return, by case and measure, `value` and the bounds of its interval if there is one.

    `latency` is in nanoseconds, as Bencher's measure of that name is. The others are in SI units, with a dash instead
    of the dot in their names. A case without figures is absent: the format cannot express it.
    """
    found: JSON = {}
    for summary in summaries:
        measures = {}
        for metric, figure in metric_values(summary).items():
            scale = _NANOSECONDS if metric == "latency" else 1.0
            ends = {"lower_value": figure.get("low"), "upper_value": figure.get("high")}
            measures[metric.replace(".", "-")] = {
                "value": figure["value"] * scale,
                **{key: end * scale for key, end in ends.items() if end is not None},
            }
        if measures:
            found[series_name(summary.case)] = measures
    return found
