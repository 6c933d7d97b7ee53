"""The rates that the planner ships with, from every CPU that was measured: `python -m benchmarks.planner_rates`.

This measures the rates of this machine in about a minute, with as many threads as torch takes, and writes a row for
its CPU into the result file, in place of an earlier row of the same model with as many threads. The shipped rates are
the geometric means over the rows that have the figure, to two digits (`shipped`). A test compares them with
`default_cost_model`.

Each rate is that of the best of several rounds, as `dctbench doctor --calibrate` measures it. With `--threads 1` the
processor time of that thread counts, which other processes hardly change. A choice depends on how the rates compare,
and with more threads most of them rise together.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from dctbench.machine import environment
from dctbench.machine.contention import Neighbours
from dctbench.transforms import CostModel
from dctbench.worker.metrics import ceilings

RESULTS = Path(__file__).with_name("planner_rates.json")
DTYPES = ("float32", "float64", "bfloat16", "float16")
RATES = ("call", "gemm", "small_gemm", "fft", "bandwidth")
UNITS = {"call": ("us", 1e6), **dict.fromkeys(RATES[1:], ("G/s", 1e-9))}
PAUSE = 1.0
"""Seconds between two rounds, so that a short burst of load does not reach all of them."""


def measure(rounds: int) -> dict[str, Any]:
    """The row of this machine, with the number of threads that torch is set to."""
    clock = time.thread_time if torch.get_num_threads() == 1 else None
    facts = environment.collect().facts
    neighbours = Neighbours()
    found: dict[str, list[CostModel]] = {name: [] for name in DTYPES}
    with torch.inference_mode():
        for number in range(rounds):
            time.sleep(PAUSE if number else 0)
            for name in DTYPES:
                found[name].append(ceilings.cost_model(getattr(torch, name), "cpu", lambda: None, clock))
    usage = neighbours.usage()
    return {
        "cpu": facts["cpu"],
        "cpu_id": facts["cpu_id"],
        "cores": facts["cores_usable"],
        "threads": torch.get_num_threads(),
        "torch": facts["torch"],
        "source": f"by this program, the best of {rounds} rounds" + (", processor time" if clock else ""),
        "others": round(usage.cores, 2) if usage else None,
        "rates": {name: rounded(asdict(ceilings.best_of(models))) for name, models in found.items()},
    }


def rounded(rates: Mapping[str, float]) -> dict[str, float]:
    """The five rates, to three digits."""
    return {name: float(f"{rates[name]:.3g}") for name in RATES}


def shipped(found: Mapping[str, Any], dtype: str) -> dict[str, float]:
    """The rates that the planner has to ship, to two digits: geometric means over the rows that have them."""
    rows = [row["rates"][dtype] for row in found["rows"]]
    means = {name: statistics.geometric_mean(row[name] for row in rows if name in row) for name in RATES}
    return {name: float(f"{mean:.2g}") for name, mean in means.items()}


def with_row(found: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The result file with a row in place of an earlier one of the same CPU model and number of threads."""
    key = ("cpu", "cpu_id", "threads")
    return {**found, "rows": [*(one for one in found["rows"] if any(one[name] != row[name] for name in key)), row]}


def table(found: Mapping[str, Any]) -> list[str]:
    """A row for each dtype and CPU, and one for what ships, as a Markdown table."""
    heads = [f"{name} ({UNITS[name][0]})" for name in RATES]
    lines = [f"| dtype | CPU | {' | '.join(heads)} |", "|---|---|" + "--:|" * len(RATES)]
    for dtype in DTYPES:
        rows = [
            (f"{row['cpu']} ({row['cpu_id']}), threads {row['threads']}", row["rates"][dtype]) for row in found["rows"]
        ]
        for name, rates in [*rows, ("shipped", shipped(found, dtype))]:
            cells = (f"{rates[rate] * UNITS[rate][1]:.3g}" if rate in rates else "-" for rate in RATES)
            lines.append(f"| {dtype} | {name} | {' | '.join(cells)} |")
    sources = (f"{row['cpu']} ({row['cpu_id']}), threads {row['threads']}: {row['source']}; {_disturbed(row)}."
               for row in found["rows"])  # fmt: skip
    return [*lines, "", "Shipped is the geometric mean of the figures that were measured, to two digits.", *sources]


def _disturbed(row: Mapping[str, Any]) -> str:
    """How much of the machine other processes used while a row was measured."""
    if row["others"] is None:
        return "what other processes used meanwhile was not recorded"
    return f"other processes used {row['others']:.2f} of {row['cores']} cores meanwhile"


def main(arguments: Sequence[str]) -> None:
    """Measure, write the row, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planner_rates", description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, default=RESULTS, help="the result file to write the row into")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    found = json.loads(options.json.read_text(encoding="utf-8")) if options.json.exists() else {"rows": []}
    found = with_row(found, measure(options.rounds))
    options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(found)))


if __name__ == "__main__":
    main(sys.argv[1:])
