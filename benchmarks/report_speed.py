"""Measure the report against its budgets: `python -m benchmarks.report_speed`.

For 10,000 results: at most 2 s from the store to the file without imports, 7 MB (4 MB compressed), fewer than 8,000
elements in the document, the first chart within 1.5 s of opening, and 300 ms from a choice until all that is visible
shows it. The program prints the median and the minimum of several tries in headless Chromium; other processes disturb
the minimum less. This is not a test: timings depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

from selenium import webdriver

from dctbench.catalog import IMPLEMENTATIONS
from dctbench.cli.commands.report import command
from dctbench.model import Case, CaseWarning, Result, ResultDetails, WarningCode
from dctbench.store import open_store
from tests.support.browser import chromium, screen, settled
from tests.support.made import ENVIRONMENT, RUN, result

RATIOS = (2, 4, 8, 16, 32)
LENGTHS = tuple(256 * 2**power for power in range(10))
BUDGETS = {"work_s": 2.0, "bytes": 7e6, "bytes_compressed": 4e6, "elements": 8000, "interactive_ms": 1500,
           "choice_ms": 300}  # fmt: skip
SPLIT = {"shares": {"projections": 0.312, "attention": 0.405, "transform": 0.2, "other": 0.083}}
WARNINGS = (
    CaseWarning(WarningCode.SPREAD, {"spread": 0.12}),
    CaseWarning(WarningCode.OTHER_PROCESSES, {"cores": 1.3, "of_cores": 2, "names": ["python3"]}),
)


def cases() -> Iterator[Case]:
    """Fifty methods and ratios at ten lengths in twenty facets."""
    curves: list[tuple[str, float | None]] = [
        (name, ratio)
        for name, entry in IMPLEMENTATIONS.items()
        for ratio in (RATIOS if entry.uses_ratio else (None,))
        if not name.startswith("sdpa-")
    ]
    settings = product(("float32", "bfloat16"), ("forward", "train"), (1, 2, 4, 8, 16))
    for (dtype, mode, batch), length, (name, ratio) in product(settings, LENGTHS, curves[:50]):
        yield Case(name, length, ratio, batch=batch, dtype=dtype, mode=mode)


def made(case: Case, number: int, draw: random.Random) -> Result:
    """A result as a sweep stores it. Long full attention runs out of memory, some cases fail, some are noisy."""
    work = case.seq_len / (case.ratio or 1)
    typical = 1e-6 * case.batch * (case.seq_len + work * work / 200) * draw.uniform(0.8, 1.25)
    if case.implementation == "full" and case.seq_len > 2**15:
        needed = 4.0 * case.batch * 8 * case.seq_len**2
        failed = result(
            "full", case.seq_len, None, status="oom", message=f"needs about {needed / 2**30:.1f} GiB of 64 GiB"
        )
        return replace(failed, case=case, round=number, details=ResultDetails(estimated_bytes=needed))
    if draw.random() < 0.01:
        failed = result("full", case.seq_len, None, status="error", message="SIGSEGV in the child")
        return replace(failed, case=case, round=number)
    samples = [typical * draw.lognormvariate(0, 0.03) for _ in range(20)]
    values = {
        "memory.tensor": ("B", 4.0 * case.batch * 512 * case.seq_len), "memory.state": ("B", 2.0**20 + 4),
        "memory.process": ("B", 4096.0 * draw.randrange(1000, 9000)), "flops": ("FLOP", typical * 1.7e11),
        "error.smooth": ("1", draw.lognormvariate(-2, 1)), "error.noise": ("1", draw.lognormvariate(-1, 1)),
    }  # fmt: skip
    one = result(case.implementation, case.seq_len, samples, round=number, values=values)
    rate, intensity = 1.4e11 * draw.uniform(0.4, 1), case.seq_len / 16 * draw.uniform(0.8, 1.2)
    roof = {"bound": "compute", "rate": rate, "share": rate / 2e11, "intensity": intensity, "ridge": 5.1,
            "throughput": rate / intensity}  # fmt: skip
    details = {"stop_reason": "precise", "split": SPLIT, "roofline": roof}
    warnings = (draw.choice(WARNINGS),) if draw.random() < 0.2 else ()
    return replace(one, case=case, details=ResultDetails.from_json(details), warnings=warnings)


def fill(path: str, results: int, rounds: int) -> int:
    """Store one run with that many results and rounds. Return the number of its cases."""
    draw = random.Random(0)
    chosen = list(cases())[: results // rounds]
    with open_store(path, create=True) as store:
        store.add_run(RUN, chosen, rounds)
        store.add_environment(RUN.id, ENVIRONMENT)
        store.add_results(RUN.id, [made(case, n, draw) for n in range(1, rounds + 1) for case in chosen])
    return len(chosen)


def work(path: str, output: Path, compress: bool, tries: int) -> dict[str, list[float]]:
    """Seconds of the command after all imports: elapsed, and of processor time."""
    arguments = ["--store", path, "-o", str(output), *(["--compress"] if compress else [])]
    found: dict[str, list[float]] = {"work_s": [], "work_cpu_s": []}
    for _ in range(tries + 1):
        begin, busy = time.perf_counter(), time.process_time()
        command.main(arguments, standalone_mode=False)
        found["work_s"].append(time.perf_counter() - begin)
        found["work_cpu_s"].append(time.process_time() - busy)
    return {name: taken[1:] for name, taken in found.items()}


READY = """
const done = arguments[arguments.length - 1];
document.getElementById("latency").scrollIntoView();
const wait = () => document.querySelector("#latency svg .trace") && document.querySelector("#table tbody th")
  ? done(performance.now()) : requestAnimationFrame(wait);
