"""Count how often intervals hold on runs that were really measured.

    dctbench run --impl sdpa,dct-x,dct-kv,pool,linear,none --seq 256,1024 --ratio 4,8 --rounds 40
    dctbench export json -o rounds.json
    python -m benchmarks.real_coverage --add rounds.json
    python -m benchmarks.real_coverage

The first three lines measure many rounds, which takes some ten quiet minutes, and add the median of each round to the
result file. The last one takes every window of 3 and of 6 consecutive rounds for a run by itself, and puts it through
dctbench's own analysis. What many rounds say stands in for the truth, in two ways. The rounds outside the window know
nothing of it, but have an error of their own, so that intervals hold less often than they say. All rounds include the
window, so that intervals hold more often. A sound 95% lies between the two.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dctbench import analysis
from dctbench.model import Case, Measurement, Result
from dctbench.runs.lookup import resolve
from dctbench.runs.machines import machine_name

RESULTS = Path(__file__).with_name("real_coverage.json")
WINDOWS = (3, 6)
"""Rounds of a run, as dctbench measures the longer and the shorter cases."""
FIGURES = ("ratios", "latencies")
TRUTHS = ("others", "all")
"""The rounds that stand in for the truth: those outside the window, or all."""


def medians(path: Path) -> dict[str, Any]:
    """Return a run of a file as an entry of the result file: by case, the median seconds of each round.

    Raises:
        SystemExit: for a run in which a case lacks a round.
    """
    found = resolve("results.db", str(path))
    rounds = max(len(summary.medians) for summary in found.summaries)
    short = [summary.case.name for summary in found.summaries if len(summary.medians) < rounds]
    if short:
        raise SystemExit(f"error: {short[0]} was not measured in every round; resume the run, then export it again")
    return {
        "machine": machine_name(found),
        "started_at": found.run.started_at,
        "cases": [
            {
                "implementation": summary.case.implementation,
                "seq_len": summary.case.seq_len,
                "ratio": summary.case.ratio,
                "seconds": [float(f"{summary.medians[number]:.5g}") for number in sorted(summary.medians)],
            }
            for summary in found.summaries
        ],
    }


def held(run: Mapping[str, Any], window: int) -> dict[str, Any]:
    """Return the shares of intervals that hold in all windows of so many rounds, by figure and truth, and the median
    half-width of those of ratios on the logarithm.
    """
    times = {Case(one["implementation"], one["seq_len"], one["ratio"]): one["seconds"] for one in run["cases"]}
    logs = {case: [math.log(second) for second in seconds] for case, seconds in times.items()}
    rounds = len(next(iter(times.values())))
    hits: dict[str, list[bool]] = {f"{what}_{truth}": [] for what in FIGURES for truth in TRUTHS}
    widths = []
    for first in range(rounds - window + 1):
        inside = range(first, first + window)
        outside = [number for number in range(rounds) if number not in inside]
        summaries = analysis.summarise(
            Result(case, number, "ok", (Measurement("latency", "s", (seconds[place],)),))
            for case, seconds in times.items()
            for number, place in enumerate(inside, 1)
        )
        references = analysis.reference_by_shape(summaries)
        for summary in summaries:
            own = logs[summary.case]
            reference = references[summary.case.shape]
            found = analysis.compare(summary, reference)
            assert summary.latency is not None
            for truth, places in zip(TRUTHS, (outside, range(rounds)), strict=True):
                middle = math.exp(statistics.fmean(own[place] for place in places))
                hits[f"latencies_{truth}"].append(summary.latency.low <= middle <= summary.latency.high)
                if found is not None and found.low is not None and found.high is not None:
                    beside = logs[reference.case]
                    ratio = math.exp(statistics.fmean(beside[place] - own[place] for place in places))
                    hits[f"ratios_{truth}"].append(found.low <= ratio <= found.high)
            if found is not None and found.low is not None and found.high is not None:
                widths.append(math.log(found.high / found.low) / 2)
    return {name: statistics.fmean(found) for name, found in hits.items()} | {"half_width": statistics.median(widths)}


def table(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the shares of all runs as a Markdown table."""
    head = ["machine", "cases", "rounds of the run", "rounds of a window", "windows", "ratios held", "latencies held"]
    lines = ["| " + " | ".join([*head, "median half-width of ratios"]) + " |", "|---|" + "--:|" * len(head)]
    for run in found:
        rounds = len(run["cases"][0]["seconds"])
        for window in WINDOWS:
            shares = held(run, window)
            cells = [run["machine"], *map(str, (len(run["cases"]), rounds, window, rounds - window + 1))]
            cells += [" to ".join(f"{shares[f'{what}_{truth}']:.1%}" for truth in TRUTHS) for what in FIGURES]
            lines.append("| " + " | ".join([*cells, f"{math.expm1(shares['half_width']):.1%}"]) + " |")
    return [*lines, "", "The lower share is that of the rounds outside the window, the higher one that of all rounds."]


def read() -> list[dict[str, Any]]:
    """Return the runs of the result file."""
    found: list[dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def main() -> None:
    """Add a run to the result file, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--add", type=Path, help="a JSON export of a run of many rounds")
    options = parser.parse_args()
    if options.add is None:
        print("\n".join(table(read())))
        return
    runs = read() if RESULTS.exists() else []
    added = medians(options.add)
    if added in runs:
        parser.error(f"{options.add} was added before")
    rows = ",\n".join(json.dumps(run) for run in [*runs, added])
    RESULTS.write_text(f"[{rows}]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
