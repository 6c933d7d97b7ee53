"""Two records of one run: those of two shards of a sweep, or of one run that two stores hold.

Joining is idempotent, and the order does not matter: the shards are united, and the earlier start stays. Once all
shards of a sweep are there, the run is a whole one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dctbench.model import Shards, canonical_json
from dctbench.store.records import SEALED, seal
from dctbench.store.schema import OWN_COLUMNS

_MUST_AGREE = ("label", "suite", "dctbench_version")


def joined_runs(known: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the row of `runs` that holds both. It keeps the columns of `known` that belong to its store."""
    if {**other, **_own(known)} == known:
        return known
    first = min((known, other), key=lambda row: (row["started_at"], row["argv"], row["sha256"]))
    return _with_shards({**first, **_own(known)}, _joined_shards(known, other))


def extended_run(known: Mapping[str, Any], exported: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the row of `runs` that holds both, of which `exported` comes from a file.

    A file tells less of a run than the record that it was made from. So all of `known` stays, except that a mere shard
    gets the shards of the file and the earlier start.
    """
    if shards_of(known) is None:
        return known
    row = {**known, "started_at": min(known["started_at"], exported["started_at"])}
    row["sha256"] = seal(row, SEALED["runs"])
    return _with_shards(row, _joined_shards(known, exported))


def _with_shards(row: Mapping[str, Any], shards: Shards | None) -> Mapping[str, Any]:
    if shards == shards_of(row):
        return row
    settings = _without_shard(row) | ({} if shards is None else {"shard": str(shards)})
    found = {**row, "settings": canonical_json(settings)}
    return found | {"sha256": seal(found, SEALED["runs"])}


def differing_keys(run: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return in what two records with one id differ that are not of one run; which shards they hold does not count,
    but into how many the sweep is divided does.
    """
    found = [key for key in _MUST_AGREE if run[key] != other[key]]
    one, two = shards_of(run), shards_of(other)
    if one is not None and two is not None and one.of != two.of:  # a number means another part in each
        found.append("shard")
    same = run["settings"] == other["settings"] or _without_shard(run) == _without_shard(other)
    return found if same else [*found, "settings"]


def _own(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in OWN_COLUMNS if name in row}


def _without_shard(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in _settings(row).items() if name != "shard"}


def shards_of(row: Mapping[str, Any]) -> Shards | None:
    """Return which shards of a sweep a record holds; None for a whole run."""
    return Shards.read(_settings(row).get("shard"))


def _settings(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a record; those of a damaged one are empty."""
    try:
        found = json.loads(row["settings"])
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _joined_shards(known: Mapping[str, Any], other: Mapping[str, Any]) -> Shards | None:
    """Return the shards of both records; None if they are the whole sweep."""
    one, two = shards_of(known), shards_of(other)
    if one is None or two is None:
        return None
    both = one | two
    return None if both.whole else both
