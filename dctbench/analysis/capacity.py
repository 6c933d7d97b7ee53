"""Will it fit: the longest length that was measured within so much memory, and the first that was not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dctbench.analysis.summary import Summary
from dctbench.model import Case, Environment


@dataclass(frozen=True, slots=True)
class Feasible:
    """How far one method got.

    Attributes:
        case: one of its cases; the length is not meant.
        longest: the longest length measured within the limit, before any that did not fit; None where none was.
        first_over: the shortest length that did not fit (out of memory, or beyond the limit); None where all did.
        needed: bytes at `first_over`: measured, or the estimate made before it was refused.
        estimated: whether `needed` is an estimate.
    """

    case: Case
    longest: int | None
    first_over: int | None
    needed: float | None
    estimated: bool


def feasible_lengths(summaries: Iterable[Summary], limit: float | None = None) -> list[Feasible]:
    """For each method and ratio: the lengths that fit, as far as was measured.

    Args:
        summaries: of any shapes.
        limit: bytes that a call may need beside its input; None for what the device had.
    """
    rows: dict[tuple[object, ...], list[Summary]] = {}
    for summary in summaries:
        rows.setdefault(summary.case.row, []).append(summary)
    return [_feasible(sorted(members, key=lambda s: s.case.seq_len), limit) for members in rows.values()]


def needed_bytes(summary: Summary) -> tuple[float | None, bool]:
    """What a case needs beside its input in bytes, and whether that is an estimate of one that was out of memory."""
    if summary.status == "oom":
        estimate = summary.details.get("estimated_bytes")
        return (float(estimate) if isinstance(estimate, int | float) else None), True
    return summary.memory, False


def host_memory(environments: Iterable[Environment]) -> float | None:
    """Bytes of memory of the machine, where all environments agree on them and none has a GPU of its own."""
    environments = list(environments)
    sizes = {environment.facts.get("memory_bytes") for environment in environments}
    gpu = any(environment.facts.get("gpu") for environment in environments)
    [size] = sizes if len(sizes) == 1 else [None]
    return float(size) if isinstance(size, int | float) and not gpu else None


def _feasible(members: list[Summary], limit: float | None) -> Feasible:
    longest = None
    for summary in members:
        needed, estimated = needed_bytes(summary)
        beyond = limit is not None and needed is not None and needed > limit
        if summary.status == "oom" or beyond:
            return Feasible(members[0].case, longest, summary.case.seq_len, needed, estimated)
        if summary.status == "ok" and (limit is None or needed is not None):
            longest = summary.case.seq_len
    return Feasible(members[0].case, longest, None, None, False)
