"""What a run can be exported as, by name: to add a format, write its module and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dctbench.references import Recorded
from dctbench.report import bencher, csv, document, github_action, junit, latex, markdown, parquet, pytest_benchmark


@dataclass(frozen=True, slots=True)
class Format:
    """How a run is written. `second` gives what belongs into a file of its own beside the first, or nothing."""

    write: Callable[[Recorded], str | bytes]
    binary: bool = False
    second: Callable[[Recorded], str | None] | None = None


def _bigger(run: Recorded) -> str | None:
    entries = github_action.bigger_is_better(run.summaries)
    return document.dumps(entries) if entries else None


FORMATS: Mapping[str, Format] = {
    "json": Format(lambda run: document.dumps(document.document(run.run, run.environments, run.results))),
    "csv": Format(lambda run: csv.csv_text(run.run, run.summaries)),
    "parquet": Format(lambda run: parquet.parquet(run.run, run.summaries), binary=True),
    "markdown": Format(
        lambda run: markdown.paper_markdown(run.run, list(run.environments.values()), run.summaries),
    ),
    "latex": Format(lambda run: latex.latex(run.run, list(run.environments.values()), run.summaries)),
    "bencher": Format(lambda run: document.dumps(bencher.bencher(run.summaries))),
    "github-action-benchmark": Format(
        lambda run: document.dumps(github_action.smaller_is_better(run.summaries)), second=_bigger
    ),
    "junit": Format(lambda run: junit.run_junit_xml(run.run, run.summaries, run.plan)),
    "pytest-benchmark": Format(
        lambda run: document.dumps(pytest_benchmark.pytest_benchmark(run.run, run.environments, run.summaries))
    ),
}
