"""Read the JSON document of dctbench back into results. Samples are kept; statistics are computed again from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from dctbench import catalog
from dctbench.errors import UsageError
from dctbench.importers.fields import MAX_CASES
from dctbench.model import (
    NO_DETAILS,
    SCHEMA_VERSION,
    Case,
    Environment,
    Measurement,
    Result,
    ResultDetails,
    Run,
    RunSettings,
    Status,
    TaskName,
    tidy_number,
)
from dctbench.model.task import MOST_PATIENCE
from dctbench.spec import axes, suites
from dctbench.store import clean_label
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
from dctbench.text.parse import MAX_DURATION
from dctbench.text.sanitize import sanitize_text, sanitize_values
from dctbench.text.untrusted import (
    MAX_METRICS,
    MAX_SAMPLES,
    MAX_WARNINGS,
    Free,
    InvalidDataError,
    Name,
    Number,
    Seconds,
    Text,
    check_names,
    converted,
)
from dctbench.text.warning_values import WarningRecord, read_warning

Warnings = Annotated[list[Text | WarningRecord], Meta(max_length=MAX_WARNINGS)]
"""Earlier versions wrote sentences instead of records."""


class _Case(CaseFields, forbid_unknown_fields=True, kw_only=True):
    n_kept: int | None


_MOST_PROCESSES = 10_000
"""A case of base has a process for every case of head that it is compared with."""


class _Round(Struct, forbid_unknown_fields=True):
    """One process. A field that is left out has the value of the entry."""

    round: RoundNumber
    status: Status
    samples: Annotated[int, Meta(ge=0, le=MAX_SAMPLES)]
    stop_reason: Text | None = None
    message: Text | UnsetType | None = UNSET
    warnings: Warnings | UnsetType = UNSET
    host: Host | UnsetType = UNSET
    fingerprint: Fingerprint | UnsetType = UNSET
    details: Free | UnsetType = UNSET
    metrics: dict[Name, Annotated[list[Number], Meta(min_length=1, max_length=MAX_SAMPLES)]] | UnsetType = UNSET


class _Metric(Struct, forbid_unknown_fields=True):
    """One metric of a case. Its statistics are not read, so they may be any numbers, such as a huge interval."""

    unit: Name
    value: Number
    low: float | None = None
    high: float | None = None
    p99: float | None = None
    p99_high: float | None = None
    high_99: float | None = None
    samples: Annotated[list[Seconds], Meta(min_length=1, max_length=MAX_SAMPLES)] | None = None


class _Entry(Struct, forbid_unknown_fields=True):
    case: _Case
    case_id: Identifier
    host: Host
    fingerprint: Fingerprint
    rounds: Annotated[list[_Round], Meta(min_length=1, max_length=_MOST_PROCESSES)]
    status: Status
    message: Text | None
    warnings: Warnings
    metrics: Annotated[dict[Name, _Metric | None], Meta(max_length=MAX_METRICS)]
    details: Free = {}


class _Settings(Struct):
    """The settings of a run that are validated; other keys are allowed."""

    rounds: Annotated[int, Meta(ge=1, le=suites.MAX_ROUNDS)] = 1
    short_rounds: Annotated[int, Meta(ge=1, le=suites.MAX_ROUNDS)] = 1
    case_timeout: Annotated[float, Meta(gt=0, le=MAX_DURATION)] = 1.0
    env: dict[Name, Text] = {}
    prune: bool = True
    isolation: Literal["auto", "zygote", "fresh"] = "auto"
    budget: Annotated[float, Meta(gt=0, le=MAX_DURATION)] | None = None
    samples: Annotated[int, Meta(ge=1, le=suites.MAX_SAMPLES_ASKED)] = 1
    cache: Literal["warm", "cold"] | None = None
    priority: bool = False
    search: Literal["rate"] | None = None
    jobs: Annotated[int, Meta(ge=1, le=suites.MAX_JOBS)] | None = None
    margin: Annotated[float, Meta(gt=0, lt=1)] | None = None
    patience: Annotated[int, Meta(ge=2, le=MOST_PATIENCE)] | None = None
    energy: bool = True
    protocol: Literal["authors"] | None = None


_NEEDED_TO_RESUME = ("rounds", "case_timeout", "env", "isolation")
"""The settings that a run must have to be resumed. An imported run may lack them."""


class _Run(Struct, forbid_unknown_fields=True):
    id: Identifier
    label: Text | None
    suite: Name
    argv: Annotated[list[Text], Meta(max_length=1000)]
    started_at: Timestamp
    dctbench_version: Version
    settings: Free = {}


class _Roofline(Struct):
    """The values of a roofline that pages read."""

    bound: Literal["compute", "bandwidth", "cache"]
    rate: Number
    share: Number
    intensity: Number


class _Split(Struct):
    """The values that pages read about how the time of a call is split."""

    shares: Annotated[dict[Name, Number], Meta(max_length=100)]


class _Details(Struct):
    """The details of a result that pages and tables read; others are allowed."""

    stop_reason: Text | None = None
    estimated_bytes: Number | None = None
    roofline: _Roofline | None = None
    split: _Split | None = None


class _Document(Struct, forbid_unknown_fields=True):
    schema_version: int
    run: _Run
    environments: Annotated[dict[Fingerprint, Free], Meta(max_length=1000)]
    results: Annotated[list[_Entry], Meta(max_length=MAX_CASES)]


class _Versioned(Struct):
    schema_version: int


def parse(data: bytes) -> tuple[Run, dict[str, Environment], list[Result]]:
    """Return the run, its environments by fingerprint and its results, ordered by case and round.

    Raises:
        InvalidDataError, msgspec.MsgspecError: when the document is not valid.
    """
    version = msgspec.json.decode(data, type=_Versioned).schema_version
    if version > SCHEMA_VERSION:
        raise InvalidDataError(
            f"written by a newer dctbench (schema_version {version}, this one knows {SCHEMA_VERSION})"
        )
    if version < 1:
        raise InvalidDataError(f"schema_version: there is no version {version}")
    document = msgspec.json.decode(data, type=_Document)
    environments = {}
    for key, facts in document.environments.items():
        converted(facts, Facts, f"environments.{key}")
        environments[key] = Environment({"cores_usable": None, **sanitize_values(facts)}, key)
    results: list[Result] = []
    seen: dict[tuple[str, str], int] = {}
    places: dict[Case, int] = {}
    for index, entry in enumerate(document.results):
        place = f"results[{index}]"
        case = _case(entry.case, place)
        if case.id != entry.case_id:
            raise InvalidDataError(f"{place}.case_id: {entry.case_id} is not the id of its case, which is {case.id}")
        same = seen.setdefault((case.id, entry.fingerprint), index)
        if same != index:
            raise InvalidDataError(f"{place}: the same case as results[{same}]")
        places.setdefault(case, index)
        results += _results(entry, case, place)
    results.sort(key=lambda result: (places[result.case], result.round))
    for one, next_one in pairwise(results):
        if (one.case, one.round) == (next_one.case, next_one.round):
            raise InvalidDataError(f"results[{places[one.case]}].rounds: round {one.round} occurs twice")
    for result in results:
        if result.fingerprint and result.fingerprint not in environments:
            raise InvalidDataError(f"results: fingerprint {result.fingerprint!r} is not among the environments")
    return _run(document.run), environments, results


def case_of(values: dict[str, Any], place: str) -> Case:
    """Return the case that has these fields, in canonical spelling.

    Raises:
        InvalidDataError: if there can be no such case, naming the field.
    """
    case = Case.from_json(values)
    check_case(case, place)
    if case.task is not None:
        try:
            TaskName.parse(case.task)
        except ValueError as error:
            raise InvalidDataError(f"{place}.task: {sanitize_text(case.task)!r}: {sanitize_text(str(error))}") from None
    try:
        if axes.words("device", [case.device]) != [case.device]:
            raise InvalidDataError(f"{place}.device: {case.device!r} names no single device")
    except UsageError as error:
        raise InvalidDataError(f"{place}.device: {error.message}") from None
    return case


def _case(fields: _Case, place: str) -> Case:
    ratio = None if fields.ratio is None else tidy_number(fields.ratio)
    return case_of({**msgspec.to_builtins(fields), "ratio": ratio}, f"{place}.case")


def check_resumable(settings: RunSettings) -> None:
    """Refuse to resume a stored run whose settings are incomplete or invalid.

    Raises:
        InvalidDataError: naming the setting.
    """
    data = settings.to_json()
    read = converted(data, _Settings, "settings")
    check_names(read.env, "settings.env")
    for key in _NEEDED_TO_RESUME:
        if key not in data:
            raise InvalidDataError(f"settings.{key} is missing")


def _run(data: _Run) -> Run:
    settings = converted(data.settings, _Settings, "run.settings")
    check_names([data.suite, *settings.env], "run")
    return Run(
        id=data.id,
        label=clean_label(data.label or "") or None,
        suite=data.suite,
        argv=tuple(map(sanitize_text, data.argv)),
        started_at=utc(data.started_at, "run.started_at"),
        dctbench_version=sanitize_text(data.dctbench_version),
        settings=RunSettings.from_json(sanitize_values(data.settings)),
    )


def _results(entry: _Entry, case: Case, place: str) -> Iterator[Result]:
    """Return one result per round, each with its part of the samples."""
    _check_details(entry.details, f"{place}.details")
    measured = {name: figure for name, figure in entry.metrics.items() if figure is not None}
    check_names([*measured, *(figure.unit for figure in measured.values())], f"{place}.metrics")
    for name, figure in measured.items():
        if (name == "latency") != (figure.samples is not None):
            raise InvalidDataError(f"{place}.metrics.{name}: latency must have samples, and no other metric may")
        known = catalog.metric(name)
        if known is not None and figure.unit != known.unit:
            raise InvalidDataError(f"{place}.metrics.{name}: the unit {figure.unit!r} instead of {known.unit!r}")
    latency = measured.pop("latency", None)
    samples: Sequence[float] = (latency.samples or ()) if latency else ()
    if sum(round_data.samples for round_data in entry.rounds) != len(samples):
        raise InvalidDataError(f"{place}.rounds: they do not add up to the {len(samples)} samples of its latency")
    if len({round_data.round for round_data in entry.rounds}) < len(entry.rounds):
        raise InvalidDataError(f"{place}.rounds: a round occurs twice")
    start = 0
    for index, round_data in enumerate(entry.rounds):
        own = tuple(samples[start : start + round_data.samples])
        start += round_data.samples
        measurements = [Measurement("latency", "s", own)] if own else []
        measurements += _others(round_data, measured, f"{place}.rounds[{index}]", first=index == 0)
        yield Result(
            case=case,
            round=round_data.round,
            status=round_data.status,
            measurements=tuple(measurements),
            message=_message(round_data, entry),
            warnings=tuple(map(read_warning, _warnings(round_data, entry, first=index == 0))),
            details=_details(round_data, entry, f"{place}.rounds[{index}].details", first=index == 0),
            fingerprint=entry.fingerprint if round_data.fingerprint is UNSET else round_data.fingerprint,
            host=sanitize_text(entry.host if round_data.host is UNSET else round_data.host),
        )


def _others(round_data: _Round, measured: dict[str, _Metric], place: str, *, first: bool) -> Iterator[Measurement]:
    """Return the metrics of a round except latency. If the round lists none, they all belong to the first round.

    A response time may be among those of a round only: over the case, its median may fall among the calls left out.
    """
    figures: dict[str, tuple[float, ...]] = {}
    if round_data.metrics is not UNSET:
        figures = {name: tuple(values) for name, values in round_data.metrics.items()}
    elif first:
        figures = {name: (figure.value,) for name, figure in measured.items()}
    units = {"response": "s"} | {name: figure.unit for name, figure in measured.items()}
    for name, values in figures.items():
        if name not in units:
            raise InvalidDataError(f"{place}.metrics.{name}: not among the metrics of its case")
        reason = catalog.why_not_measured(name, values)
        if reason is not None:
            raise InvalidDataError(f"{place}.metrics.{name}: {reason}")
        yield Measurement(name, units[name], values)


def _message(round_data: _Round, entry: _Entry) -> str | None:
    message = round_data.message
    if message is UNSET:
        message = entry.message if round_data.status == entry.status else None
    return sanitize_text(message) if message is not None else None


def _warnings(round_data: _Round, entry: _Entry, *, first: bool) -> Sequence[str | WarningRecord]:
    return round_data.warnings if round_data.warnings is not UNSET else entry.warnings if first else ()


def _check_details(table: Mapping[str, Any], place: str) -> None:
    """Check what pages and tables read of the details.

    Raises:
        InvalidDataError: naming the place.
    """
    split = converted(table, _Details, place).split
    if split is not None:
        check_names(split.shares, f"{place}.split.shares")


def _details(round_data: _Round, entry: _Entry, place: str, *, first: bool) -> ResultDetails:
    if round_data.details is not UNSET:
        _check_details(round_data.details, place)
        return ResultDetails.from_json(sanitize_values(round_data.details))
    if first:
        return ResultDetails.from_json(sanitize_values(entry.details))
    return (
        NO_DETAILS
        if round_data.stop_reason is None
        else ResultDetails(stop_reason=sanitize_text(round_data.stop_reason))
    )
