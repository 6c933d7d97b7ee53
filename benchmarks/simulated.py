"""What the programs that simulate have in common: their flags, a table on standard output, and a result file.

A result file also holds the figures of a small simulation, under `FIRST`. A test repeats that one, so that no file
outlives the code whose figures it holds.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

Found = dict[str, Any]
"""What a simulation found: the JSON of its result file."""
FIRST = "first"


def run_program(
    description: str | None,
    runs: int,
    simulate: Callable[[int, int], Found],
    first: Callable[[], Found],
    table: Callable[[Found], list[str]],
) -> None:
    """Simulate on all cores, print the table, and write the result file if one is named.

    Args:
        description: of the program, for its help.
        runs: how many runs each figure is simulated from, unless --runs says otherwise.
        simulate: makes the result file from a number of runs, with so many processes.
        first: simulates a few runs.
        table: the lines of its table.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=runs)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = simulate(options.runs, os.cpu_count() or 1)
    print("\n".join(table(found)))
    if options.json:
        found[FIRST] = first()
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def rows(function: Callable[..., Found], arguments: Iterable[tuple[Any, ...]], processes: int) -> list[Found]:
    """Return `function(*each)` for all arguments, in their order, and print each when it is there."""
    found = []
    if processes == 1:
        computed: Iterable[Found] = (function(*each) for each in arguments)
        return [_printed(row) for row in computed]
    with ProcessPoolExecutor(processes) as pool:
        for future in [pool.submit(function, *each) for each in arguments]:
            found.append(_printed(future.result()))
    return found


def _printed(row: Found) -> Found:
    print(json.dumps(row), flush=True)
    return row
