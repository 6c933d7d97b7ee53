"""The section "Bytes between devices": what each method communicates, and its latency, against the number of ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dctbench.analysis import Summary
from dctbench.analysis.communication import OverRanks, over_ranks
from dctbench.model import Case
from dctbench.page.charts.axes import Figure
from dctbench.page.charts.ranks import bytes_chart, latency_chart
from dctbench.page.palette import Look
from dctbench.text.format import format_ratio, format_seconds, format_size
from dctbench.wording.labels import Labels


@dataclass(frozen=True, slots=True)
class BetweenSection:
    """The sentences, the table (name, length, cells by number of ranks), and the figures of the section for one run."""

    answers: list[str]
    ranks: list[int]
    rows: list[tuple[str, int, list[tuple[str, str]]]]
    charts: list[tuple[str, str]]
    figures: dict[str, Figure]


def between_section(
    summaries: Sequence[Summary],
    styles: Mapping[Case, Look],
    reference: str | None,
    *,
    prefix: str = "",
) -> BetweenSection | None:
    """Return the section for a run, or None if it divided no sequence among ranks.

    Args:
        summaries: of the run.
        styles: of each case.
        reference: the method that bytes are compared with.
        prefix: of the names of figures, so that those of several runs differ.
    """
    found = over_ranks(summaries)
    if not found:
        return None
    labels = Labels(one.case for one in found)
    ranks = sorted({point.case.ranks or 0 for one in found for point in one.points})
    longest = max(one.case.seq_len for one in found)
    drawn = [(_name(one, labels), one, styles[one.points[0].case]) for one in found if one.case.seq_len == longest]
    figures = {f"{prefix}between-bytes": bytes_chart(drawn), f"{prefix}between-latency": latency_chart(drawn)}
    return BetweenSection(
        answers=_answers([one for _, one, _ in drawn], max(ranks), reference, labels),
        ranks=ranks,
        rows=[(_name(one, labels), one.case.seq_len, [_cells(one.at(number)) for number in ranks]) for one in found],
        charts=[
            (f"{prefix}between-bytes", f"Bytes that each rank sends per call, at n = {longest}"),
            (f"{prefix}between-latency", f"Latency of the slowest rank, at n = {longest}"),
        ],
        figures=figures,
    )


def _name(one: OverRanks, labels: Labels) -> str:
    """Return the name of a curve without its number of ranks, which is None in `one.case`."""
    return labels.curve(one.case)


def _cells(point: Summary | None) -> tuple[str, str]:
    """Return bytes and latency, or `not measured`."""
    if point is None or point.latency is None:
        return "not measured", ""
    return _size(point.values["bytes.communicated"]), format_seconds(point.latency.value)


def _size(value: float) -> str:
    return format_size(value) if value else "nothing"


def _answers(found: Sequence[OverRanks], ranks: int, reference: str | None, labels: Labels) -> list[str]:
    """Return a sentence for each method on the most ranks: what it sends, against the reference, and its latency."""
    exact = {
        replace(one.case, implementation="", ratio=None, kept=None): one.at(ranks)
        for one in found
        if one.case.implementation == reference
    }
    lines = []
    for one in found:
        point = one.at(ranks)
        if point is None or point.latency is None:
            continue
        sent = point.values["bytes.communicated"]
        line = (
            f"{_name(one, labels)} at n = {one.case.seq_len} on {ranks} ranks: each rank sends {_size(sent)} per call"
        )
        beside = exact.get(replace(one.case, implementation="", ratio=None, kept=None))
        if beside is not None and beside is not point and beside.values["bytes.communicated"]:
            line += f", {format_ratio(sent / beside.values['bytes.communicated'])} as much as {reference}"
        line += f"; latency {format_seconds(point.latency.value)}"
        single = one.at(1)
        if single is not None and single.latency is not None and single is not point:
            line += f", against {format_seconds(single.latency.value)} on one rank"
        lines.append(line)
    return lines
