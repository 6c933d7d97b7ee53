"""Canonical JSON, from which identities and checksums are computed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

JSON = dict[str, Any]

SCHEMA_VERSION = 1
"""The version of the JSON document. Reading a document of a higher version fails."""


def canonical_json(value: object) -> str:
    """Return JSON that is the same for equal values: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: object, length: int = 16) -> str:
    """Return the first `length` hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]