wait();
"""
PAINTED = "return performance.getEntriesByName('first-contentful-paint')[0].startTime"
CHOICE = """
const [name, value, done] = arguments;
const select = document.querySelector(`#choices [name=${name}]`);
const begin = performance.now();
select.value = value;
select.dispatchEvent(new Event("change"));
requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin)));
"""


def opened(page: Path, tries: int) -> dict[str, list[float]]:
    """The waiting times of a reader in ms, and the number of elements in the document after each chart is shown."""
    found: dict[str, list[float]] = {"first_paint_ms": [], "interactive_ms": [], "choice_ms": [], "elements": []}
    for _ in range(tries):
        with chromium() as browser:
            screen(browser, 1280)
            browser.get(page.as_uri())
            found["interactive_ms"].append(float(browser.execute_async_script(READY)))
            found["first_paint_ms"].append(float(browser.execute_script(PAINTED)))
            for one in (("dtype", "float32"), ("batch", "4"), ("n", "4096")):
                found["choice_ms"].append(chosen(browser, *one))
            for figure in browser.execute_script(
                "return Array.from(document.querySelectorAll('[data-figure]')).map((e) => e.id)"
            ):
                settled(browser, figure)
                count = browser.execute_script("return document.getElementsByTagName('*').length")
                found["elements"].append(float(count))
    return found


def chosen(browser: webdriver.Chrome, name: str, value: str) -> float:
    """Milliseconds until all that is visible shows a choice. The charts are visible."""
    settled(browser, "latency")
    return float(browser.execute_async_script(CHOICE, name, value))


def main() -> None:
    """Fill a store, render and open its page, and print and write each figure with its budget."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report_speed", description=__doc__)
    parser.add_argument("--results", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--tries", type=int, default=5)
    parser.add_argument("-o", "--output", type=Path, help="a JSON file for the figures")
    parser.add_argument("--keep", type=Path, help="keep the page here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store, page = str(Path(folder) / "results.sqlite"), options.keep or Path(folder) / "page.html"
        packed = Path(folder) / "packed.html"
        cases = fill(store, options.results, options.rounds)
        found = work(store, page, False, options.tries)
        work(store, packed, True, 1)
        found |= {"bytes": [page.stat().st_size], "bytes_compressed": [packed.stat().st_size]}
        found |= opened(page, options.tries)
        found["interactive_compressed_ms"] = opened(packed, options.tries)["interactive_ms"]
    figures = {
        name: {"budget": BUDGETS.get(name), "median": statistics.median(tries), "least": min(tries), "most": max(tries)}
        for name, tries in found.items()
    }
    for name, figure in figures.items():
        print(name, *(f"{key} {value:.4g}" for key, value in figure.items() if value is not None), sep="  ", flush=True)
    if options.output:
        machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version(),
                   "load_average": os.getloadavg()[0]}  # fmt: skip
        about = {"results": options.results, "cases": cases, "machine": machine}
        options.output.write_text(json.dumps({**about, "figures": figures}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
