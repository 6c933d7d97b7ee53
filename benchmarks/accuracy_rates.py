"""Simulate how often verdicts on accuracy are wrong, and how often intervals hold the truth.

    python -m benchmarks.accuracy_rates --json benchmarks/accuracy_rates.json

Trainings with known accuracies are drawn and put through dctbench's own analysis. A seed moves all methods alike by a
standard deviation of 1.5 points, and each method by 0.8 points of its own, which is what a test of 1,000 sequences and
the weights leave. The shape of that noise is given by name. `failing` lets one seed in ten of the method fall to half
of its accuracy. The random seed is fixed, so the same code gives the same figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.simulated import rows, run_program
from dctbench.analysis import Summary, summarise
from dctbench.analysis.accuracy import MARGIN, Standing, TaskResults, task_results
from dctbench.analysis.resolution import acuities
from dctbench.compare.accuracy import accuracy_verdicts
from dctbench.compare.rules import ALPHA, LOOKS, Rules
from dctbench.model import Case, Measurement, Result, ResultDetails, Training, VerdictKind
from dctbench.stats.midpoint import midpoint

RESULTS = Path(__file__).with_name("accuracy_rates.json")
SEEDS = (3, 5, 10)
TESTED = 1000
"""Sequences of the test."""
FULL, NONE, SHARED, OWN = 0.80, 0.35, 0.015, 0.008
WIDTHS = (1, 2, 4, 8, 16)
CURVE = (0.30, 0.45, 0.80, 0.97, 1.0)
CASES = 8
"""Methods of the gate, and chains of the joint claim."""
MORE_SEEDS = 3
"""How many times as many seeds a case of the gate gets that is undecided."""
METHODS = ("dct-x", "dct-kv", "pool", "linformer")
DROPS = (0.02, 0.03, 0.05)
Numbers = np.ndarray[Any, Any]
Draw = Callable[[np.random.Generator, int], "np.ndarray[Any, Any]"]


def _failing(rng: np.random.Generator, count: int) -> np.ndarray:
    """Normal noise, in standard deviations, but one seed in ten loses half of the accuracy; its mean is not 0."""
    return np.asarray(np.where(rng.random(count) < 0.1, -FULL / 2 / OWN, rng.normal(0, 1, count)))


NOISE: Mapping[str, Draw] = {
    "normal": lambda rng, count: rng.normal(0, 1, count),
    "heavy-tailed": lambda rng, count: rng.standard_t(4, count) / math.sqrt(2),
    "skewed": lambda rng, count: 1 - rng.exponential(1, count),
    "failing": _failing,
}
MEANS = {"failing": -0.1 * FULL / 2}
"""How much a noise moves the mean."""


def _trained(
    name: str, accuracies: Numbers, ratio: float | None = None, slices: Mapping[str, Numbers] | None = None
) -> Summary:
    case = Case(name, 40, ratio, batch=50, heads=4, head_dim=16, scope="encoder", mode="train", task="mnist1d")
    results = []
    for number, accuracy in enumerate(accuracies):
        parts = [
            Measurement(f"accuracy.{key}", "1", (float(values[number]),)) for key, values in (slices or {}).items()
        ]
        training = Training(seed=number + 1, steps=500, probe_steps=125, test_examples=TESTED)
        measured = (Measurement("accuracy", "1", (float(accuracy),)), *parts)
        results.append(Result(case, number + 1, "ok", measured, details=ResultDetails(training=training)))
    [summary] = summarise(results)
    return summary


def _run(rng: np.random.Generator, seeds: int, noise: Draw, differences: Sequence[float]) -> TaskResults:
    """The reference, `none`, and methods that truly differ from the reference by so much; one per ratio."""
    level = rng.normal(0, SHARED, seeds)
    summaries = [
        _trained("sdpa", FULL + level + OWN * rng.normal(0, 1, seeds)),
        _trained("none", NONE + level / 3 + OWN * rng.normal(0, 1, seeds)),
    ]
    for number, difference in enumerate(differences):
        accuracies = FULL + difference + level + OWN * noise(rng, seeds)
        summaries.append(_trained(METHODS[number % 4], accuracies, 2.0 ** (number // 4 + 1)))
    [found] = task_results(summaries)
    return found


def standings(rng: np.random.Generator, seeds: int, name: str, runs: int) -> dict[str, float]:
    """How often a method exactly at the margin counts as good, and how often an equal one does, or counts as worse."""
    moved = MEANS.get(name, 0.0)
    good = {Standing.AS_GOOD, Standing.BETTER}
    at_margin, equal, worse, joint, kept = 0, 0, 0, 0, []
    for _ in range(runs):
        found = _run(rng, seeds, NOISE[name], [-MARGIN - moved, -moved])
        methods = {one.case.implementation: one for one in found.methods}
        margin, same = methods["dct-x"], methods["dct-kv"]
        at_margin += margin.standing in good
        equal += same.standing in good
        worse += same.standing is Standing.WORSE
        true = (FULL - MARGIN - NONE) / (FULL - NONE)
        kept.append(margin.kept is not None and margin.kept.low <= true <= margin.kept.high)
        together = _run(rng, seeds, NOISE[name], [-MARGIN - moved] * CASES)
        joint += any(together.held.values())
    return {
        "false_as_good": at_margin / runs,
        "false_as_good_of_eight": joint / runs,
        "equal_as_good": equal / runs,
        "false_worse": worse / runs,
        "kept_share_held": float(np.mean(kept)),
    }


def resolutions(rng: np.random.Generator, seeds: int, name: str, runs: int) -> float:
    """How often the interval of the resolution holds the width at which the true curve passes halfway."""
    chance = 0.1
    moved = MEANS.get(name, 0.0)
    true = midpoint(WIDTHS, [[(value + moved - chance) / (1 - chance) for value in CURVE]]).value
    assert true is not None
    hits = 0
    for _ in range(runs):
        own = rng.normal(0, SHARED, seeds) + OWN * NOISE[name](rng, seeds)
        slices = {
            f"h{width}": value + own + OWN * rng.normal(0, 1, seeds) for width, value in zip(WIDTHS, CURVE, strict=True)
        }
        exact = {f"h{width}": np.ones(seeds) for width in WIDTHS}
        summaries = [_trained("sdpa", np.ones(seeds), slices=exact), _trained("dct-x", np.ones(seeds), 4.0, slices)]
        [found] = task_results(summaries)
        resolution = acuities(found)[1].resolution
        assert resolution is not None
        hits += (resolution.low or 0) <= true <= (resolution.high or math.inf)
    return hits / runs


def gates(rng: np.random.Generator, seeds: int, name: str, runs: int) -> dict[str, Any]:
    """How often a check of unchanged accuracy fails for any of eight cases, and how often it finds a drop of one.

    Cases that are undecided after so many seeds get three times as many, as `--pairs 5` and `--max-pairs 15` do.
    """
    false, found = 0, dict.fromkeys(DROPS, 0)
    for number in range(runs * (1 + len(DROPS))):
        drop = (0.0, *DROPS)[number % (1 + len(DROPS))]
        few: dict[Case, tuple[Summary, Summary]] = {}
        many: dict[Case, tuple[Summary, Summary]] = {}
        for case in range(CASES):
            base, head = (FULL + OWN * NOISE[name](rng, MORE_SEEDS * seeds) for _ in range(2))
            lost = drop if case == 0 else 0.0
            for sides, taken in ((few, seeds), (many, MORE_SEEDS * seeds)):
                one, two = (_trained("dct-x", side[:taken], float(case + 1)) for side in (base, head - lost))
                sides[one.case] = (one, two)
        first = accuracy_verdicts(few, Rules(), ALPHA / LOOKS)
        undecided = {case for case, verdict in first.items() if verdict.kind is VerdictKind.INCONCLUSIVE}
        last = {case: many[case] if case in undecided else few[case] for case in few}
        verdicts = accuracy_verdicts(last, Rules(), ALPHA / LOOKS)
        worse = [case for case, verdict in verdicts.items() if verdict.kind is VerdictKind.WORSE]
        if drop:
            found[drop] += any(case.ratio == 1 for case in worse)
        else:
            false += bool(worse)
    return {"false_alarms": false / runs, "found": {f"{drop * 100:g}": hits / runs for drop, hits in found.items()}}


def simulate(runs: int, processes: int = 1, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """All figures, from that many runs for each number of seeds and each noise."""
    found = rows(_row, [(count, name, runs) for count in seeds for name in NOISE], processes)
    return {"runs": runs, "margin": MARGIN, "rows": found}


def _row(seeds: int, noise: str, runs: int) -> dict[str, Any]:
    rng = np.random.default_rng([seeds, list(NOISE).index(noise)])
    row: dict[str, Any] = {"seeds": seeds, "noise": noise, **standings(rng, seeds, noise, runs)}
    row["resolution_held"] = resolutions(rng, seeds, noise, runs)
    return row | gates(rng, seeds, noise, runs)


def first() -> dict[str, Any]:
    """The figures of two runs each, of three seeds."""
    return simulate(2, seeds=(3,))


def table(found: Mapping[str, Any]) -> list[str]:
    """The figures as a Markdown table."""
    drops = [f"{drop * 100:g} points found" for drop in DROPS]
    head = ["seeds", "noise", "false as good", "any of eight", "equal is as good", "false worse", "kept share held",
            "resolution held", "false alarms of check", *drops]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|--:|---|" + "--:|" * (len(head) - 2)]
    names = ("false_as_good", "false_as_good_of_eight", "equal_as_good", "false_worse", "kept_share_held",
             "resolution_held", "false_alarms")  # fmt: skip
    for row in found["rows"]:
        cells = [str(row["seeds"]), row["noise"], *(f"{row[name]:.1%}" for name in names)]
        lines.append("| " + " | ".join([*cells, *(f"{share:.0%}" for share in row["found"].values())]) + " |")
    return [*lines, "", f"{found['runs']} simulated runs per figure."]


if __name__ == "__main__":
    run_program(__doc__, 1000, simulate, first, table)
