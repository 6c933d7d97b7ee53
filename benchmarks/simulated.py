"""What the programs that simulate have in common: their flags, a table on standard output, and a result file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Found = dict[str, Any]
"""What a simulation found: the JSON of its result file."""


def run_program(
    description: str | None, runs: int, simulate: Callable[[int], Found], table: Callable[[Found], list[str]]
) -> None:
    """Simulate, print the table, and write the result file if one is named.

    Args:
        description: of the program, for its help.
        runs: how many runs each figure is simulated from, unless --runs says otherwise.
        simulate: makes the result file from a number of runs.
        table: the lines of its table.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=runs)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = simulate(options.runs)
    print("\n".join(table(found)))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
