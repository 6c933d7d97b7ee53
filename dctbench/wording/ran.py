"""What stands behind a row beside its figures: what ran, how samples spread, and the end of what a failure printed."""

from __future__ import annotations

from dctbench.analysis import Summary
from dctbench.stats.robust import quantile
from dctbench.text.format import format_seconds, pluralize

_LONGEST = 1500
"""Characters of what a failed process printed, from its end."""
_FEWEST = 5
"""Samples, of which quartiles say something."""


def ran_words(summary: Summary) -> str:
    """`kernel flash; transform basis; 2 threads`: what ran, as far as it was recorded; else an empty text."""
    details = summary.details
    threads = "" if details.threads is None else pluralize(details.threads, "thread")
    named = [("kernel", details.kernel), ("transform", details.plan), ("compiled with", details.compiler)]
    return "; ".join([*(f"{what} {text}" for what, text in named if text), *([threads] if threads else [])])


def spread_words(summary: Summary) -> str:
    """`p20 1.95 ms, p80 2.10 ms, interquartile range 0.11 ms`: of all samples; empty for few of them.

    ` of means of up to 4 calls` follows where a sample is no single call: means spread less.
    """
    samples = summary.samples
    if len(samples) < _FEWEST:
        return ""
    p20, p25, p75, p80 = (quantile(samples, q) for q in (0.2, 0.25, 0.75, 0.8))
    width = format_seconds(p75 - p25)
    means = f" of means of up to {summary.calls_per_sample} calls" if summary.calls_per_sample > 1 else ""
    return f"p20 {format_seconds(p20)}, p80 {format_seconds(p80)}, interquartile range {width}{means}"


def last_words(summary: Summary) -> str | None:
    """The end of the traceback, or of what the process printed, of the first process that failed; None without one."""
    failed = next((result.details for result in summary.rounds if result.status != "ok"), None)
    told = None if failed is None else failed.traceback or failed.output
    if not told:
        return None
    if len(told) <= _LONGEST:
        return told
    end = told[-_LONGEST:]
    return f"[...]\n{end.partition(chr(10))[2] or end}"  # from the start of a line
