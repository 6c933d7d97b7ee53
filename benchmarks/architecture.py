"""Draw the rooms of dctbench and their imports: `python -m benchmarks.architecture` writes docs/architecture.svg.

A room is a package or module directly under `dctbench`. Each room stands above every room that it imports. An arrow
that follows from others (A imports B, B imports C, so A may import C) is left out to keep the drawing readable. Equal
imports give equal bytes, so that a test can compare the committed file.
"""

from __future__ import annotations

import argparse
import graphlib
import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
DRAWING = ROOT / "docs" / "architecture.svg"
PACKAGE = "dctbench"
STARTED = (("runners", "worker"),)
"""Rooms that start another as a process: an arrow that no import shows."""
_BOX, _GAP, _ROW = (112, 26), 22, 74
_MARGIN = 24
_SWEEPS = 24
Imports = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Rooms:
    """The rooms that each room imports, and the rooms that import torch."""

    imports: Imports
    torch: frozenset[str]


def read() -> Rooms:
    """Read the imports from the source, type-checking imports included."""
    graph = grimp.build_graph(PACKAGE, include_external_packages=True, cache_dir=None)
    names = sorted(child.rpartition(".")[2] for child in graph.find_children(PACKAGE))
    names = [name for name in names if name != "__main__"]
    inside = {name: _modules(graph, f"{PACKAGE}.{name}") for name in names}
    room_of = {module: name for name, modules in inside.items() for module in modules}
    imports: dict[str, frozenset[str]] = {}
    torch = set()
    for name, modules in inside.items():
        imported = {target for module in modules for target in graph.find_modules_directly_imported_by(module)}
        imports[name] = frozenset(room_of[target] for target in imported if target in room_of) - {name}
        if "torch" in imported:
            torch.add(name)
    return Rooms(imports, frozenset(torch))


def _modules(graph: grimp.ImportGraph, package: str) -> set[str]:
    return {package, *graph.find_descendants(package)}


def levels(imports: Imports) -> dict[str, int]:
    """The level of each room: 0 imports no other room, every other is one above the highest room that it imports.

    Raises:
        SystemExit: if rooms import each other.
    """
    found: dict[str, int] = {}
    try:
        for room in graphlib.TopologicalSorter(imports).static_order():
            found[room] = 1 + max((found[other] for other in imports[room]), default=-1)
    except graphlib.CycleError as error:
        raise SystemExit(f"rooms import each other: {' -> '.join(error.args[1])}") from None
    return found


def reduced(imports: Imports) -> dict[str, frozenset[str]]:
    """The imports without those that follow from others (the transitive reduction)."""
    below: dict[str, frozenset[str]] = {}
    for room in graphlib.TopologicalSorter(imports).static_order():
        below[room] = imports[room].union(*(below[other] for other in imports[room]))
    return {
        room: frozenset(one for one in direct if not any(one in below[other] for other in direct))
        for room, direct in imports.items()
    }


class _Layout:
    """Places for the rooms: rows by level, and an order within each row that keeps arrows short."""

    def __init__(self, edges: Imports, level: Mapping[str, int]) -> None:
        self.rows: list[list[str]] = [[] for _ in range(max(level.values()) + 1)]
        self.paths: list[list[str]] = []
        for room in sorted(level):
            self.rows[level[room]].append(room)
        for room in sorted(edges):
            for other in sorted(edges[room]):
                between = [f"{room}>{other}@{row}" for row in range(level[room] - 1, level[other], -1)]
                for node, row in zip(between, range(level[room] - 1, level[other], -1), strict=True):
                    self.rows[row].append(node)
                self.paths.append([room, *between, other])
        self._order()
        self.x, self.width = self._across()

    def _order(self) -> None:
        """Order each row by the mean place of its neighbours, downwards and upwards in turn."""
        near: dict[str, list[str]] = {node: [] for row in self.rows for node in row}
        for path in self.paths:
            for one, other in itertools.pairwise(path):
                near[one].append(other)
                near[other].append(one)
        row_of = {node: number for number, row in enumerate(self.rows) for node in row}
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            for number in range(len(self.rows)) if down else reversed(range(len(self.rows))):
                wanted = number - 1 if down else number + 1
                if not 0 <= wanted < len(self.rows):
                    continue
                own = _places(self.rows[number])
                places = _places(self.rows[wanted])
                mean = {
                    node: statistics.fmean([places[one] for one in near[node] if row_of[one] == wanted] or [at])
                    for node, at in own.items()
                }
                self.rows[number].sort(key=lambda node, mean=mean: (mean[node], node))  # type: ignore[misc]

    def _across(self) -> tuple[dict[str, float], float]:
        widths = [sum(_BOX[0] + _GAP if "@" not in node else _GAP for node in row) for row in self.rows]
        widest = max(widths)
        x: dict[str, float] = {}
        for row, width in zip(self.rows, widths, strict=True):
            stretch = 1 + (widest - width) / (width + 2 * _BOX[0])
            at = (widest - width * stretch) / 2 + _MARGIN
            for node in row:
                step = (_BOX[0] + _GAP if "@" not in node else _GAP) * stretch
                x[node] = at + step / 2
                at += step
        return x, widest + 2 * _MARGIN

    def y(self, node: str) -> float:
        """The middle of the node's row; the highest level is at the top."""
        [row] = [number for number, nodes in enumerate(self.rows) if node in nodes]
        return _MARGIN + _BOX[1] / 2 + (len(self.rows) - 1 - row) * _ROW


