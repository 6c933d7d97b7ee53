"""What a measured process answers, read as what it is: bytes from code that nobody here has seen.

Whatever an implementation writes into the channel of its process, or makes of the figures that were taken, the case
gets a result, and that is `ok` only with a latency that a clock can have shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from dctbench import catalog
from dctbench.model import JSON, Status
from dctbench.text.sanitize import sanitize_text, sanitize_values
from dctbench.text.untrusted import (
    MAX_SAMPLES,
    Figure,
    Free,
    InvalidDataError,
    Name,
    Seconds,
    Text,
    check_free,
    sentence,
)
from dctbench.text.warning_values import WarningRecord, read_warning

MAX_BYTES = 32 << 20
"""A million samples are 20 MB."""

_T = TypeVar("_T")


class _Figures(Struct, forbid_unknown_fields=True):
    metric: Name
    unit: Name
    samples: Annotated[list[Figure], Meta(min_length=1, max_length=MAX_SAMPLES)]


class _Case(Struct, forbid_unknown_fields=True):
    status: Status
    measurements: list[_Figures] = []
    message: Text | None = None
    warnings: Annotated[list[Text | WarningRecord], Meta(max_length=1000)] = []
    details: Free = {}


class _Facts(Struct, forbid_unknown_fields=True):
    uses_ratio: bool
    source: Text | None = None


class _Description(Struct, forbid_unknown_fields=True):
    """Either the first two, or why there are none."""

    implementations: dict[str, _Facts] = {}
    flops: list[Annotated[float, Meta(ge=0, le=1e30)] | None] = []
    status: Status = "ok"
    message: Text | None = None
    hint: Text | None = None
    refused: bool = False
    absent: bool = False
    details: Free = {}


def case_answer(line: bytes, *, drop_unknown: bool = False) -> JSON:
    """The answer to `measure`: status, measurements, message, warnings and details.

    Args:
        line: as it came.
        drop_unknown: leave out metrics that are not known here; another environment may have others installed.

    Raises:
        Bad: saying what is wrong with it.
    """
    answer = _decoded(line, _Case)
    check_free(answer.details, "details")
    if answer.status == "ok":
        if drop_unknown:
            known = catalog.metrics()
            answer.measurements = [figures for figures in answer.measurements if figures.metric in known]
        _check_figures(answer.measurements)
    elif answer.measurements:
        raise InvalidDataError(f"measurements with the status {answer.status}")
    elif not answer.message:
        raise InvalidDataError(f"the status {answer.status} without a message")
    return {
        "status": answer.status,
        "measurements": [msgspec.to_builtins(figures) for figures in answer.measurements],
        "message": None if answer.message is None else sanitize_text(answer.message),
        "warnings": [read_warning(given).to_json() for given in answer.warnings],
        "details": sanitize_values(answer.details),
    }


def _check_figures(measurements: Sequence[_Figures]) -> None:
    known = catalog.metrics()
    for number, figures in enumerate(measurements):
        if figures.metric not in known:
            raise InvalidDataError(f"measurements[{number}]: no metric is called {sanitize_text(figures.metric)!r}")
        unit = known[figures.metric].unit
        if unit is not None and figures.unit != unit:  # a package's metric states its unit with its figure
            raise InvalidDataError(f"{figures.metric}: the unit {sanitize_text(figures.unit)!r} instead of {unit!r}")
    names = [figures.metric for figures in measurements]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InvalidDataError(f"{twice}: measured twice")
    if "latency" not in names:
        raise InvalidDataError("the status ok without a latency")
    _converted(measurements[names.index("latency")].samples, list[Seconds], "latency")


def description(line: bytes, implementations: Sequence[str], cases: int) -> JSON:
    """The answer to `describe` about those implementations and so many cases, or why there is none (`status` error).

    Raises:
        Bad: saying what is wrong with it.
    """
    answer = _decoded(line, _Description)
    check_free(answer.details, "details")
    asked = set(implementations) if answer.status == "ok" else set()
    if set(answer.implementations) != asked or len(answer.flops) != (cases if asked else 0):
        raise InvalidDataError("about other implementations or cases than it was asked about")
    flops = [None if one is None else int(one) for one in answer.flops]
    return {**msgspec.to_builtins(answer), "flops": flops}


def free_answer(line: bytes) -> JSON:
    """The answer to a question that runs no code but ours.

    Raises:
        Bad: when it is no JSON object.
    """
    return dict(_decoded(line, dict[str, Any]))


def _decoded(line: bytes, kind: Any) -> Any:
    if len(line) > MAX_BYTES:
        raise InvalidDataError(f"more than {MAX_BYTES >> 20} MiB")
    try:
        return msgspec.json.decode(line, type=kind)
    except RecursionError:
        raise InvalidDataError("nested too deeply") from None
    except msgspec.ValidationError as error:
        raise InvalidDataError(sentence(str(error))) from None
    except msgspec.DecodeError as error:
        raise InvalidDataError(str(error)) from None


def _converted(value: object, kind: type[_T], place: str) -> _T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InvalidDataError(sentence(str(error), place)) from None
