"""The formats of `dctbench export`, by name. To add one, write its module and one line here."""

from __future__ import annotations

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
from dctbench.runs.lookup import RecordedRun
from dctbench.wording import markdown

ALIASES: Mapping[str, str] = {"md": "markdown"}
"""Other names of formats."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a run is written.

    Attributes:
        write: returns the content.
        binary: whether it must not go to a terminal.
        second: returns the content of a second file beside the first, or None.
    """

    write: Callable[[RecordedRun], str | bytes]
    binary: bool = False
    second: Callable[[RecordedRun], str | None] | None = None


def _bigger(run: RecordedRun) -> str | None:
    entries = github_action_benchmark.bigger_is_better(run.summaries)
    return json_document.dumps(entries) if entries else None


FORMATS: Mapping[str, Format] = {
    "json": Format(lambda run: json_document.dumps(json_document.document(run.run, run.environments, run.results))),
    "csv": Format(lambda run: csv.csv_text(run.run, run.summaries)),
    "parquet": Format(lambda run: parquet.parquet(run.run, run.summaries), binary=True),
    "markdown": Format(
        lambda run: markdown.paper_markdown(run.run, list(run.environments.values()), run.summaries),
    ),
    "latex": Format(lambda run: latex.latex(run.run, list(run.environments.values()), run.summaries)),
    "bencher": Format(lambda run: json_document.dumps(bencher.bencher(run.summaries))),
    "github-action-benchmark": Format(
        lambda run: json_document.dumps(github_action_benchmark.smaller_is_better(run.summaries)), second=_bigger
    ),
    "junit": Format(lambda run: junit.run_junit_xml(run.run, run.summaries, run.plan)),
    "pytest-benchmark": Format(
        lambda run: json_document.dumps(pytest_benchmark.pytest_benchmark(run.run, run.environments, run.summaries))
    ),
}
