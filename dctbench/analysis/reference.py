"""The method that ratios are taken against."""

from __future__ import annotations

from collections.abc import Iterable

from dctbench.model import Case

REFERENCE = "sdpa"


def default_reference(cases: Iterable[Case]) -> str | None:
    """Return the method that ratios are taken against: sdpa, else full attention, else None."""
    present = {case.implementation for case in cases}
    return next((name for name in (REFERENCE, "full") if name in present), None)
