"""A run as a LaTeX table, for use in a paper."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dctbench.analysis import Summary
from dctbench.model import Environment, Run
from dctbench.runs.machines import machine_words
from dctbench.wording import acuity, by_authors
from dctbench.wording.acuity import AcuityTable
from dctbench.wording.by_authors import ProtocolTable
from dctbench.wording.paper_table import BOLD, TITLE, PaperTable, paper_tables

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
    machines = machine_words(environments)
    head = [
        "% \\usepackage{booktabs}; \\usepackage[T1]{fontenc}; \\usepackage{textcomp}",
        f"% dctbench {_comment(run.dctbench_version)}, run {_comment(run.id)}, {_comment(run.started_at)}",
    ]
    tables = [line for table in paper_tables(summaries) for line in ["", *_table(table, machines, run)]]
    for tested in acuity.acuity_tables(summaries):
        tables += ["", *_acuity(tested, machines, run)]
    for beside in by_authors.protocol_tables(summaries):
        tables += ["", *_protocols(beside, machines, run)]
    return "\n".join([*head, *tables]) + "\n"


def _table(table: PaperTable, machines: str, run: Run) -> list[str]:
    about = ", ".join(text for text in (table.shape, machines, f"run {run.short_id}") if text)
    rows = [[escape(name), *(_cell(cell.text, cell.best) for cell in cells)] for name, cells in table.methods]
    head = ["method", *(f"$n = {length}$" for length in table.lengths)]
    bold = f". {BOLD}" if table.has_bold else ""
    return _tabular(f"{TITLE} ({escape(about)}){bold}", head, rows)


def _acuity(table: AcuityTable, machines: str, run: Run) -> list[str]:
    about = escape(f"{table.title}, {machines}, run {run.short_id}")
    rows = [[escape(cell) for cell in cells] for cells in table.lines]
    head = ["method", *(f"$h = {width}$" for width in table.widths), acuity.RESOLUTION]
    return _tabular(f"Acuity ({about}). {escape(acuity.EXPLAINED)}", head, rows)


def _protocols(table: ProtocolTable, machines: str, run: Run) -> list[str]:
    about = escape(f"{table.place}, {machines}, run {run.short_id}")
    rows = [[escape(cell) for cell in cells] for cells in table.rows]
    caption = f"{escape(by_authors.TITLE)} ({about}). {escape(by_authors.EXPLAINED)}"
    return _tabular(caption, [escape(word) for word in by_authors.HEAD], rows)


def _tabular(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table whose first column names methods. All texts are LaTeX already."""
    return [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
        r"\toprule",
        " & ".join(head) + r" \\",
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
