"""Will it fit: the longest length that was measured, and the first that ran out of memory."""

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
        longest: the longest length measured before any that ran out of memory; None where none was.
        first_over: the shortest length that ran out of memory; None where none did.
        needed: bytes at `first_over` by the estimate made before it was refused; None where it was tried.
    """

    case: Case
    longest: int | None
    first_over: int | None
    needed: float | None


def feasible_lengths(summaries: Iterable[Summary]) -> list[Feasible]:
    """For each method and ratio: the lengths that fit what the device had, as far as was measured."""
    rows: dict[tuple[object, ...], list[Summary]] = {}
    for summary in summaries:
        rows.setdefault(summary.case.row, []).append(summary)
    return [_feasible(sorted(members, key=lambda s: s.case.seq_len)) for members in rows.values()]


def needed_bytes(summary: Summary) -> tuple[float | None, bool]:
    """What a case needs beside its input in bytes, and whether that is an estimate of one that was out of memory."""
    if summary.status == "oom":
        estimate = summary.details.estimated_bytes
        return (None if estimate is None else float(estimate)), True
    return summary.memory, False


def host_memory(environments: Iterable[Environment]) -> float | None:
    """Bytes of memory of the machine, where all environments agree on them and none has a GPU of its own."""
    environments = list(environments)
    sizes = {environment.facts.get("memory_bytes") for environment in environments}
    gpu = any(environment.facts.get("gpu") for environment in environments)
    [size] = sizes if len(sizes) == 1 else [None]
    return float(size) if isinstance(size, int | float) and not gpu else None


def _feasible(members: list[Summary]) -> Feasible:
    longest = None
    for summary in members:
        if summary.status == "oom":
            return Feasible(members[0].case, longest, summary.case.seq_len, needed_bytes(summary)[0])
        if summary.status == "ok":
            longest = summary.case.seq_len
    return Feasible(members[0].case, longest, None, None)
