"""The protocol of DCT-Former's authors beside ours, as tables: what a protocol changes is a number in each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dctbench.analysis import Summary
from dctbench.analysis.by_authors import BothProtocols, by_both_protocols
from dctbench.model import Case
from dctbench.text.format import format_ratio, format_seconds, format_size
from dctbench.wording.labels import Labels

TITLE = "The protocol of DCT-Former's authors beside ours"
EXPLAINED = (
    "Each figure is that of a call divided by the batch, so it is for one sequence. The authors' protocol has no "
    "warm-up, keeps what a backward pass would need, and takes the mean of all calls. Its memory has the weights, the "
    "inputs and two calls at once, since the output of one is held during the next. Our protocol takes the median of "
    "warm calls without gradients. Its memory has the weights and one call, without the inputs. Their figures come "
    "from one process."
)
HEAD = ("method", "time", "authors' time", "ratio", "memory", "authors' memory", "ratio", "authors' calls")
UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class ProtocolTable:
    """The methods at one shape, each by both protocols; the cells are those of `HEAD`."""

    place: str
    rows: tuple[tuple[str, ...], ...]


def protocol_tables(summaries: Sequence[Summary]) -> list[ProtocolTable]:
    """Return a table for each shape that was measured by both protocols; none if no case was."""
    both = by_both_protocols(summaries)
    labels = Labels(one.summary.case for one in both)
    shapes: dict[tuple[object, ...], list[BothProtocols]] = {}
    for one in both:
        shapes.setdefault(one.summary.case.shape, []).append(one)
    return [
        ProtocolTable(_place(members[0].summary.case, labels), tuple(_cells(one) for one in members))
        for members in shapes.values()
    ]


def lines(summaries: Sequence[Summary]) -> list[str]:
    """Return the same as lines of text: a title, and for each shape its methods."""
    tables = protocol_tables(summaries)
    if not tables:
        return []
    found = [f"{TITLE}, for one sequence:"]
    for table in tables:
        for name, ours, theirs, ratio, memory, their_memory, memory_ratio, calls in table.rows:
            found.append(
                f"  {table.place}, {name}: {theirs} against {ours} ({ratio}), memory {their_memory} against {memory} "
                f"({memory_ratio}), {calls} calls"
            )
    return found


def _place(case: Case, labels: Labels) -> str:
    """Return `n = 512, batch 32`: figures that were divided by the batch name it always."""
    place = labels.place(case)
    return place if "batch" in labels.varying else f"{place}, batch {case.batch}"


def _cells(one: BothProtocols) -> tuple[str, ...]:
    return (
        one.summary.case.name,
        format_seconds(one.ours),
        format_seconds(one.theirs),
        format_ratio(one.latency_ratio),
        *(UNKNOWN if size is None else format_size(size) for size in (one.our_memory, one.their_memory)),
        UNKNOWN if one.memory_ratio is None else format_ratio(one.memory_ratio),
        str(one.calls),
    )
