"""Rows of a store back into results, runs and the rest of the model.

A seal tells damage from what was written, but not who wrote it: whoever makes a file can seal anything. So every row is
also held to the limits of result files, and a row beyond them counts as damaged. A hundred thousand results are read in
seconds, so that what repeats from row to row (cases, lists of metrics) is checked once and cached, and what does not is
checked by a few comparisons.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Annotated, Any, NamedTuple, NoReturn, TypeVar

import msgspec
from msgspec import Meta, Struct

from dctbench import catalog
from dctbench.machine.calibration import LATER_PLANNER_RATES, PLANNER_RATES, Calibration
from dctbench.model import (
    STATUSES,
    Baseline,
    Case,
    CaseWarning,
    Environment,
    Measurement,
    Result,
    ResultDetails,
    Run,
    RunSettings,
    WarningCode,
)
from dctbench.store.errors import SALVAGE, DamagedError
from dctbench.store.naming import clean_label
from dctbench.store.records import SEALED, damaged_seal, described, seal
from dctbench.text.fields import (
    CaseFields,
    Facts,
    Fingerprint,
    Host,
    Identifier,
    RoundNumber,
    Timestamp,
    Version,
    check_case,
    utc,
)
from dctbench.text.sanitize import sanitize_text, sanitize_values
from dctbench.text.untrusted import (
    LARGEST,
    MAX_METRICS,
    MAX_SAMPLES,
    MAX_WARNINGS,
    Free,
    InvalidDataError,
    Name,
    Text,
    bounded,
    check_free,
    check_names,
    converted,
    validation_message,
)
from dctbench.text.warning_values import WarningRecord, read_warning

_LATEST = 253402300800.0
"""The end of the year 9999, in seconds since the epoch."""
_INDEX = re.compile(r"(:[0-9]{1,4})?", re.ASCII)
"""What may follow the kind of a device: the number of a GPU."""
_SHORT = 4000
"""A record with fewer characters than this has no more values than are allowed."""
_USUAL_LATENCIES = bytes(range(0x3E, 0x41))
"""The last bytes of numbers from 4.7e-10 to 1.3e5, which are latencies."""
_USUAL_NUMBERS = bytes([*range(0x46), *range(0x80, 0xC6)])
"""The last bytes of numbers below 3e29 and above -3e29."""
_CALIBRATE = "measure it again: dctbench doctor --calibrate"
_SAVE_AGAIN = "save it again: dctbench run --save-baseline NAME"
_HINTS: Mapping[str, str] = {"calibrations": _CALIBRATE, "baselines": _SAVE_AGAIN}


class _RunRow(Struct):
    id: Identifier
    label: Text | None
    suite: Name
    argv: str
    started_at: Timestamp
    dctbench_version: Version
    settings: str


class _CaseRow(Struct):
    run_id: Identifier
    case_id: Identifier
    position: Annotated[int, Meta(ge=0, le=1 << 30)]
    rounds: RoundNumber
    record: str


class _EnvironmentRow(Struct):
    run_id: Identifier
    fingerprint: Fingerprint
    host: Host
    facts: str


class _ResultRow(Struct):
    run_id: Identifier
    case_id: Identifier


class _CalibrationRow(Struct):
    fingerprint: Fingerprint
    device: Name
    record: str


class _BaselineRow(Struct):
    name: Name
    run_id: Identifier
    saved_at: Timestamp


class _Record(Struct):
    """The JSON in `results.record`."""

    message: Text | None
    warnings: Annotated[tuple[Text | WarningRecord, ...], Meta(max_length=MAX_WARNINGS)]
    details: Free
    fingerprint: Fingerprint
    host: Host


_Metrics = Annotated[list[tuple[Name, Name, Annotated[int, Meta(ge=1, le=MAX_SAMPLES)]]], Meta(max_length=MAX_METRICS)]
_Words = Annotated[list[Text], Meta(max_length=1000)]
_decode_record = msgspec.json.Decoder(_Record).decode
_decode_metrics = msgspec.json.Decoder(_Metrics).decode
_T = TypeVar("_T", bound=Struct)
_statuses = frozenset(STATUSES)


class _Layout(NamedTuple):
    """Which part of the samples of a result belongs to which metric.

    `latency` is the part that is one. Of the other metrics of which only some figures are possible, `single` are those
    with one sample and its place, and `several` those with more, each with the least and the most that is possible.
    """

    names: list[str]
    units: list[str]
    places: list[slice]
    bytes: int
    latency: slice | None
    single: list[tuple[str, int, float, float]]
    several: list[tuple[str, slice, float, float]]


def run_of_row(row: Mapping[str, Any]) -> Run:
    """Return the run of a row; the inverse of `records.row_of_run`.

    Raises:
        DamagedError: when the row does not match its seal, or is not valid.
    """
    with _checked("runs", row):
        read = _columns(row, _RunRow)
        argv = msgspec.convert(_json(read.argv), _Words)
        settings = msgspec.convert(_json(read.settings), Free)
        check_free(settings, "settings")
        check_names([read.suite], "suite")
        return Run(
            id=read.id,
            label=None if read.label is None else clean_label(read.label),
            suite=read.suite,
            argv=tuple(map(sanitize_text, argv)),
            started_at=utc(read.started_at, "started_at"),
            dctbench_version=sanitize_text(read.dctbench_version),
            settings=RunSettings.from_json(sanitize_values(settings)),
        )


def case_of_row(row: Mapping[str, Any]) -> Case:
    """Return the case of a row; the inverse of `records.row_of_case`.

    Raises:
        DamagedError: when the row does not match its seal, or is not valid.
    """
    with _checked("cases", row):
        read = _columns(row, _CaseRow)
        case, identity = _case(read.record)
        if identity != read.case_id:
            raise InvalidDataError("it has the id of another case")
        return case


def environment_of_row(row: Mapping[str, Any]) -> Environment:
    """Return the environment of a row; the inverse of `records.row_of_environment`.

    Raises:
        DamagedError: when the row does not match its seal, or is not valid.
    """
    with _checked("environments", row):
        read = _columns(row, _EnvironmentRow)
        facts = msgspec.convert(_json(read.facts), Free)
        converted(facts, Facts, "facts")
        return Environment({"cores_usable": None, **sanitize_values(facts)}, read.fingerprint)


def calibration_of_row(row: Mapping[str, Any]) -> Calibration:
    """Return the calibration of a row; the inverse of `records.row_of_calibration`.

    Raises:
        DamagedError: when the row does not match its seal, or is not valid.
    """
    with _checked("calibrations", row):
        read = _columns(row, _CalibrationRow)
        data = msgspec.convert(_json(read.record), Free)
        check_free(data, "record")
        found = msgspec.convert(data, Calibration)
        utc(found.measured_at, "measured_at")
        models = found.cost_models.values()
        rates = [*found.gemm.values(), found.bandwidth, *(rate for model in models for rate in model.values())]
        check_names([found.device, *found.gemm, *found.cost_models, *found.spread], "record")
        if found.device != read.device or found.threads < 1 or not all(0 < rate < LARGEST for rate in rates):
            raise InvalidDataError("it holds what no device has")
        if not found.gemm or not all(
            PLANNER_RATES - LATER_PLANNER_RATES <= model.keys() <= PLANNER_RATES for model in models
        ):
            raise InvalidDataError("it lacks a rate, or has one that is not known")
        return found


def baseline_of_row(row: Mapping[str, Any]) -> Baseline:
    """Return the baseline of a row; the inverse of `records.row_of_baseline`.

    Raises:
        DamagedError: when the row does not match its seal, or is not valid.
    """
    with _checked("baselines", row):
        read = _columns(row, _BaselineRow)
        check_names([read.name], "name")
        return Baseline(read.name, read.run_id, utc(read.saved_at, "saved_at"))


def result_of_row(row: Mapping[str, Any], case: Case) -> Result:
    """Return the result of a row; the inverse of `records.row_of_result`.

    Args:
        row: of `results`, for that case. Its seal has been verified.
        case: from the plan of the run.

    Raises:
        DamagedError: when the row is not valid.
    """
    try:
        record, warnings, layout, samples = _parts_of_result(row)
        return Result(
            case=case,
            round=row["round"],
            status=row["status"],
            measurements=tuple(
                map(
                    Measurement._make,
                    zip(layout.names, layout.units, map(samples.__getitem__, layout.places), strict=True),
                )
            ),
            message=record.message,
            warnings=warnings,
            details=ResultDetails.from_json(record.details),
            fingerprint=record.fingerprint,
            host=record.host,
        )
    except _INVALID as error:
        _raise_damage("results", row, error)


def verify(table: str, row: Mapping[str, Any]) -> None:
    """Check the seal of a row.

    Raises:
        DamagedError: when the row does not match its seal.
    """
    damage = damaged_seal(table, row)
    if damage is not None:
        raise DamagedError(damage, hint=_HINTS.get(table, SALVAGE))


def damaged(table: str, row: Mapping[str, Any]) -> str | None:
    """Return a message that names the damaged or invalid record, or None when the row can be read."""
    try:
        if table == "results":
            with _checked(table, row):
                _columns(row, _ResultRow)
                _parts_of_result(row)
        else:
            _READERS[table](row)
    except DamagedError as error:
        return error.message
    return None


_READERS = {
    "runs": run_of_row,
    "cases": case_of_row,
    "environments": environment_of_row,
    "calibrations": calibration_of_row,
    "baselines": baseline_of_row,
}


def with_time(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row of `results` with the latest time as `stored_at` when it is not a valid one.

    No seal covers this column. It only decides which of two results from two sources of a merge stays.
    """
    stored_at = row["stored_at"]
    valid = isinstance(stored_at, int | float) and 0 <= stored_at <= _LATEST
    return row if valid else {**row, "stored_at": _LATEST}


