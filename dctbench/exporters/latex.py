"""A run as a LaTeX table, for use in a paper."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dctbench.analysis import Summary
from dctbench.model import Environment, Run
from dctbench.wording.paper_table import PaperTable, paper_tables

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "µ": r"\textmu{}", "±": r"\textpm{}",
}  # fmt: skip
_PATTERN = re.compile("|".join(map(re.escape, _SPECIAL)))


def escape(text: str) -> str:
    """Return text that LaTeX prints literally, on one line."""
    return _PATTERN.sub(lambda found: _SPECIAL[found[0]], " ".join(text.split()))


def latex(run: Run, environments: Sequence[Environment], summaries: Sequence[Summary]) -> str:
    """Return one `table` per shape, for booktabs. The fastest methods of a length are bold, ties included."""
    machines = "; ".join(f"{e.facts['cpu']}, torch {e.facts['torch']}" for e in environments)
    head = [
        "% \\usepackage{booktabs}; \\usepackage[T1]{fontenc}; \\usepackage{textcomp}",
        f"% dctbench {_comment(run.dctbench_version)}, run {_comment(run.id)}, {_comment(run.started_at)}",
    ]
    tables = [line for table in paper_tables(summaries) for line in ["", *_table(table, machines, run)]]
    return "\n".join([*head, *tables]) + "\n"


def _table(table: PaperTable, machines: str, run: Run) -> list[str]:
    about = ", ".join(text for text in (table.shape, machines, f"run {run.short_id}") if text)
    rows = [[escape(name), *(_cell(cell.text, cell.best) for cell in cells)] for name, cells in table.methods]
    return [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{Latency by sequence length ({escape(about)})}}",
        rf"\begin{{tabular}}{{l{'r' * len(table.lengths)}}}",
        r"\toprule",
        " & ".join(["method", *(f"$n = {length}$" for length in table.lengths)]) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def _cell(text: str, best: bool) -> str:
    return rf"\textbf{{{escape(text)}}}" if best else escape(text)


def _comment(text: str) -> str:
    return " ".join(text.split())
