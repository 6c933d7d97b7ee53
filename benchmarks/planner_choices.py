"""Does the planner choose the fastest plan? `python -m benchmarks.planner_choices` times them over a grid of shapes.

At each shape this times one forward and one inverse transform by every plan that the cost model expects to take at
most three times as long as the cheapest, and by the cheapest plan of each algorithm. Each round of calls has an order
of its own, since a call finds in the cache what the one before left there. The lower quartile of the rounds counts:
load of other processes only adds time. With one thread, the default, the processor time of that thread is measured.

The result file holds the times of all plans and not which was chosen: that is asked of the planner when the file is
read, so that a test notices when other rates or another cost model would choose worse.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.dct_speed import with_machine
from dctbench.machine import environment
from dctbench.model import kept_coefficients
from dctbench.transforms import TruncatedDct, default_cost_model, make_dct, plan_dct
from dctbench.transforms.planner import rated_plans

RESULTS = Path(__file__).with_name("planner_choices.json")
RATIOS = (2, 4, 8, 16)
LENGTHS = tuple(2**power for power in range(8, 18))
UNEVEN = (1500, 4093, 6000)
"""Lengths that few blocks divide, or none."""
KEY = ("seq_len", "ratio", "columns", "batch")
"""What a row is about: a new one takes the place of that with the same."""
GOAL = 1.15
WITHIN = 3.0
"""Plans that the model expects to take more than so many times the least are not timed."""
NOT_TIMED = "not timed"
"""Stands for the figures of a chosen plan that the result file does not have, after rates have changed."""
Shape = tuple[int, int, int]
"""Length, columns, batch."""


def shapes(longest: int) -> Iterator[Shape]:
    """One sequence of 512 columns up to the longest length; batches of it, and narrow sequences, of shorter ones."""
    yield from ((length, 512, 1) for length in (*LENGTHS, *UNEVEN) if length <= longest)
    yield from ((length, 512, 16) for length in LENGTHS if length <= min(longest, 1024))
    yield from ((length, 64, 8) for length in LENGTHS if length <= min(longest, 4096))


def contenders(length: int, n_kept: int, columns: int, batch: int) -> list[str]:
    """The plans to time at a shape, the cheapest by the shipped rates first."""
    rated = rated_plans(length, n_kept, columns, default_cost_model("cpu", torch.float32), batch=batch)
    least = rated[0][0]
    first_of: dict[tuple[str, str | None], str] = {}
    for _, plan in rated:
        first_of.setdefault((plan.algorithm, plan.across), str(plan))
    near = [str(plan) for seconds, plan in rated if seconds <= WITHIN * least]
    return list(dict.fromkeys([*near[:12], *first_of.values()]))


def round_trip(transform: TruncatedDct, x: torch.Tensor) -> Callable[[], object]:
    """A call that transforms x and back, as a layer does."""
    return lambda: transform.inverse(transform(x, ordered=False), ordered=False)


def lower_quartiles(calls: Sequence[Callable[[], object]], seconds: float, threads: int) -> list[float]:
    """The seconds of each call, in rounds of random order until `seconds` have passed and each has run seven times."""
    clock = time.thread_time if threads == 1 else time.perf_counter
    draw = random.Random(0)
    order = list(range(len(calls)))
    samples: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    started = clock()
    while clock() - started < seconds or len(samples[0]) < 7:
        draw.shuffle(order)
        for number in order:
            begin = clock()
            calls[number]()
            samples[number].append(clock() - begin)
    return [statistics.quantiles(taken, n=4)[0] for taken in samples]


def measure(shape: Shape, ratio: float, seconds: float, threads: int) -> dict[str, Any]:
    """One row: the milliseconds of a round trip by each plan."""
    length, columns, batch = shape
    n_kept = kept_coefficients(length, ratio)
    plans = contenders(length, n_kept, columns, batch)
    x = torch.randn(batch, length, columns)
    made = [make_dct(length, n_kept, columns, transform=plan) for plan in plans]
    taken = lower_quartiles([round_trip(transform, x) for transform in made], seconds, threads)
    times = {plan: float(f"{1e3 * one:.3g}") for plan, one in zip(plans, taken, strict=True)}
    return {"seq_len": length, "ratio": ratio, "columns": columns, "batch": batch, "plans_ms": times}


def chosen(row: Mapping[str, Any]) -> str:
    """The plan that the planner chooses today, with the shipped rates."""
    n_kept = kept_coefficients(row["seq_len"], row["ratio"])
    return str(plan_dct(row["seq_len"], n_kept, row["columns"], batch=row["batch"]))


def slower_by(row: Mapping[str, Any]) -> float:
    """The time of the chosen plan over that of the best one; infinite if the chosen one was not timed."""
    times: Mapping[str, float] = row["plans_ms"]
    return times.get(chosen(row), float("inf")) / min(times.values())


def table(found: Mapping[str, Any]) -> list[str]:
    """How often the best plan was chosen, by kind of shape, and every row beyond the goal, in Markdown."""
    lines = []
    for machine in found["machines"]:
        facts = machine["machine"]
        measured = "processor time of one thread" if machine["threads"] == 1 else f"{machine['threads']} threads"
        lines += [f"{facts['cpu']} ({facts['cpu_id']}), {measured}:", "",
                  f"| columns | batch | shapes | best plan chosen | within {GOAL:g} | geometric mean | worst |",
                  "|--:|--:|--:|--:|--:|--:|--:|"]  # fmt: skip
        for columns, batch in dict.fromkeys((row["columns"], row["batch"]) for row in machine["rows"]):
            over = [slower_by(row) for row in machine["rows"] if (row["columns"], row["batch"]) == (columns, batch)]
            best, near = sum(one == 1 for one in over), sum(one <= GOAL for one in over)
            lines.append(
                f"| {columns} | {batch} | {len(over)} | {best} | {near} "
                f"| {_ratio(statistics.geometric_mean(over))} | {_ratio(max(over))} |"
            )
        slow = [row for row in machine["rows"] if slower_by(row) > GOAL]
        if slow:
            lines += [
                "",
                "| n | ratio | columns | batch | chosen | ms | best | ms | ratio |",
                "|--:|--:|--:|--:|---|--:|---|--:|--:|",
            ]
        for row in slow:
            times, plan = row["plans_ms"], chosen(row)
            quickest = min(times, key=times.__getitem__)
            lines.append(
                f"| {row['seq_len']} | {row['ratio']:g} | {row['columns']} | {row['batch']} | `{plan}` "
                f"| {f'{times[plan]:.3g}' if plan in times else NOT_TIMED} | `{quickest}` | {times[quickest]:.3g} "
                f"| {_ratio(slower_by(row))} |"
            )
        lines.append("")
    return lines[:-1]


def _ratio(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else NOT_TIMED


def main(arguments: Sequence[str]) -> None:
    """Measure, write the rows of this machine into the result file, and print the table. Other rows of it stay."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planner_choices", description=__doc__)
    parser.add_argument("--longest", type=int, default=LENGTHS[-1])
    parser.add_argument("--ratio", type=float, nargs="+", default=list(RATIOS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.4, help="per shape, at least")
    parser.add_argument("--json", type=Path, default=RESULTS, help="the result file to write the rows into")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    facts = environment.collect().facts
    machine = {name: facts[name] for name in ("cpu", "cpu_id", "cores_usable", "torch")}
    rows = []
    with torch.inference_mode():
        for shape in shapes(options.longest):
            for ratio in options.ratio:
                rows.append(measure(shape, ratio, options.seconds, options.threads))
                print(
                    *shape,
                    f"r{ratio:g}",
                    chosen(rows[-1]),
                    f"{slower_by(rows[-1]):.2f}",
                    rows[-1]["plans_ms"],
                    flush=True,
                )
    found = json.loads(options.json.read_text(encoding="utf-8")) if options.json.exists() else {"machines": []}
    found = with_machine(found, {"machine": machine, "threads": options.threads, "rows": rows}, KEY)
    options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(found)))


if __name__ == "__main__":
    main(sys.argv[1:])
