"""How much a result file may hold: far above what a sweep gives, far below what would exhaust a laptop."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

MAX_BYTES = 256 << 20
MAX_VALUES = 20_000_000
MAX_CASES = 100_000
MAX_ROUNDS = 1000

Identifier = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_-]{4,64}\Z")]
Fingerprint = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_-]{0,64}\Z")]
Host = Annotated[str, Meta(max_length=255)]
Version = Annotated[str, Meta(max_length=40)]
Timestamp = Annotated[str, Meta(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(\+00:00|Z)?\Z", max_length=40)]
Whole = Annotated[int, Meta(ge=1, le=2**24)]
