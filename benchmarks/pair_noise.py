"""Measure how far two processes of the same code differ when they take turns, with and without the settings of `ci`.

    python -m benchmarks.pair_noise --json benchmarks/pair_noise.json

Each pair is measured as `dctbench check` measures the suite `ci`, with the same interpreter on both sides and a zygote
for each. The rounds of all conditions are interleaved, so that all see the same machine.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dctbench.analysis import summarise
from dctbench.app.check import SAMPLES_PER_PROCESS, WARMUP_OF_PAIRS
from dctbench.compare.change import paired
from dctbench.machine import environment
from dctbench.model import Case
from dctbench.runners import MeasureSpec
from dctbench.runners.local import LocalRunner, LocalSettings
from dctbench.scheduler.pairs import measure_in_turns
from dctbench.spec import suites
from dctbench.spec.grid import expand_cases

RESULTS = Path(__file__).with_name("pair_noise.json")
ALLOCATOR, OPENMP = ("MALLOC_",), ("GOMP_", "KMP_")
CONDITIONS: dict[str, tuple[str, ...]] = {
    "default settings": (),
    "the allocator keeps its memory": ALLOCATOR,
    "OpenMP threads stop spinning soon": OPENMP,
    "both, as the suite `ci` sets it": ALLOCATOR + OPENMP,
}
"""For each condition, the prefixes of the variables of the suite `ci` that are set."""


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """log(second / first) of each pair, by condition and by case."""
    ci = suites.load("ci")
    found: dict[str, dict[str, list[float]]] = {words: {} for words in CONDITIONS}
    sampling = {"samples_least": SAMPLES_PER_PROCESS, **WARMUP_OF_PAIRS}
    with ExitStack() as stack:
        runners: dict[str, list[LocalRunner]] = {}
        for words, beginnings in CONDITIONS.items():
            variables = {name: text for name, text in ci.settings.env.items() if name.startswith(beginnings)}
            settings = LocalSettings(60.0, variables, sampling)
            runners[words] = [stack.enter_context(LocalRunner(settings)) for _ in range(2)]
        [runner, _], *_ = runners.values()
        planned = expand_cases(ci.axes, runner.describe(ci.axes["impl"], ()).methods)
        for number in range(2, rounds + 2):  # from the second on: timing alone
            for words, sides in runners.items():
                for started in [side.ready("cpu", number) for side in sides]:
                    started.result()
                for case in planned:
                    change = pair(sides, case, number)
                    found[words].setdefault(name(case), []).append(round(change, 5))
                    print(f"{number - 1}/{rounds} {words}: {name(case)} {change:+.3f}", flush=True)
    return found


def pair(sides: Sequence[LocalRunner], case: Case, number: int) -> float:
    """The change of one pair, as the gate computes it. The side that begins alternates between rounds."""
    order = sides if number % 2 else list(reversed(sides))
    spec = MeasureSpec(number)
    measured = measure_in_turns((order[0], case, spec), (order[1], case, spec))
    results = dict(zip(map(id, order), measured, strict=True))
    base, head = (summarise([results[id(side)]])[0] for side in sides)
    [change] = paired(base, head, {}, fresh=False).raw
    return change


def name(case: Case) -> str:
    """`dct-x r=8 n=512`."""
    ratio = "" if case.ratio is None else f" r={case.ratio:g}"
    return f"{case.implementation}{ratio} n={case.seq_len}"


def table(found: Mapping[str, Any]) -> list[str]:
    """The conditions as a Markdown table: how far pairs of the same code differ."""
    lines = ["| conditions | pairs | median difference | pairs that differ by more than 10% | largest difference |",
             "|---|--:|--:|--:|--:|"]  # fmt: skip
    for words, by_case in found["changes"].items():
        apart = [math.expm1(abs(change)) for several in by_case.values() for change in several]
        beyond = sum(share > 0.1 for share in apart)
        lines.append(f"| {words} | {len(apart)} | {statistics.median(apart):.1%} | {beyond} | {max(apart):.0%} |")
    return lines


def main() -> None:
    """Measure, write the file and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pair_noise", description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    facts = environment.collect().facts
    place = {fact: facts[fact] for fact in ("cpu", "cores_usable", "torch", "release")}
    found = {"machine": place, "changes": measure(options.rounds)}
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
