"""Results and runs as rows, each sealed with a SHA-256 so that a flipped bit is found and not believed."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from array import array
from collections.abc import Mapping
from typing import Any

from dctbench.calibration import Calibration
from dctbench.errors import StoreError
from dctbench.model import Case, Measurement, Result, Run, canonical_json

Row = dict[str, Any]


def row_of_result(run_id: str, result: Result) -> Row:
    """The row of `results` for one result."""
    row = {
        "run_id": run_id,
        "case_id": result.case.id,
        "round": result.round,
        "status": result.status,
        "metrics": canonical_json([[m.metric, m.unit, len(m.samples)] for m in result.measurements]),
        "samples": _pack([sample for m in result.measurements for sample in m.samples]),
        "record": canonical_json(
            {
                "message": result.message,
                "warnings": list(result.warnings),
                "details": dict(result.details),
                "fingerprint": result.fingerprint,
                "host": result.host,
            }
        ),
    }
    return {**row, "stored_at": time.time(), "sha256": _seal(row)}


def result_of_row(row: Mapping[str, Any], case: Case) -> Result:
    """The inverse of `row_of_result`.

    Raises:
        StoreError: when the row is not what was written.
    """
    sealed = ("run_id", "case_id", "round", "status", "metrics", "samples", "record")
    if _seal({key: row[key] for key in sealed}) != row["sha256"] or case.id != row["case_id"]:
        raise StoreError(
            f"the result of case {row['case_id']}, round {row['round']} of run {row['run_id']} is damaged",
            hint="restore the store from a copy, or measure that run again",
        )
    record = json.loads(row["record"])
    samples = _unpack(row["samples"])
    measurements, start = [], 0
    for metric, unit, count in json.loads(row["metrics"]):
        measurements.append(Measurement(metric, unit, tuple(samples[start : start + count])))
        start += count
    return Result(
        case=case,
        round=row["round"],
        status=row["status"],
        measurements=tuple(measurements),
        message=record["message"],
        warnings=tuple(record["warnings"]),
        details=record["details"],
        fingerprint=record["fingerprint"],
        host=record["host"],
    )


def row_of_run(run: Run) -> Row:
    """The row of `runs` for one run."""
    row = {
        "id": run.id,
        "label": run.label,
        "suite": run.suite,
        "argv": canonical_json(list(run.argv)),
        "started_at": run.started_at,
        "dctbench_version": run.dctbench_version,
        "settings": canonical_json(dict(run.settings)),
    }
    return {**row, "sha256": _seal(row)}


def run_of_row(row: Mapping[str, Any]) -> Run:
    """The inverse of `row_of_run`.

    Raises:
        StoreError: when the row is not what was written.
    """
    sealed = ("id", "label", "suite", "argv", "started_at", "dctbench_version", "settings")
    if _seal({key: row[key] for key in sealed}) != row["sha256"]:
        raise StoreError(f"the record of run {row['id']} is damaged", hint="restore the store from a copy")
    return Run(
        id=row["id"],
        label=row["label"],
        suite=row["suite"],
        argv=tuple(json.loads(row["argv"])),
        started_at=row["started_at"],
        dctbench_version=row["dctbench_version"],
        settings=json.loads(row["settings"]),
    )


def row_of_calibration(fingerprint: str, calibration: Calibration) -> Row:
    """The row of `calibrations` for one device."""
    record = canonical_json(calibration.to_json())
    row = {"fingerprint": fingerprint, "device": calibration.device, "record": record}
    return {**row, "sha256": _seal(row)}


def calibration_of_row(row: Mapping[str, Any]) -> Calibration:
    """The inverse of `row_of_calibration`.

    Raises:
        StoreError: when the row is not what was written.
    """
    if _seal({key: row[key] for key in ("fingerprint", "device", "record")}) != row["sha256"]:
        raise StoreError(
            f"the calibration of {row['device']} in {row['fingerprint']} is damaged",
            hint="measure it again: dctbench doctor --calibrate",
        )
    return Calibration.from_json(json.loads(row["record"]))


def _seal(row: Mapping[str, Any]) -> str:
    sealed = hashlib.sha256()
    for key, value in row.items():
        data = bytes(value) if isinstance(value, bytes | memoryview) else json.dumps(value).encode()
        sealed.update(f"{key}:{len(data)}:".encode())
        sealed.update(data)
    return sealed.hexdigest()


def _pack(samples: list[float]) -> bytes:
    packed = array("d", samples)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _unpack(data: bytes) -> array[float]:
    samples = array("d")
    samples.frombytes(data)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples
