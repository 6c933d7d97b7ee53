"""Print a comparison, for `check` and for `compare`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from dctbench.cli.tables.output import add_to_step_summary
from dctbench.cli.terminal.files import print_document
from dctbench.cli.terminal.wrap import terminal_width, wrapped
from dctbench.compare import ComparisonOutcome
from dctbench.exporters.json_document import dumps
from dctbench.exporters.verdicts import check_document, verdicts_csv
from dctbench.model import IMPROVEMENTS, REGRESSIONS, VerdictKind
from dctbench.wording import verdict_sentences
from dctbench.wording.verdict_cells import VerdictRow, labels_of, opening, relevant
from dctbench.wording.verdict_markdown import verdicts_markdown

_GAP = "  "
_ABOUT = ("kind", "case", "seq_len")
_COLUMNS = (*_ABOUT, "metric", "base", "head", "change", "raw", "tolerance")
_DROPPED_FIRST = ("tolerance", "raw")
_TITLES = {"kind": "verdict", "seq_len": "n"}
_LEFT = ("kind", "case", "metric")
_SENTENCES = 10
_STYLES = {
    **dict.fromkeys((kind.value for kind in REGRESSIONS), "red"),
    **dict.fromkeys((kind.value for kind in IMPROVEMENTS), "green"),
    VerdictKind.INCONCLUSIVE.value: "yellow",
    VerdictKind.INCOMPARABLE.value: "yellow",
}


def print_outcome(outcome: ComparisonOutcome, output_format: str, *, everything: bool) -> None:
    """Print a comparison in the requested format, and append it as Markdown to $GITHUB_STEP_SUMMARY.

    Args:
        outcome: the comparison.
        output_format: table, json, csv or md.
        everything: whether to show what did not change; JSON and CSV always do.
    """
    as_markdown = verdicts_markdown(outcome, everything=everything)
    if output_format == "json":
        print_document(dumps(check_document(outcome)))
    elif output_format == "csv":
        print_document(verdicts_csv(outcome))
    elif output_format == "md":
        print_document(as_markdown)
    else:
        _print_text(outcome, everything)
    add_to_step_summary(as_markdown)


def _print_text(outcome: ComparisonOutcome, everything: bool) -> None:
    console = Console(highlight=False)
    lines = text_lines(outcome, terminal_width(), everything=everything, by_words=console.is_terminal)
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def text_lines(outcome: ComparisonOutcome, width: int, *, everything: bool, by_words: bool) -> Iterator[Text | str]:
    """Yield the lines for a terminal of that width. `by_words` wraps sentences, for a person who reads them."""

    def paragraphs(texts: Sequence[str], mark: str = "") -> Iterator[str]:
        for text in texts:
            yield from wrapped(text, width, mark) if by_words else [mark + text]

    shown = relevant(outcome, everything=everything)
    yield from paragraphs([opening(outcome)])
    yield ""
    if shown.rows:
        yield from _table(shown.rows, width)
    else:
        yield from paragraphs([verdict_sentences.nothing_changed(outcome)])
    note = verdict_sentences.left_out(shown)
    yield from paragraphs([note] if note and shown.rows else [])
    labels = labels_of(outcome)
    worse = verdict_sentences.regressions(shown.rows, labels)
    more = [f"and {len(worse) - _SENTENCES} more in the table above"] if len(worse) > _SENTENCES else []
    for sentences in (
        [*worse[:_SENTENCES], *more],
        verdict_sentences.remarks(shown.rows, labels),
        verdict_sentences.remedies(outcome),
    ):
        yield from ["", *paragraphs(sentences, "- ")] if sentences else []
    yield ""
    yield from paragraphs(verdict_sentences.sides(outcome))
    if outcome.differences:
        yield "they differ in:"
        yield from paragraphs(verdict_sentences.differences(outcome.differences), "  ")
    yield from paragraphs([verdict_sentences.closing(outcome)])


def _table(rows: Sequence[VerdictRow], width: int) -> Iterator[Text]:
    """Yield one line per row, or two where the terminal is too narrow for the columns that are never dropped."""
    titles = {name: _TITLES.get(name, name) for name in _COLUMNS}
    cells = {name: [_cell(row, name) for row in rows if row.has_figures or name in _ABOUT] for name in _COLUMNS}
    widths = {name: max(map(len, [titles[name], *column])) for name, column in cells.items() if set(column) - {"-"}}
    for name in _DROPPED_FIRST:
        if _total(widths) > width:
            widths.pop(name, None)
    if _total(widths) > width:
        for row in rows:
            yield from _stacked(row, width)
        return
    yield Text(_join(titles, widths), style="bold")
    for row in rows:
        yield _line(row, widths)


def _line(row: VerdictRow, widths: Mapping[str, int]) -> Text:
    if row.has_figures:
        line = _join({name: _cell(row, name) for name in widths}, widths)
    else:  # the whole reason takes the place of all figures
        about = _join({name: _cell(row, name) for name in _ABOUT}, {name: widths[name] for name in _ABOUT})
        line = f"{about}{_GAP}{row.reason}"
    text = Text(line.rstrip())
    text.stylize(_STYLES.get(row.kind, ""), 0, len(row.kind))
    return text


def _stacked(row: VerdictRow, width: int) -> Iterator[Text]:
    text = Text(f"{row.kind}  {row.case}  n = {row.seq_len}")
    text.stylize(_STYLES.get(row.kind, ""), 0, len(row.kind))
    yield text
    if not row.has_figures:
        yield Text(f"{_GAP}{row.reason}")
        return
    cells = [f"{row.base} -> {row.head}" if row.base != "-" else row.head, row.change]
    cells += [f"{name} {cell}" for name, cell in (("raw", row.raw), ("tolerance", row.tolerance)) if cell != "-"]
    line = f"{_GAP}{row.metric}"
    for cell in cells:
        if cell != "-" and len(line) + len(_GAP) + len(cell) > width:
            yield Text(line)
            line = _GAP
        line += f"{_GAP}{cell}" if cell != "-" else ""
    yield Text(line)


def _cell(row: VerdictRow, name: str) -> str:
    return str(getattr(row, name))


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _join(cells: Mapping[str, str], widths: Mapping[str, int]) -> str:
    texts = (cells[n].ljust(width) if n in _LEFT else cells[n].rjust(width) for n, width in widths.items())
    return _GAP.join(texts)