_TIMES = {"runs": "started_at", "baselines": "saved_at"}


def in_utc(table: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an intact row with its time in UTC, as this program writes it, so that times compare as text."""
    column = _TIMES.get(table)
    if column is None or (time := utc(row[column], column)) == row[column]:
        return row
    found = {**row, column: time}
    return found | {"sha256": seal(found, SEALED[table])}


_INVALID = (InvalidDataError, msgspec.MsgspecError, RecursionError, ValueError)


@contextmanager
def _checked(table: str, row: Mapping[str, Any]) -> Iterator[None]:
    """Check the seal of a row, and turn what is not valid in the block into a DamagedError that names the row."""
    verify(table, row)
    try:
        yield
    except _INVALID as error:
        _raise_damage(table, row, error)


def _raise_damage(table: str, row: Mapping[str, Any], error: Exception) -> NoReturn:
    text = validation_message(str(error)) if isinstance(error, msgspec.ValidationError) else str(error)
    reason = sanitize_text(text)[:200]
    raise DamagedError(f"{described(table, row)} is not valid: {reason}", hint=_HINTS.get(table, SALVAGE)) from None


def _parts_of_result(
    row: Mapping[str, Any],
) -> tuple[_Record, tuple[CaseWarning, ...], _Layout, tuple[float, ...]]:
    """Return the record, the warnings, the layout and the samples of a result, all checked."""
    number, status, data = row["round"], row["status"], row["samples"]
    if type(number) is not int or not 1 <= number <= 1 << 20:
        raise InvalidDataError("round: not a number of a round")
    if status not in _statuses:
        raise InvalidDataError("status: none of the known ones")
    if not isinstance(data, bytes | memoryview):
        raise InvalidDataError("samples: not bytes")
    layout = _layout(_text(row, "metrics"))
    if len(data) != layout.bytes:
        raise InvalidDataError("samples: another number than its metrics have")
    samples = _check_samples(bytes(data), layout)
    record = _record(_text(row, "record"))
    return record, tuple(map(_warning, record.warnings)) if record.warnings else (), layout, samples


def _columns(row: Mapping[str, Any], kind: type[_T]) -> _T:
    values = {name: row[name] for name in kind.__struct_fields__}
    for name, value in values.items():
        if isinstance(value, str) and "\0" in value:  # which PostgreSQL cannot store
            raise InvalidDataError(f"{name}: a null character")
    return msgspec.convert(values, kind)


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row[column]
    if type(value) is not str:
        raise InvalidDataError(f"{column}: not a text")
    return value


def _check_samples(data: bytes, layout: _Layout) -> tuple[float, ...]:
    """Return the samples of a result, all finite and in the range of their metrics.

    Args:
        data: of the samples, as little-endian float64.
        layout: which of them belong to which metric.
    """
    samples: tuple[float, ...] = struct.unpack(f"<{len(data) // 8}d", data)
    # The last byte of a sample is its sign and the high bits of its exponent. Almost always it shows the range, and a
    # comparison of every sample would take longer than the rest of the reading.
    high = data[7::8]
    if layout.latency is not None and high[layout.latency].translate(None, _USUAL_LATENCIES):
        _check_range("latency", samples[layout.latency])
    for metric, place, least, most in layout.single:
        if not least <= samples[place] <= most:
            _check_range(metric, samples[place : place + 1])
    for metric, part, least, most in layout.several:
        if not all(least <= sample <= most for sample in samples[part]):
            _check_range(metric, samples[part])
    if high.translate(None, _USUAL_NUMBERS) and not all(-LARGEST <= sample <= LARGEST for sample in samples):
        raise InvalidDataError("samples: not a number, or one beyond all limits")
    return samples


def _check_range(metric: str, samples: Sequence[float]) -> None:
    reason = catalog.why_not_measured(metric, samples)
    if reason is not None:
        raise InvalidDataError(f"samples: {metric}: {reason}")


def _record(text: str) -> _Record:
    try:
        record = _decode_record(text)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:  # half of a surrogate pair, from a file name or a message
        record = msgspec.convert(_json(text), _Record)
    if len(text) >= _SHORT:
        check_free(record.details, "details")
    elif not bounded(record.details.values()):
        raise InvalidDataError("details: nested too deeply, or a number beyond all limits")
    if "\\" in text or not text.isascii() or "\x7f" in text:  # else there is nothing to remove
        record.message = None if record.message is None else sanitize_text(record.message)
        record.details = sanitize_values(record.details)
        record.host = sanitize_text(record.host)
    return record


def _warning(given: str | WarningRecord) -> CaseWarning:
    if isinstance(given, WarningRecord) and given.code not in _codes:  # of a later version
        return CaseWarning.text(sanitize_text(f"{given.code}: {json.dumps(given.values, sort_keys=True)}"))
    return read_warning(given)


_codes = frozenset(code.value for code in WarningCode)


@lru_cache(maxsize=4096)
def _layout(text: str) -> _Layout:
    names, units, places, start, latency = [], [], [], 0, None
    single: list[tuple[str, int, float, float]] = []
    several: list[tuple[str, slice, float, float]] = []
    for metric, unit, count in _decode_metrics(text):
        known = catalog.metric(metric)
        if known is not None and unit != known.unit:
            raise InvalidDataError(f"metrics: the unit {unit!r} of {metric}")
        if metric in names:
            raise InvalidDataError("metrics: one of them twice")
        names.append(metric)
        units.append(unit)
        places.append(slice(start, start + count))
        start += count
        if metric == "latency":
            latency = places[-1]
        elif known is not None and known.quantity is not None:
            least, most = known.quantity.least, known.quantity.most
            if count == 1:
                single.append((metric, start - 1, least, most))
            else:
                several.append((metric, places[-1], least, most))
    check_names([*names, *units], "metrics")
    return _Layout(names, units, places, start * struct.calcsize("d"), latency, single, several)


@lru_cache(maxsize=65536)
def _case(text: str) -> tuple[Case, str]:
    """Return a case and its id. Its task may have any name, since older versions did not check it."""
    data = _json(text)
    msgspec.convert(data, CaseFields)
    case = Case.from_json(data)
    check_case(case, "record")
    if case.device_kind not in catalog.DEVICES or not _INDEX.fullmatch(case.device, len(case.device_kind)):
        raise InvalidDataError(f"record.device: unknown device {case.device!r}")
    return case, case.id


def _json(text: str) -> Any:
    """Return what JSON holds, also with half of a surrogate pair in a text. NaN and infinities are refused."""
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(word: str) -> NoReturn:
    raise InvalidDataError(f"{word} is not a number")
