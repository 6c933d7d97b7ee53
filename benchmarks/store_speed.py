"""Measure the store against its budgets: `python -m benchmarks.store_speed`.

For 100,000 results of 30 samples, in runs of 200 cases and five rounds: open one run (store, run and results) within
50 ms, `load_results` of everything within 3 s, merge 1,000 results per second. The program prints the median and the
minimum of several tries, and the processor time, which excludes waiting for a core or a disk. This is not a test:
timings depend on the machine and its disk. `--json` writes the figures.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dctbench
from dctbench.machine.environment import collect
from dctbench.model import Case, Result, ResultDetails
from dctbench.store import Store, is_url, open_store
from dctbench.store.checking import find_damage
from dctbench.store.merging import merge
from tests.support.made import ENVIRONMENT, RUN, result

CASES, ROUNDS, SAMPLES = 200, 5, 30
DETAILS = {
    "isolation": "zygote", "stop_reason": "precise", "threads": 1, "kernel": "flash", "flops.analytic": 123456789,
    "flops.convention": "multiply-add = 2", "plan": "basis", "samples_retaken": 0, "clock": "perf_counter_ns",
    "others": {"cores": 0.01, "stolen": 0.0}, "warmup_seconds": 0.21, "calls_per_sample": 4,
}  # fmt: skip
VALUES = {
    "setup": ("s", 0.01), "first_call": ("s", 0.02), "memory.tensor": ("B", 1e6), "memory.state": ("B", 1e5),
    "flops": ("FLOP", 1e9), "error.noise": ("1", 1e-3), "error.smooth": ("1", 1e-4),
}  # fmt: skip


def fill(store: Store, results: int) -> list[str]:
    """Store runs with that many results in total. Return their ids."""
    draw = random.Random(0)
    ids = []
    for number in range(-(-results // (CASES * ROUNDS))):
        run = replace(RUN, id=f"{number:016x}", started_at=f"2026-01-02T03:04:05.{number:06d}+00:00")
        cases = [Case("dct-x", 64 * (i // 8 + 1), 2 ** (i % 8)) for i in range(CASES)]
        store.add_run(run, cases, ROUNDS)
        store.add_environment(run.id, ENVIRONMENT)
        store.add_results(run.id, [made(case, n, draw) for n in range(1, ROUNDS + 1) for case in cases])
        ids.append(run.id)
    return ids


def made(case: Case, number: int, draw: random.Random) -> Result:
    """A result as a sweep stores it."""
    samples = [draw.gauss(1e-3, 1e-5) for _ in range(SAMPLES)]
    one = result(case.implementation, case.seq_len, samples, ratio=case.ratio, round=number, values=VALUES)
    return replace(one, details=ResultDetails.from_json(DETAILS))


def timed(name: str, call: Callable[[], object], tries: int, budget: float) -> dict[str, Any]:
    """Time a call in seconds, print it with its budget, and return the row."""
    taken, computing = [], []
    for _ in range(tries):
        begin, begin_computing = time.perf_counter(), time.process_time()
        call()
        taken.append(time.perf_counter() - begin)
        computing.append(time.process_time() - begin_computing)
    row = {"what": name, "median": statistics.median(taken), "least": min(taken),
           "processor": statistics.median(computing), "budget": budget, "tries": tries}  # fmt: skip
    print(f"{name:34s} {row['median']:8.3f} s, least {row['least']:8.3f} s, processor {row['processor']:8.3f} s   "
          f"budget {budget:g} s", flush=True)  # fmt: skip
    return row


def main() -> None:
    """Fill a store, then time each operation that has a budget."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store_speed", description=__doc__)
    parser.add_argument("--results", type=int, default=100_000)
    parser.add_argument("--tries", type=int, default=5)
    parser.add_argument("--into", help="merge into this store (a URL of PostgreSQL) as well as into a file")
    parser.add_argument("--json", type=Path, help="write what was measured here")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "results.sqlite")
        with open_store(path, create=True) as store:
            begin = time.perf_counter()
            ids = fill(store, options.results)
            size = Path(path).stat().st_size
            print(f"made in {time.perf_counter() - begin:.1f} s, {size / 1e6:.0f} MB", flush=True)

        def one_run() -> None:
            with open_store(path) as store:
                store.results(store.find_run(ids[len(ids) // 2][:16]).run.id)

        def every_run() -> None:
            with open_store(path) as store:
                for state in store.runs():
                    store.results(state.run.id)

        def states() -> None:
            with open_store(path) as store:
                store.runs()

        def check() -> None:
            with open_store(path) as store:
                assert not find_damage(store)

        rows.append(timed("open one run", one_run, options.tries * 4, 0.05))
        rows.append(timed("list runs", states, options.tries, 0.5))
        rows.append(timed("every result of every run", every_run, options.tries, 3.0))
        rows.append(timed("load_results", lambda: dctbench.load_results(path), options.tries, 3.0))
        rows.append(timed("check", check, 1, options.results / 1000))
        for target in filter(None, (str(Path(folder) / "merged.sqlite"), options.into)):

            def merged(target: str = target) -> None:
                with open_store(target, create=True) as into, open_store(path) as source:
                    merge([source], into)

            kind = "PostgreSQL" if is_url(target) else "a file"
            rows.append(timed(f"merge into {kind}", merged, 1, options.results / 1000))
            rows.append(timed(f"merge into {kind} again", merged, 1, options.results / 1000))
    if options.json:
        about = {"results": options.results, "samples": SAMPLES, "bytes": size, "facts": dict(collect().facts)}
        options.json.write_text(json.dumps({**about, "seconds": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
