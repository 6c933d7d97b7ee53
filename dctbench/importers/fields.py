"""Limits and field types of result files.

The limits are far above the size of a sweep and far below what would exhaust a laptop.
"""

from __future__ import annotations

import datetime
from typing import Annotated

from msgspec import Meta

from dctbench.text.sanitize import sanitize_text
from dctbench.text.untrusted import InvalidDataError

MAX_BYTES = 256 << 20
MAX_VALUES = 20_000_000
MAX_CASES = 100_000

Identifier = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_-]{4,64}\Z")]
Fingerprint = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_-]{0,64}\Z")]
Host = Annotated[str, Meta(max_length=255)]
Version = Annotated[str, Meta(max_length=40)]
Timestamp = Annotated[
    str, Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}([+-][0-9:]{5}|Z)?\Z", max_length=40)
]
"""The shape of a time. `utc` checks that it is a valid one."""
Whole = Annotated[int, Meta(ge=1, le=2**24)]


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
