"""Where each method pays off, machine by machine: the crossings of many runs side by side. No figure mixes machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dctbench.analysis.crossover import PayoffRange, payoffs_of
from dctbench.analysis.speedup import Speedup
from dctbench.analysis.summary import method_order
from dctbench.model import Case


@dataclass(frozen=True, slots=True)
class Column:
    """A method and what it keeps: what the crossings of several machines are listed under."""

    implementation: str
    compression: tuple[float, int]
    name: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """The crossings of one shape (without its length) on all machines that measured it.

    Attributes:
        case: one of its cases.
        lengths: the shortest and the longest length at which anything was compared.
        columns: the methods.
        rows: by machine, what is told of each method that it measured.
    """

    case: Case
    lengths: tuple[int, int]
    columns: tuple[Column, ...]
    rows: Mapping[str, Mapping[Column, PayoffRange]]


def atlas(machines: Mapping[str, Mapping[Case, Speedup]]) -> list[Sheet]:
    """Return a sheet for each shape, the one that most machines have measured first.

    Args:
        machines: by the name of each machine the cases that it compared with the reference, each within one run.
    """
    facets: dict[tuple[object, ...], dict[str, list[PayoffRange]]] = {}
    for machine, speedups in machines.items():
        for found in payoffs_of(speedups):
            facets.setdefault(found.case.facet, {}).setdefault(machine, []).append(found)
    sheets = [_sheet(by_machine) for by_machine in facets.values()]
    return sorted(sheets, key=lambda sheet: -len(sheet.rows))


def _sheet(by_machine: Mapping[str, Sequence[PayoffRange]]) -> Sheet:
    every = [found for ranges in by_machine.values() for found in ranges]
    order = method_order({found.case.implementation for found in every}, None)
    columns = {_column(found.case) for found in every}
    lengths = [point.length for found in every for point in found.points]
    return Sheet(
        case=every[0].case,
        lengths=(min(lengths), max(lengths)),
        columns=tuple(sorted(columns, key=lambda column: (order[column.implementation], column.compression))),
        rows={machine: {_column(found.case): found for found in ranges} for machine, ranges in by_machine.items()},
    )


def _column(case: Case) -> Column:
    return Column(case.implementation, case.compression, case.name)
