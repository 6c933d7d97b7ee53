"""Whether a method fits into memory: the longest measured length, and the first that ran out of memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dctbench.analysis.summary import Summary
from dctbench.model import Case, Environment

_MOST_BYTES = 1 << 60
"""No machine has so much memory."""


@dataclass(frozen=True, slots=True)
class Feasible:
    """How far one method got.

    Attributes:
        case: one of its cases, of any length.
        longest: the longest length measured below `first_over`; None if there is none.
        first_over: the shortest length that ran out of memory; None if none did.
        needed: bytes estimated for `first_over` before it was refused; None if it was tried.
    """

    case: Case
    longest: int | None
    first_over: int | None
    needed: float | None


def feasible_lengths(summaries: Iterable[Summary]) -> list[Feasible]:
    """Return for each method and what it keeps the measured lengths that fit into the device's memory."""
    rows: dict[tuple[object, ...], list[Summary]] = {}
    for summary in summaries:
        rows.setdefault(summary.case.row, []).append(summary)
    return [_feasible(sorted(members, key=lambda s: s.case.seq_len)) for members in rows.values()]


def needed_bytes(summary: Summary) -> tuple[float | None, bool]:
    """Return the bytes that a case needs beside its input, and whether they are an estimate since it did not fit."""
    if summary.status == "oom":
        estimate = summary.details.estimated_bytes
        return (None if estimate is None else float(estimate)), True
    return summary.memory, False


def host_memory(environments: Iterable[Environment]) -> float | None:
    """Return the machine's main memory in bytes; None if the environments differ in it."""
    return _the_only(environment.facts.get("memory_bytes") for environment in environments)


def device_memory(environments: Iterable[Environment], device: str) -> float | None:
    """Return the memory of a device in bytes, by its name in cases; None if environments differ in it or do not say."""
    kind, _, index = device.partition(":")
    if kind == "cpu":
        return host_memory(environments)
    if kind != "cuda" or not (index.isascii() and index.isdecimal()):
        return None
    return _the_only(_of_gpu(environment, int(index)) for environment in environments)


def _of_gpu(environment: Environment, index: int) -> object:
    gpus = environment.facts.get("gpu")
    if not isinstance(gpus, list) or index >= len(gpus) or not isinstance(gpus[index], dict):
        return None
    return gpus[index].get("memory_bytes")


def _the_only(sizes: Iterable[object]) -> float | None:
    """Return what all sizes are, or None. An imported file may state anything."""
    found = {size if isinstance(size, int | float) and 0 < size < _MOST_BYTES else None for size in sizes}
    [size] = found if len(found) == 1 else [None]
    return None if size is None else float(size)


def _feasible(members: list[Summary]) -> Feasible:
    longest = None
    for summary in members:
        if summary.status == "oom":
            return Feasible(members[0].case, longest, summary.case.seq_len, needed_bytes(summary)[0])
        if summary.status == "ok":
            longest = summary.case.seq_len
    return Feasible(members[0].case, longest, None, None)
