"""The formats of `dctbench export`, by name. To add one, write its module and one line here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dctbench.exporters import (
    bencher,
    csv,
    github_action_benchmark,
    json_document,
    junit,
    latex,
    parquet,
    pytest_benchmark,
)
from dctbench.runs import table
from dctbench.runs.lookup import RecordedRun
from dctbench.runs.machines import by_machine
from dctbench.wording import markdown
from dctbench.wording.paper_table import TITLE

ALIASES: Mapping[str, str] = {"md": "markdown"}
"""Other names of formats."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a run is written.

    Attributes:
        write: returns the content.
        mark: found in the first or last bytes of a file of this format that dctbench wrote, and not in one of another
            program. The file may be replaced.
        binary: whether it must not go to a terminal.
        second: returns the content of a second file beside the first, or None.
    """

    write: Callable[[RecordedRun], str | bytes]
    mark: re.Pattern[bytes]
    binary: bool = False
    second: Callable[[RecordedRun], str | None] | None = None


def _bigger(run: RecordedRun) -> str | None:
    entries = github_action_benchmark.bigger_is_better(run.summaries)
    return json_document.dumps(entries) if entries else None


_SERIES = rb'"[^"\n]* n=\d+ [^"\n]* b\d+ h\d+x\d+[^"\n]*'
"""The beginning of a name that `series_name` makes, in JSON."""
FORMATS: Mapping[str, Format] = {
    "json": Format(
        lambda run: json_document.dumps(json_document.document(run.run, run.environments, run.results)),
        re.compile(rb'\A\{\s*"schema_version": \d+,\s*"run": \{'),
    ),
    "csv": Format(
        lambda run: csv.csv_text(run.run, run.summaries), re.compile(rb"\A" + ",".join(table.COLUMNS).encode() + b"\n")
    ),
    "parquet": Format(
        lambda run: parquet.parquet(run.run, run.summaries), re.compile(rb"(?s)\APAR1.*p99_high"), binary=True
    ),
    "markdown": Format(
        lambda run: "\n".join(
            markdown.paper_markdown(part.run, list(part.environments.values()), part.summaries)
            for part in by_machine(run)
        ),
        re.compile(rf"\A### (?:{TITLE}|{markdown.WITHOUT_LATENCIES}): ".encode()),
    ),
    "latex": Format(
        lambda run: "\n".join(
            latex.latex(part.run, list(part.environments.values()), part.summaries) for part in by_machine(run)
        ),
        re.compile(rb"\A% \\usepackage\{booktabs\};[^\n]*\n% dctbench "),
    ),
    "bencher": Format(
        lambda run: json_document.dumps(bencher.bencher(run.summaries)),
        re.compile(rb"\A\{\s*(?:" + _SERIES + rb'": \{|\}\s*\Z)'),
    ),
    "github-action-benchmark": Format(
        lambda run: json_document.dumps(github_action_benchmark.smaller_is_better(run.summaries)),
        re.compile(rb'\A\[\s*(?:\{\s*"name": ' + _SERIES + rb" / |\]\s*\Z)"),
        second=_bigger,
    ),
    "junit": Format(lambda run: junit.run_junit_xml(run.run, run.summaries, run.plan), junit.MARK),
    "pytest-benchmark": Format(
        lambda run: json_document.dumps(pytest_benchmark.pytest_benchmark(run.run, run.environments, run.summaries)),
        re.compile(rb'(?s)\A\{\s*"machine_info": \{.*"fullname": "dctbench::'),
    ),
}
