"""Print the noise of a machine."""

from __future__ import annotations

from typing import Any

from dctbench.cli.tables.records import print_records
from dctbench.cli.terminal.files import print_document
from dctbench.cli.terminal.wrap import print_sentences
from dctbench.compare.noise import Noise
from dctbench.exporters.json_document import dumps
from dctbench.text.format import format_percent


def records(noise: Noise) -> list[dict[str, Any]]:
    """Return a record per case for programs, with the names of other documents and shares as numbers."""
    return [
        {
            "case_id": entry.case.id,
            "case": entry.case.to_json(),
            "processes": entry.processes,
            "raw": entry.raw,
            "relative": entry.relative,
        }
        for entry in noise.cases
    ]


def print_noise(noise: Noise, output_format: str) -> None:
    """Print the noise of every case, and the tolerance that follows from it, in the requested format."""
    if output_format == "json":
        figures = {"raw": noise.raw, "relative": noise.relative, "quiet": noise.quiet, "tolerance": noise.tolerance}
        print_document(dumps({"cases": records(noise), **figures}))
        return
    if output_format == "csv":
        print_records(records(noise), "csv")
        return
    texts = [
        {
            "case": entry.case.name,
            "n": entry.case.seq_len,
            "processes": entry.processes,
            "raw": format_percent(entry.raw),
            "vs sdpa": None if entry.relative is None else format_percent(entry.relative),
        }
        for entry in noise.cases
    ]
    print_records(texts, output_format)
    if output_format == "table":
        kind = "quiet" if noise.quiet else "shared or busy"
        raw, relative, tolerance = map(format_percent, (noise.raw, noise.relative, noise.tolerance))
        print_sentences(
            [
                "",
                f"95% of processes differ from the next by less than {raw} raw, {relative} as ratio to sdpa.",
                f"This looks like a {kind} machine: judge latency with a tolerance of {tolerance}.",
            ]
        )
