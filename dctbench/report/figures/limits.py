"""What limits it: how near a call comes to what this machine can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dctbench import units
from dctbench.analysis import Summary


def roofs(summaries: Sequence[Summary]) -> list[str]:
    """For each method that was held against the machine's ceilings, what binds it and how near it comes."""
    lines = []
    for summary in summaries:
        found = summary.details.get("roofline")
        if isinstance(found, Mapping):
            binds = {"compute": "compute", "bandwidth": "memory bandwidth", "cache": "compute, from cache"}
            lines.append(
                f"{summary.case.name}: {units.count(found['rate'], 'FLOP/s')}, {units.percent(found['share'])} of the "
                f"{binds[found['bound']]} ceiling, at {units.three_digits(found['intensity'])} FLOP per byte"
            )
    return lines
