"""One text for one value: what identities and checksums are taken of."""

from __future__ import annotations

import hashlib
import json
from typing import Any

JSON = dict[str, Any]

SCHEMA_VERSION = 1
"""Of the own JSON document; a reader refuses a higher one."""


def canonical_json(value: object) -> str:
    """One text for one value: sorted keys, no spaces, no NaN; what identities and checksums are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: object, length: int = 16) -> str:
    """The first `length` hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]
