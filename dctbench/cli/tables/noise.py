"""The noise of a machine on standard output."""

from __future__ import annotations

from typing import Any

from dctbench.cli.tables.records import print_records
from dctbench.cli.terminal.files import print_document
from dctbench.cli.terminal.wrap import print_sentences
from dctbench.compare.noise import Noise
from dctbench.exporters.json_document import dumps
from dctbench.text.format import format_percent


def records(found: Noise) -> list[dict[str, Any]]:
    """A record per case for programs, in the names that every document has for them; shares as numbers."""
    return [
        {
            "case_id": one.case.id,
            "case": one.case.to_json(),
            "processes": one.processes,
            "raw": one.raw,
            "relative": one.relative,
        }
        for one in found.cases
    ]


def print_noise(found: Noise, output_format: str) -> None:
    """Print the noise of every case, and the tolerance that follows, in the form asked for."""
    if output_format == "json":
        figures = {"raw": found.raw, "relative": found.relative, "quiet": found.quiet, "tolerance": found.tolerance}
        print_document(dumps({"cases": records(found), **figures}))
        return
    if output_format == "csv":
        print_records(records(found), "csv")
        return
    texts = [
        {
            "case": one.case.name,
            "n": one.case.seq_len,
            "processes": one.processes,
            "raw": format_percent(one.raw),
            "vs sdpa": None if one.relative is None else format_percent(one.relative),
        }
        for one in found.cases
    ]
    print_records(texts, output_format)
    if output_format == "table":
        kind = "quiet" if found.quiet else "shared or busy"
        raw, relative, tolerance = map(format_percent, (found.raw, found.relative, found.tolerance))
        print_sentences(
            [
                "",
                f"95% of processes differ from the next by less than {raw} raw, {relative} as ratio to sdpa.",
                f"This looks like a {kind} machine: judge latency with a tolerance of {tolerance}.",
            ]
        )
