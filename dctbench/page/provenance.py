"""How the cases of a run were measured, for the section on provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dctbench.analysis import Summary

MOST_VALUES = 8
"""The most values of a setting that are listed."""


def manner(summaries: Sequence[Summary]) -> dict[str, Any]:
    """Return the settings of all cases that were timed, as far as they were recorded: where cases differ, every value.

    A setting of several parts, such as the state of a GPU, is a mapping of these.
    """
    timed = [result.details for summary in summaries if summary.timed for result in summary.rounds]
    settings: dict[str, Sequence[Any]] = {
        "inputs": [one.inputs for one in timed],
        "cache": [one.cache for one in timed],
        "isolation": [one.isolation for one in timed],
        "threads": [one.threads for one in timed],
        "instructions": [one.cpu_capability for one in timed],
        "cuda": [one.cuda for one in timed],
        "tf32": [one.tf32 for one in timed],
        "gpu state": [one.gpu for one in timed],
    }
    found = {name: _together(values) for name, values in settings.items()}
    return {name: value for name, value in found.items() if value is not None}


def _together(values: Sequence[Any]) -> Any:
    """Return the one value that all have; several as a text, and mappings part by part; None where there is nothing."""
    known = [value for value in values if value is not None and value != {}]
    if known and all(isinstance(value, Mapping) for value in known):
        parts = dict.fromkeys(key for value in known for key in value)
        return {key: _together([value.get(key) for value in known]) for key in parts}
    distinct = list({repr(value): value for value in known}.values())
    if len(distinct) < 2:
        return distinct[0] if distinct else None
    if len(distinct) > MOST_VALUES and all(isinstance(value, int | float) for value in distinct):
        return f"{min(distinct):g} to {max(distinct):g}"
    more = f" and {len(distinct) - MOST_VALUES} more" if len(distinct) > MOST_VALUES else ""
    return "; ".join(map(str, distinct[:MOST_VALUES])) + more
