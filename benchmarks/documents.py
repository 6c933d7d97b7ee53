"""The figures in the documents: `python -m benchmarks.documents` writes them anew from the committed result files.

A block in a document begins with `<!-- begin: FILE -->` and ends with `<!-- end: FILE -->`. What stands between them is
made here from FILE alone. A test compares, so that no figure in a document is typed by hand.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import (
    accuracy_rates,
    answers,
    base_runs,
    block_error,
    coverage,
    dct_speed,
    fleet,
    gate_rates,
    max_autotune,
    mutation,
    pair_noise,
    planner_choices,
    planner_rates,
    real_coverage,
    rivals,
    test_times,
)
from dctbench import analysis
from dctbench.cli.tables.output import table_lines
from dctbench.cli.terminal.layout import Layout
from dctbench.importers import read_file
from dctbench.model import Case

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"<!-- begin: (?P<file>\S+) -->\n(?P<body>.*?)<!-- end: (?P=file) -->", re.DOTALL)
STORE_SPEED = Path(__file__).with_name("store_speed.json")
WIDTH = 100


def documents() -> list[Path]:
    """Every document that people read: those at the top, and docs/."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def block(path: Path) -> str:
    """The text of a block, from its result file."""
    if path in _TABLES:
        return "\n" + "\n".join(_TABLES[path](path)) + "\n\n"
    return _end_of_run(path)


def rewritten(text: str) -> str:
    """A document with all its blocks made anew."""

    def again(found: re.Match[str]) -> str:
        file = found["file"]
        return f"<!-- begin: {file} -->\n{block(ROOT / file)}<!-- end: {file} -->"

    return BLOCK.sub(again, text)


def _end_of_run(path: Path) -> str:
    """What `dctbench run` prints at its end for the results of a file."""
    _, _, results, _ = read_file(str(path))
    cases: list[Case] = list(dict.fromkeys(result.case for result in results))
    layout = Layout(cases, analysis.default_reference(cases), width=WIDTH)
    summaries = analysis.arranged(analysis.summarise(results), layout.reference)
    lines = [str(line).rstrip() for line in table_lines(summaries, layout, len(cases), rows_shown=True)]
    wrapped = [part for line in lines for part in ([line] if len(line) <= WIDTH else textwrap.wrap(line, WIDTH))]
    return "```text\n" + "\n".join(wrapped) + "\n```\n"


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _store_speed(path: Path) -> list[str]:
    found = _json(path)
    facts = found["facts"]
    lines = ["| what | median | budget |", "|---|--:|--:|"]
    lines += [f"| {row['what']} | {row['median']:.2g} s | {row['budget']:g} s |" for row in found["seconds"]]
    return [*lines, "", f"{found['results']:,} results of {found['samples']} samples, {found['bytes'] / 1e6:.0f} MB, "
            f"on {facts['cores_usable']} cores ({facts['cpu']})."]  # fmt: skip


_TABLES: Mapping[Path, Callable[[Path], Sequence[str]]] = {
    **answers.ANSWERS,
    block_error.RESULTS: lambda path: block_error.document(_json(path)),
    accuracy_rates.RESULTS: lambda path: accuracy_rates.table(_json(path)),
    base_runs.RESULTS: lambda path: base_runs.table(_json(path)),
    coverage.RESULTS: lambda path: coverage.table(_json(path)),
    dct_speed.RESULTS: lambda path: dct_speed.table(_json(path)),
    fleet.RESULTS: lambda path: fleet.document(_json(path)),
    gate_rates.RESULTS: lambda path: gate_rates.table(gate_rates.read(path)),
    max_autotune.RESULTS: lambda path: max_autotune.table(_json(path)),
    mutation.RESULTS: lambda path: mutation.table(_json(path)),
    pair_noise.RESULTS: lambda path: pair_noise.table(_json(path)),
    planner_choices.RESULTS: lambda path: planner_choices.table(_json(path)),
    planner_rates.RESULTS: lambda path: planner_rates.table(_json(path)),
    real_coverage.RESULTS: lambda _: real_coverage.table(real_coverage.read()),
    rivals.RESULTS: lambda path: rivals.table(_json(path)),
    test_times.RESULTS: lambda path: test_times.table(_json(path)) if path.exists() else ["Not measured yet."],
    STORE_SPEED: _store_speed,
}


def main() -> None:
    """Write the blocks of every document anew."""
    for path in documents():
        text = path.read_text(encoding="utf-8")
        if rewritten(text) != text:
            path.write_text(rewritten(text), encoding="utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
