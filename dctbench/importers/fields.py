"""Limits of result files, far above the size of a sweep and far below what would exhaust a laptop."""

from __future__ import annotations

MAX_BYTES = 256 << 20
MAX_VALUES = 20_000_000
MAX_CASES = 100_000
