"""Whether calls on a schedule came in time: the verdict with its bounds, and the likely causes of misses."""

from __future__ import annotations

from dctbench.analysis import Summary, Timeliness
from dctbench.machine import periodic
from dctbench.text.format import format_at_most, format_proportion, format_seconds, format_three_digits
from dctbench.wording.labels import Labels

CAUSES = {
    periodic.QUEUED: "the call before it was still running",
    periodic.COMPUTE: "the call itself takes longer than the deadline",
    periodic.STOPPED: "the process was stopped by a signal",
    periodic.COLLECTION: "Python collected garbage",
    periodic.THROTTLED: "a CPU quota stopped the container",
    periodic.WAITED: "other programs had the cores",
    periodic.STOLEN: "the hypervisor took the processor",
    periodic.FAULTS: "page faults",
    periodic.CLOCK: "a slower processor clock",
    periodic.PREEMPTED: "taken off its core, for how long is not known",
    periodic.UNKNOWN: "unknown",
}
"""What a likely cause is called."""
_NEARLY_ALL = 0.995
"""A share from which on a percentage without decimals would be 100%."""
_PERCENTILES = {0.5: "p50", 0.9: "p90", 0.95: "p95", 0.99: "p99", 0.999: "p99.9"}


def verdict(summary: Summary, labels: Labels) -> str:
    """Return whether a case came in time, with the bounds of its miss rate. It has a schedule."""
    kept = summary.timeliness
    assert kept is not None
    case = summary.case
    due = f"every {format_seconds(kept.period)}, due in {format_seconds(kept.deadline)}"
    return f"{labels.curve(case)} at n = {case.seq_len}, {due}: {outcome(kept)}"


def outcome(kept: Timeliness) -> str:
    """`in time in all 300 calls; at most 1.0% are late (95%; 1.6% at 99%)`, or how many were late, and likely why."""
    if kept.late and kept.misses == kept.calls:
        completed = f"{format_three_digits(kept.rate)} calls/s were completed"
        return f"every call was late, so the case was stopped after {kept.calls} calls; {completed}{_because(kept)}"
    rate, surely = kept.miss_rate(), kept.miss_rate(0.99)
    most = f"{format_at_most(rate.high)} are late (95%; {format_at_most(surely.high)} at 99%)"
    if not kept.misses:
        return f"in time in all {kept.calls:,} calls; at most {most}"
    misses = format_proportion(kept.rate_of_misses) if kept.rate_of_misses < _NEARLY_ALL else "more than 99%"
    share = f"{misses}, and at most {most}"
    more = "or more " if kept.left_out else ""
    row = f"up to {kept.longest_run} {more}in a row" if kept.longest_run > 1 else "never two in a row"
    given_up = ""
    if kept.late:
        given_up = "; in at least one process every call was late, so that process gave up"
        given_up += f", and {kept.left_out:,} calls that it left out count as late" if kept.left_out else ""
    return f"{kept.misses:,} of {kept.calls:,} calls late, {share}; {row}{given_up}{_because(kept)}"


def counted(kept: Timeliness, confidence: float = 0.95) -> str:
    """`3 of 300 late, at most 2.6%`: without the share where every call was late.

    Args:
        kept: the calls.
        confidence: of the bound of the share, from 0 to 1.
    """
    words = f"{kept.misses:,} of {kept.calls:,} late"
    if kept.misses == kept.calls:
        return words
    return f"{words}, at most {format_at_most(kept.miss_rate(confidence).high)}"


def _because(kept: Timeliness) -> str:
    """Return the likely causes with the number of calls of each, as the end of a sentence."""
    parts = [f"{CAUSES.get(code, CAUSES[periodic.UNKNOWN])} ({number})" for code, number in kept.causes.items()]
    return f"; likely causes: {', '.join(parts)}" if parts else ""


def quantiles(kept: Timeliness) -> str:
    """`p50 4.10 ms, p95 5.00 ms, p99 6.20 ms, longest 7.00 ms`, without those that are not known."""
    parts = [f"{_PERCENTILES[q]} {format_seconds(seconds)}" for q, seconds in kept.quantiles.items()]
    made = " of the calls that were made" if kept.left_out else ""
    return ", ".join([*parts, f"longest{made} {format_seconds(max(kept.responses))}"])


def priority(kept: Timeliness) -> str | None:
    """Return what became of the wish for priority; None where there was none."""
    if kept.priority is None:
        return None
    scheduler, memory = kept.priority
    return f"priority: {scheduler}; memory: {memory}"


def sustained(summary: Summary) -> str | None:
    """Return the highest rate that a case sustains, or why none was found; None where none was searched for."""
    rate = summary.values.get("rate")
    if rate is not None:
        return f"sustains {format_three_digits(rate)} calls/s, at most 1% of them after the next release"
    missing = summary.details.absent.get("rate")
    return None if missing is None else f"sustained rate: {missing}"


def lines(summary: Summary, labels: Labels) -> list[str]:
    """Return everything about one case with a schedule, a sentence each; none for a case without one."""
    if summary.timeliness is None:
        return []
    more = [f"response {quantiles(summary.timeliness)}", sustained(summary), priority(summary.timeliness)]
    return [verdict(summary, labels), *(line for line in more if line is not None)]


def overall(found: list[Timeliness]) -> str:
    """`3 of 8 cases were in time in every call`, for the head of a section."""
    good = sum(not kept.misses for kept in found)
    if len(found) == 1:
        late = "late in every call" if found[0].misses == found[0].calls else "late in some calls"
        return f"The one case was {'in time in every call' if good else late}"
    return f"{good} of {len(found)} cases were in time in every call"
