"""Fields of results that others wrote: their types, limits and words. The same for files and for stores."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from dctbench.errors import UsageError
from dctbench.model import DTYPE_BYTES, ENGINES, MAX_RANKS, MODES, SCOPES, Case, why_not_divided
from dctbench.text.layers import checked_layers
from dctbench.text.sanitize import sanitize_text
from dctbench.text.untrusted import InvalidDataError, Name, Number, Text, check_names

Identifier = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_-]{4,64}\Z")]
Fingerprint = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_-]{0,64}\Z")]
Host = Annotated[str, Meta(max_length=255)]
Version = Annotated[str, Meta(max_length=40)]
Timestamp = Annotated[
    str, Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}([+-][0-9:]{5}|Z)?\Z", max_length=40)
]
"""The shape of a time. `utc` checks that it is a valid one."""
Schedule = Annotated[float, Meta(ge=1e-6, le=86_400)]
"""A period or a deadline in seconds."""
Whole = Annotated[int, Meta(ge=1, le=2**24)]
RoundNumber = Annotated[int, Meta(ge=1, le=1 << 20)]
"""A check numbers its confirming rounds from 1001. A case of base has a process for every case of head it is compared
with.
"""

_WORDS: Mapping[str, tuple[str, ...]] = {
    "dtype": tuple(DTYPE_BYTES), "scope": SCOPES, "mode": MODES, "engine": ENGINES,
}  # fmt: skip
"""The fields of a case whose value is one of a few words."""


class CaseFields(Struct, kw_only=True):
    """The fields of a case."""

    implementation: Name
    scope: Name
    seq_len: Whole
    ratio: Annotated[float, Meta(ge=1, le=2**24)] | None
    batch: Whole
    heads: Whole
    head_dim: Whole
    dtype: Name
    device: Name
    mode: Name
    engine: Name
    threads: Whole | None
    task: Name | None
    kept: Whole | None = None
    period: Schedule | None = None
    deadline: Schedule | None = None
    model: Name | None = None
    layers: Name | None = None
    recover: Whole | None = None
    input: Name | None = None
    ranks: Annotated[int, Meta(ge=1, le=MAX_RANKS)] | None = None


class Facts(Struct):
    """The facts of an environment that pages and tables read; other facts are allowed."""

    torch: Text | None
    python: Text
    cpu: Text
    gpu: Annotated[list[dict[str, Any]], Meta(max_length=1000)] | None
    cores_usable: Whole | None = None
    memory_bytes: Number | None = None
    host: Host = ""


def check_case(case: Case, place: str) -> None:
    """Check what the types of the fields do not tell: words, names, and that a case has a ratio or a number kept.

    Raises:
        InvalidDataError: naming the field.
    """
    for field, known in _WORDS.items():
        value = getattr(case, field)
        if value not in known:
            raise InvalidDataError(f"{place}.{field}: {sanitize_text(value)!r} is none of {', '.join(known)}")
    texts = (case.task, case.model, case.layers, case.input)
    check_names([case.implementation, case.device, *(text or "" for text in texts)], place)
    if case.layers is not None:
        try:
            checked_layers(case.layers)
        except UsageError as wrong:
            raise InvalidDataError(f"{place}.layers: {wrong.message}") from None
    if case.ratio is not None and case.kept is not None:
        raise InvalidDataError(f"{place}: both ratio and kept are set; a case has one of them")
    if (case.period is None) != (case.deadline is None):
        raise InvalidDataError(f"{place}: a case has both period and deadline, or none of them")
    if case.period is not None and case.deadline is not None and case.deadline > case.period:
        raise InvalidDataError(f"{place}.deadline: {case.deadline:g} s is longer than the period, {case.period:g} s")
    if case.ranks is not None and (reason := why_not_divided(case)) is not None:
        raise InvalidDataError(f"{place}.ranks: {sanitize_text(reason)}")


def utc(text: str, place: str) -> str:
    """Convert a time in ISO 8601 to UTC with microseconds, the format of a run. A time without a zone is UTC.

    Raises:
        InvalidDataError: when it is not a valid time. The message names the place.
    """
    try:
        when = datetime.datetime.fromisoformat(text)
        in_utc = when.replace(tzinfo=datetime.UTC) if when.tzinfo is None else when.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        raise InvalidDataError(f"{place}: {sanitize_text(text)!r} is not a time in ISO 8601") from None
    return in_utc.isoformat(timespec="microseconds")
