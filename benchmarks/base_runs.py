"""Simulate how often a change beside several stored runs of base is told rightly.

    python -m benchmarks.base_runs --json benchmarks/base_runs.json

Runs of the same code differ by more than their processes show. Here a run makes each ratio to the reference longer or
shorter by 15%, as a standard deviation. A share of that variance is common to all cases of the run: how the machine
was set up, or where the reference lay in memory. The rest is each case's own. Base and head are runs of the same code,
with the processes that benchmarks/coverage.py draws. The seed is fixed, so the same code gives the same figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.coverage import CASES, NOISE, drawn, machine
from benchmarks.simulated import rows, run_program
from dctbench import analysis
from dctbench.compare import Comparison, Rules, judge
from dctbench.compare.change import moderated, unpaired
from dctbench.compare.stored import as_stored
from dctbench.model import Case, VerdictKind

RESULTS = Path(__file__).with_name("base_runs.json")
BETWEEN_RUNS = 0.15
SHARES = (0.0, 0.5, 0.9)
"""Of the variance between runs, the share that all cases of a run have in common."""
BASES = (2, 3, 5)
"""Runs of base."""
ROUNDS = 5
_RULES = as_stored(Rules(latency=0.0))
"""Without a tolerance, so that every false rejection shows."""
Run = dict[Case, analysis.Summary]


def runs_of_the_same_code(rng: np.random.Generator, count: int, share: float) -> list[Run]:
    """That many runs of the same cases on the same machine."""
    seconds, sd = machine(rng)
    made = []
    for _ in range(count):
        common, own = rng.normal(0, BETWEEN_RUNS), rng.normal(0, BETWEEN_RUNS, CASES)
        factors = np.exp(math.sqrt(share) * common + math.sqrt(1 - share) * own)
        results = drawn(rng, ROUNDS, NOISE["lognormal"], seconds, sd, factors)
        made.append({summary.case: summary for summary in analysis.summarise(results)})
    return made


def figures(bases: int, share: float, comparisons: int) -> dict[str, float]:
    """How often intervals of the change hold the truth, their median half-width, and how often anything is called."""
    rng = np.random.default_rng([bases, SHARES.index(share)])
    held, widths, called = [], [], []
    for _ in range(comparisons):
        base, *further, head = runs_of_the_same_code(rng, bases + 1, share)
        methods = [case for case in head if case.implementation == "dct-x"]
        changes = []
        for case in methods:
            sdpa = Case("sdpa", case.seq_len)
            changes.append(
                unpaired(base[case], head[case], {"sdpa": (base[sdpa], head[sdpa])}, False, dict(enumerate(further, 1)))
            )
        for change in moderated(changes, looks=1):
            found = change.interval("sdpa")
            assert found is not None
            held.append(found.low <= 1 <= found.high)
            widths.append(math.log(found.high / found.low) / 2)
        compared = Comparison(base, head, {case: case for case in methods}, paired=False, further=further)
        kinds = {verdict.kind for verdict in judge(compared, _RULES).verdicts if verdict.metric == "latency"}
        called.append(bool(kinds & {VerdictKind.SLOWER, VerdictKind.FASTER}))
    return {
        "bases": bases,
        "share": share,
        "held": round(float(np.mean(held)), 4),
        "half_width": round(float(np.median(widths)), 4),
        "false_alarms": round(float(np.mean(called)), 4),
    }


def simulate(comparisons: int, processes: int = 1) -> dict[str, Any]:
    """All figures, from that many comparisons for each number of runs and each share."""
    found = rows(figures, [(bases, share, comparisons) for bases in BASES for share in SHARES], processes)
    return {"cases": CASES, "rounds": ROUNDS, "comparisons": comparisons, "rows": found}


def first() -> dict[str, Any]:
    """The figures of one comparison each."""
    return simulate(1)


def table(found: Mapping[str, Any]) -> list[str]:
    """The figures as a Markdown table."""
    lines = [
        "| runs of base | share in common | changes held | median half-width | comparisons with a false alarm |",
        "|--:|--:|--:|--:|--:|",
    ]
    for row in found["rows"]:
        cells = [str(row["bases"]), f"{row['share']:.0%}", f"{row['held']:.1%}"]
        lines.append(
            "| " + " | ".join([*cells, f"{math.expm1(row['half_width']):.0%}", f"{row['false_alarms']:.1%}"]) + " |"
        )
    return [*lines, "", f"{found['comparisons']} simulated comparisons per row, of {found['cases']} cases."]


if __name__ == "__main__":
    run_program(__doc__, 200, simulate, first, table)
