"""Print the noise of a machine."""

from __future__ import annotations

from typing import Any

from dctbench.cli.tables.records import print_records, records_text
from dctbench.cli.terminal.files import print_document
from dctbench.cli.terminal.wrap import print_sentences
from dctbench.compare.noise import JUDGED, Noise
from dctbench.exporters.json_document import dumps
from dctbench.text.format import format_percent
from dctbench.wording.markdown import escape


def records(noise: Noise) -> list[dict[str, Any]]:
    """Return a record per case for programs, with the names of other documents and shares as numbers."""
    return [
        {
            "case_id": entry.case.id,
            "case": entry.case.to_json(),
            "pairs": entry.pairs,
            "single": entry.single,
            "judged": entry.judged,
        }
        for entry in noise.cases
    ]


def print_noise(noise: Noise, output_format: str) -> None:
    """Print the noise of every case, and the tolerance that follows from it, in the requested format."""
    if output_format == "json":
        figures = {"single": noise.single, "judged": noise.judged, "quiet": noise.quiet, "tolerance": noise.tolerance}
        print_document(dumps({"cases": records(noise), **figures}))
        return
    if output_format == "csv":
        print_records(records(noise), "csv")
        return
    texts = [
        {
            "case": entry.case.name,
            "n": entry.case.seq_len,
            "pairs": entry.pairs,
            "one pair": format_percent(entry.single),
            f"median of {JUDGED}": format_percent(entry.judged),
        }
        for entry in noise.cases
    ]
    if output_format == "md":
        lines = "".join(f"- {escape(line)}\n" for line in _sentences(noise))
        print_document(f"{records_text(texts, 'md')}\n{lines}")
        return
    print_records(texts, output_format)
    print_sentences(["", *_sentences(noise)])


def _sentences(noise: Noise) -> list[str]:
    """Return what follows from all cases together."""
    kind = "quiet" if noise.quiet else "shared or busy"
    single, judged, tolerance = map(format_percent, (noise.single, noise.judged, noise.tolerance))
    return [
        f"95% of pairs of the same code differ by less than {single}, "
        f"and 95% of medians of {JUDGED} pairs by less than {judged}.",
        f"This looks like a {kind} machine: judge latency with a tolerance of {tolerance}.",
    ]