def drawing(rooms: Rooms) -> str:
    """The rooms as an SVG document."""
    level = levels(rooms.imports)
    layout = _Layout(reduced(rooms.imports), level)
    height = 2 * _MARGIN + _BOX[1] + (len(layout.rows) - 1) * _ROW + 40
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {layout.width:.0f} {height:.0f}" '
        f'width="{layout.width:.0f}" height="{height:.0f}" font-family="sans-serif" font-size="13">',
        "<title>The rooms of dctbench; an arrow points to a room that is imported</title>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#667"/></marker></defs>',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for path in layout.paths:
        lines.append(_arrow([(layout.x[node], layout.y(node)) for node in path], dashed=False))
    for one, other in STARTED:
        if one in level and other in level:
            lines.append(_arrow([(layout.x[node], layout.y(node)) for node in (one, other)], dashed=True))
    for room in sorted(level):
        lines.append(_box(room, layout.x[room], layout.y(room), room in rooms.torch))
    legend = (
        "An arrow points to a room that is imported. Arrows that follow from others are left out.",
        "Dashed: starts as a process. Orange: imports torch.",
    )
    lines += [
        *(
            f'<text x="{_MARGIN}" y="{height - 34 + 18 * number:.0f}" fill="#334">{text}</text>'
            for number, text in enumerate(legend)
        ),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _places(row: Sequence[str]) -> dict[str, float]:
    return {node: (at + 0.5) / len(row) for at, node in enumerate(row)}


def _arrow(points: Sequence[tuple[float, float]], *, dashed: bool) -> str:
    """A curve through the points, which leaves and enters boxes vertically."""
    (x, y), *rest = points
    end = len(rest) - 1
    down = 1 if rest[-1][1] >= y else -1
    at = (x, y + down * _BOX[1] / 2)
    parts = [f"M{at[0]:.1f} {at[1]:.1f}"]
    for number, (to_x, middle) in enumerate(rest):
        to_y = middle - down * (_BOX[1] / 2 + 1) if number == end else middle
        half = (at[1] + to_y) / 2
        parts.append(f"C{at[0]:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}")
        at = (to_x, to_y)
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    line = 'fill="none" stroke="#667" stroke-opacity="0.75"'
    return f'<path d="{" ".join(parts)}" {line}{dash} marker-end="url(#head)"/>'


def _box(room: str, x: float, y: float, torch: bool) -> str:
    fill, stroke = ("#fde8d0", "#c26a12") if torch else ("#e8eef8", "#4a6699")
    return (
        f'<rect x="{x - _BOX[0] / 2:.1f}" y="{y - _BOX[1] / 2:.1f}" width="{_BOX[0]}" height="{_BOX[1]}" rx="5" '
        f'fill="{fill}" stroke="{stroke}"/><text x="{x:.1f}" y="{y + 4.5:.1f}" text-anchor="middle">{room}</text>'
    )


def main() -> None:
    """Write the drawing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.architecture", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=DRAWING)
    options = parser.parse_args()
    options.output.write_text(drawing(read()), encoding="utf-8")


if __name__ == "__main__":
    main()
