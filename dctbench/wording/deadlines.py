"""Which methods keep a deadline: the answer at each length in a sentence, and a cell for each method and engine."""

from __future__ import annotations

from collections.abc import Sequence

from dctbench.analysis.budgets import USUAL_MISS_RATE
from dctbench.analysis.deadlines import AtLength, Deadline, in_time
from dctbench.analysis.summary import Summary
from dctbench.stats.binomial import trials_for
from dctbench.text.format import format_at_most, format_seconds
from dctbench.wording import cells
from dctbench.wording.summary import in_one_round
from dctbench.wording.timeliness import counted


def heading(found: Deadline) -> str:
    """`A call every 20.0 ms, due in 10.0 ms`."""
    case = found.case
    assert case.period is not None
    assert case.deadline is not None
    return f"A call every {format_seconds(case.period)}, due in {format_seconds(case.deadline)}"


def rule(found: Deadline) -> str:
    """What is called in time and, where too few calls were released to show it, how many show it."""
    limit = found.budgets.miss_rate
    assert limit is not None
    words = f"In time: with 95% confidence at most {format_at_most(limit)} of the calls end after their deadline."
    needed = trials_for(limit)
    if found.fewest_calls is None or found.fewest_calls >= needed:
        return words
    return f"{words} {found.fewest_calls} calls cannot show that, but {needed} can: --samples {needed}."


def at_length(found: AtLength, engines: Sequence[str]) -> str:
    """Return which case to ship at a length, over all engines."""
    decision = found.decision
    n = f"n = {found.ranking.seq_len}"
    if not found.choice.within:
        closest = min(found.ranking.ranked, key=_bound)
        return f"{n}: none is shown to be in time; the closest is {_named(closest, engines)}"
    exact = found.exact
    if not decision.leaders:
        return f"{n}: none that is in time is shown to be as good as exact attention"
    names = ", ".join(_named(summary, engines) for summary in decision.leaders)
    if not decision.told:
        among = "in time and as good as exact attention" if decision.learned else "in time"
        return f"{n}: {names} took the least time of those that are {among}; {in_one_round(decision.able)}"
    if len(decision.leaders) > 1:
        answer = f"no clear winner among {names}"
    elif decision.learned or decision.leaders[0] in exact:
        answer = f"ship {names}"
    else:
        answer = f"the fastest that is in time is {names}"
    if not exact:
        return f"{n}: {answer}; exact attention is not shown to be in time"
    if exact[0] in decision.leaders:
        return f"{n}: {answer}"
    most = "the fastest exact attention in time is"
    least = "of the exact attentions in time, the least time was taken by"
    return f"{n}: {answer}; {most if found.ranking.tells_one(exact) else least} {_named(exact[0], engines)}"


def _bound(summary: Summary) -> float:
    return summary.timeliness.miss_rate().high if summary.timeliness else float("inf")


def _named(summary: Summary, engines: Sequence[str]) -> str:
    """`dct-x r=8 on onnxruntime (1.19 ms, 0 of 300 late, at most 1.0%)`."""
    where = f" on {summary.case.engine}" if len(engines) > 1 else ""
    late = f", {counted(summary.timeliness)}" if summary.timeliness else ""
    return f"{summary.case.name}{where} ({cells.latency_words(summary)}{late})"


def cell(curve: Sequence[Summary]) -> str:
    """Return at which lengths a method is in time in one engine, and how late it is at the first other one.

    Args:
        curve: its cases, shortest first.
    """
    if not any(summary.timeliness for summary in curve):
        return curve[0].status if curve else "-"
    kept = [summary for summary in curve if in_time(summary)]
    others = [summary for summary in curve if summary not in kept]
    if not kept:
        ended = [summary for summary in others if summary.timed and summary.timeliness]
        shortest = (ended or others)[0]
        # Of more calls the upper bound could be lower.
        few = not ended or shortest.timeliness is None or shortest.timeliness.miss_rate().low <= USUAL_MISS_RATE
        return f"{'not shown' if few else 'no'} ({_why_not(shortest)})"
    most = max(_bound(summary) for summary in kept)
    lengths = [summary.case.seq_len for summary in kept]
    through = kept == list(curve[: len(kept)])
    where = f"up to n = {lengths[-1]}" if through and len(curve) > 1 else f"n = {', '.join(map(str, lengths))}"
    more = f"; {_why_not(others[0])}" if others else ""
    return f"{where}, at most {format_at_most(most)} late{more}"


def _why_not(summary: Summary) -> str:
    """`n = 512: 3 of 300 late, at most 2.6%`, or how a case ended that did not run in every process."""
    late = counted(summary.timeliness) if summary.timed and summary.timeliness else summary.status
    return f"n = {summary.case.seq_len}: {late}"
