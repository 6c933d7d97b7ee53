"""From which length a method pays off on one machine, in the words of a table's cell."""

from __future__ import annotations

from collections.abc import Iterable

from dctbench.analysis import Payoff, PayoffRange, Winner
from dctbench.analysis.atlas import Sheet
from dctbench.catalog import Kind
from dctbench.model import Case
from dctbench.wording.labels import Labels

MISSING = "not measured"


def cell(found: PayoffRange | None) -> str:
    """`from about 2310 (1800-2900)`, `never, up to 8192`, `always, from 512`, or why nothing is told.

    Lengths at which nothing is told are named where they do not lie within the crossing.
    """
    if found is None or found.kind is Payoff.UNKNOWN:
        return MISSING
    first, last = found.points[0].length, found.points[-1].length
    if first == last:
        state = {Payoff.ALWAYS: "faster", Payoff.NEVER: "slower", Payoff.UNTOLD: "not told apart"}[found.kind]
        return f"{state} at {first} (one length)"
    alike = {
        Payoff.ALWAYS: f"always, from {first}",
        Payoff.NEVER: f"never, up to {last}",
        Payoff.UNTOLD: f"not told apart, {first} to {last}",
    }
    return alike.get(found.kind) or _partly(found)


def _partly(found: PayoffRange) -> str:
    first, last = found.points[0].length, found.points[-1].length
    if len(found.crossings) > 1:
        return f"changes {len(found.crossings)} times between {first} and {last}"
    if found.crossings:
        [crossing] = found.crossings
        where = f"about {round(crossing.estimate)} ({round(crossing.earliest)}-{round(crossing.latest)})"
        untold = [point.length for point in found.points if point.state is Winner.TIE]
        elsewhere = [length for length in untold if not crossing.low < length < crossing.high]
        doubt = f"; not told apart at {', '.join(map(str, elsewhere))}" if elsewhere else ""
        return f"from {where}{doubt}" if crossing.upward else f"only up to {where}{doubt}"
    told = [point for point in found.points if point.state is not Winner.TIE]
    lengths = ", ".join(str(point.length) for point in told)
    return f"{'faster' if told[0].state is Winner.FASTER else 'slower'} at {lengths}, else not told apart"


def lengths(cases: Iterable[Case]) -> str:
    """`n = 512, 1024`."""
    return f"n = {', '.join(map(str, sorted({case.seq_len for case in cases})))}"


def answer(sheet: Sheet, reference: str, labels: Labels) -> str:
    """Return in one sentence on how many machines any method of a sheet pays off. A control is none."""
    pays = [
        machine
        for machine, found in sheet.rows.items()
        if any(one.first_win is not None and one.method.kind is not Kind.CONTROL for one in found.values())
    ]
    shape = labels.facet(sheet.case)
    where = f" ({shape})" if shape else ""
    span = f"between n = {sheet.lengths[0]} and {sheet.lengths[1]}"
    return f"On {len(pays)} of {len(sheet.rows)} machines some method is faster than {reference} {span}{where}."
