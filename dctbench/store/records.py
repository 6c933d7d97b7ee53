"""Results and runs as rows. Every row is sealed with a SHA-256, so that a flipped bit is detected.

A seal covers the columns of a row in a fixed order. Reading a hundred thousand results must take only seconds, so
values that repeat from row to row (cases, lists of metrics, encoded ids) are parsed once and cached.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from dctbench.machine.calibration import Calibration
from dctbench.model import (
    Baseline,
    Case,
    Environment,
    Result,
    Run,
    canonical_json,
)
from dctbench.text.sanitize import sanitize_text

Row = dict[str, Any]
_quoted = json.encoder.encode_basestring_ascii  # how json.dumps encodes a string
_MAX_CACHED = 300
"""The longest text whose encoding is cached for seals, in characters: ids and lists of metrics, but no records."""

SEALED: Mapping[str, tuple[str, ...]] = {
    "runs": ("id", "label", "suite", "argv", "started_at", "dctbench_version", "settings"),
    "cases": ("run_id", "case_id", "position", "rounds", "record"),
    "environments": ("run_id", "fingerprint", "host", "facts"),
    "results": ("run_id", "case_id", "round", "status", "metrics", "samples", "record"),
    "calibrations": ("fingerprint", "device", "record"),
    "baselines": ("name", "run_id", "saved_at"),
}
"""The columns that the seal of a table covers, in the order in which they are hashed."""
_NAMES: Mapping[str, str] = {
    "runs": "the record of run {id}",
    "cases": "the plan of case {case_id} of run {run_id}",
    "environments": "the environment {fingerprint} of run {run_id}",
    "results": "the result of case {case_id}, round {round} of run {run_id}",
    "calibrations": "the calibration of {device} in {fingerprint}",
    "baselines": "the baseline {name!r}",
}


def row_of_result(run_id: str, result: Result) -> Row:
    """Return the row of `results` for a result."""
    row = {
        "run_id": run_id,
        "case_id": result.case.id,
        "round": result.round,
        "status": result.status,
        "metrics": canonical_json([[m.metric, m.unit, len(m.samples)] for m in result.measurements]),
        "samples": _pack([sample for m in result.measurements for sample in m.samples]),
        "record": _storable(
            {
                "message": result.message,
                "warnings": [warning.to_json() for warning in result.warnings],
                "details": result.details.to_json(),
                "fingerprint": result.fingerprint,
                "host": result.host,
            }
        ),
    }
    return {**row, "stored_at": time.time(), "sha256": seal(row)}


def _storable(record: object) -> str:
    """Return canonical JSON with NaN and infinities as null: an odd detail must not prevent storing its result."""
    try:
        return canonical_json(record)
    except ValueError:
        return canonical_json(_finite(record))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def row_of_run(run: Run) -> Row:
    """Return the row of `runs` for a run."""
    row = {
        "id": run.id,
        "label": run.label,
        "suite": run.suite,
        "argv": canonical_json(list(run.argv)),
        "started_at": run.started_at,
        "dctbench_version": run.dctbench_version,
        "settings": canonical_json(run.settings.to_json()),
    }
    return {**row, "sha256": seal(row)}


def row_of_case(run_id: str, case: Case, position: int, rounds: int) -> Row:
    """Return the row of `cases` for a case of a plan."""
    record = canonical_json(case.to_record())
    row = {"run_id": run_id, "case_id": case.id, "position": position, "rounds": rounds, "record": record}
    return {**row, "sha256": seal(row)}


def row_of_environment(run_id: str, environment: Environment) -> Row:
    """Return the row of `environments` for an environment of a run."""
    row = {
        "run_id": run_id,
        "fingerprint": environment.fingerprint,
        "host": environment.host,
        "facts": canonical_json(dict(environment.facts)),
    }
    return {**row, "sha256": seal(row)}


def row_of_calibration(fingerprint: str, calibration: Calibration) -> Row:
    """Return the row of `calibrations` for a device."""
    record = canonical_json(calibration.to_json())
    row = {"fingerprint": fingerprint, "device": calibration.device, "record": record}
    return {**row, "sha256": seal(row)}


def row_of_baseline(baseline: Baseline) -> Row:
    """Return the row of `baselines` for a baseline."""
    row = {"name": baseline.name, "run_id": baseline.run_id, "saved_at": baseline.saved_at}
    return {**row, "sha256": seal(row)}


def damaged_seal(table: str, row: Mapping[str, Any]) -> str | None:
    """Return a message that names the damaged record, or None when the row matches its seal."""
    try:
        if seal(row, SEALED[table]) == row["sha256"]:
            return None
    except (TypeError, ValueError):  # a column has another type than the one that was written
        pass
    return f"{described(table, row)} is damaged"


def described(table: str, row: Mapping[str, Any]) -> str:
    """Return the name of a record, for a message."""
    return sanitize_text(_NAMES[table].format_map(row))


def seal(row: Mapping[str, Any], columns: Iterable[str] | None = None) -> str:
    """Return the SHA-256 of columns (by default all) with their names and lengths, in the given order."""
    sealed = []
    for key in row if columns is None else columns:
        value = row[key]
        kind = type(value)
        if kind is int or (kind is str and len(value) <= _MAX_CACHED):
            sealed.append(_encode_cached(key, value))  # cache keys: a str never equals an int, and `is` excludes bool
            continue
        if kind is bytes:
            data = value
        elif kind is str:
            data = _quoted(value).encode()
        else:
            data = bytes(value) if isinstance(value, memoryview) else _plain(value)
        sealed.append(b"%s:%d:%s" % (key.encode(), len(data), data))
    return hashlib.sha256(b"".join(sealed)).hexdigest()


@lru_cache(maxsize=8192)
def _encode_cached(key: str, value: str | int) -> bytes:
    data = _plain(value)
    return b"%s:%d:%s" % (key.encode(), len(data), data)


def _plain(value: object) -> bytes:
    return json.dumps(value).encode()


def _pack(samples: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(samples)}d", *samples)
