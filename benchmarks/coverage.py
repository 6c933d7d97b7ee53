"""Simulate how often intervals hold the truth, how often something false is said of a run, and what `compare` finds.

    python -m benchmarks.coverage --json benchmarks/coverage.json

Runs of 36 cases are drawn from known latencies and put through dctbench's own analysis. The noise between processes is
that of a shared machine with two cores: its standard deviation is 14.6% at 5 ms and falls with latency, it differs from
case to case, and 4% of the cases are five times as noisy. Its shape is given by name. Rounds have a component of 12% in
common. For the upper ends of p99, processes differ by 15% and calls of one process by 5%. The seed is fixed, so the
same code gives the same figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.simulated import rows, run_program
from dctbench import analysis
from dctbench.analysis import Winner
from dctbench.compare.stored import compare_stored
from dctbench.model import Case, Environment, Measurement, Result, Run, VerdictKind
from dctbench.runs.lookup import RecordedRun
from dctbench.stats.tail import LEAST_PROCESSES

RESULTS = Path(__file__).with_name("coverage.json")
CASES = 36
FEW = 9
"""So few ratios do not show how ratios vary: their variance is that of both latencies (`analysis.between`)."""
ROUNDS = (3, 6)
PLANTED = (1.0, 1.5, 2.0, 3.0)
MOST_FALSE_ALARMS = 0.05
"""The share of comparisons that may have a false alarm."""
LEAST_FOUND = {2.0: 0.5, 3.0: 0.85}
"""The share of planted changes that shall be found, by their size, with the fewest of ROUNDS and so with more."""
SHARED = 0.12
MACHINE = "simulated"
"""The fingerprint of both runs: latencies compare only where one machine measured them."""
METHODS = ("full", "dct-x", "dct-qkv", "dct-resample", "dct-kv", "linear", "fnet", "performer")
LENGTHS = (512, 1024, 2048, 4096)
EQUAL = (4, 8)
"""How many of METHODS take as long as the reference."""
STATEMENTS = {
    "unadjusted": "runs with a false mark, unadjusted",
    "false_marks": "false marks among all",
    "marked": "differences marked",
    "payoffs": "runs with a false payoff",
    "leaders": "runs with false leaders",
    "sentences": "runs with a false sentence",
}
PROCESSES = (3, 30, 60)
"""How many processes a p99 is taken from: from 30 on its upper end is called a bound."""
CALLS = 600
"""In all processes together."""
BETWEEN, WITHIN = 0.15, 0.05
"""The standard deviations of the logarithm between processes and within one, for p99."""
CONFIDENCES = (0.95, 0.99)
Draw = Callable[[np.random.Generator, int], "np.ndarray[Any, Any]"]


def _bimodal(rng: np.random.Generator, count: int) -> np.ndarray:
    """A third of the processes is slow, by two standard deviations."""
    slow = rng.random(count) < 1 / 3
    drawn = np.where(slow, 4 / 3, -2 / 3) + rng.normal(0, 0.33, count)
    return np.asarray(drawn / math.hypot(2 * math.sqrt(2) / 3, 0.33))


def _drifting(rng: np.random.Generator, count: int) -> np.ndarray:
    """Half of the variance is a trend over the rounds, in a direction of the case's own."""
    trend = np.linspace(-1, 1, count) / np.linspace(-1, 1, count).std()
    return np.asarray(math.sqrt(0.5) * (rng.choice([-1, 1]) * trend + rng.normal(0, 1, count)))


NOISE: Mapping[str, Draw] = {
    "lognormal": lambda rng, count: rng.normal(0, 1, count),
    "heavy-tailed": lambda rng, count: rng.standard_t(4, count) / math.sqrt(2),
    "bimodal": _bimodal,
    "drifting": _drifting,
}


def drawn(
    rng: np.random.Generator, rounds: int, noise: Draw, seconds: np.ndarray, sd: np.ndarray, slower: np.ndarray
) -> list[Result]:
    """One run: at each length dct-x with that true latency times `slower`, and sdpa, which takes four times as long."""
    level = rng.normal(0, SHARED, rounds)
    made = []
    for index, (true, spread, factor) in enumerate(zip(seconds, sd, slower, strict=True)):
        for case, middle, own in (
            (Case("sdpa", 64 + index), 4 * true, spread / 2),
            (Case("dct-x", 64 + index, 4), factor * true, spread),
        ):
            times = middle * np.exp(level + own * noise(rng, rounds))
            made += [
                Result(case, number, "ok", (Measurement("latency", "s", (float(time),)),), fingerprint=MACHINE)
                for number, time in enumerate(times, 1)
            ]
    return made


def machine(rng: np.random.Generator, cases: int = CASES) -> tuple[np.ndarray, np.ndarray]:
    """True latencies of dct-x in seconds, and the standard deviations of their logarithms between processes."""
    seconds = np.exp(rng.uniform(math.log(2e-4), math.log(0.3), cases))
    sd = 0.146 * (seconds / 5e-3) ** -0.3 * np.exp(rng.normal(0, 0.35, cases))
    return seconds, np.where(rng.random(cases) < 0.04, 5 * sd, sd)


def intervals(rng: np.random.Generator, rounds: int, noise: Draw, runs: int, cases: int = CASES) -> dict[str, float]:
    """How often intervals hold the truth, and their median half-width on the logarithm."""
    ratios, noisy, latencies, widths = [], [], [], []
    for _ in range(runs):
        seconds, sd = machine(rng, cases)
        summaries = analysis.summarise(drawn(rng, rounds, noise, seconds, sd, np.ones(cases)))
        for index in range(cases):
            reference, method = summaries[2 * index : 2 * index + 2]
            found = analysis.compare(method, reference)
            assert found is not None
            assert found.low is not None
            assert found.high is not None
            assert method.latency is not None
            hit = found.low <= 4 <= found.high
            ratios.append(hit)
            if sd[index] >= np.quantile(sd, 0.75):
                noisy.append(hit)
            latencies.append(method.latency.low <= seconds[index] <= method.latency.high)
            widths.append(math.log(found.high / found.low) / 2)
    return {
        "ratios": round(float(np.mean(ratios)), 4),
        "ratios_of_noisiest_quarter": round(float(np.mean(noisy)), 4),
        "latencies": round(float(np.mean(latencies)), 4),
        "half_width": round(float(np.median(widths)), 4),
    }


def comparisons(rng: np.random.Generator, rounds: int, noise: Draw, runs: int) -> dict[str, Any]:
    """How often `compare` calls a planted slowdown of one case, and how often any case without one."""
    found: dict[float, list[bool]] = {planted: [] for planted in PLANTED}
    false = []
    for number in range(runs * len(PLANTED)):
        planted = PLANTED[number % len(PLANTED)]
        seconds, sd = machine(rng)
        changed = int(rng.integers(CASES))
        slower = np.where(np.arange(CASES) == changed, planted, 1.0)
        base, head = (
            recorded(name, drawn(rng, rounds, noise, seconds, sd, factors))
            for name, factors in (("base", np.ones(CASES)), ("head", slower))
        )
        verdicts = compare_stored(base, head).judgement.verdicts
        called = {v.case.seq_len - 64 for v in verdicts if v.kind in (VerdictKind.SLOWER, VerdictKind.FASTER)}
        found[planted].append(changed in called)
        false.append(bool(called - ({changed} if planted > 1 else set())))
    return {
        "false_alarms": round(float(np.mean(false)), 4),
        "found": {f"{planted:g}": round(float(np.mean(hits)), 4) for planted, hits in found.items() if planted > 1},
    }


def recorded(name: str, results: list[Result]) -> RecordedRun:
    """Those results as a run that was stored."""
    run = Run(name, None, "simulated", (), "2026-01-01T00:00:00+00:00", "0")
    return RecordedRun(
        run, {MACHINE: Environment({}, MACHINE)}, results, list(dict.fromkeys(one.case for one in results))
    )


def sweep(rng: np.random.Generator, rounds: int, noise: Draw, equal: int) -> tuple[list[Result], dict[Case, float]]:
    """One run of METHODS beside sdpa at LENGTHS, and the true latency of each case.

    `equal` of the methods take as long as sdpa at every length; the others from half of that to twice as long.
    """
    level = rng.normal(0, SHARED, rounds)
    made, truth = [], {}
    for n in LENGTHS:
        reference = 5e-3 * n / LENGTHS[0]
        factors = np.concatenate([np.ones(equal), np.exp2(rng.uniform(-1, 1, len(METHODS) - equal))])
        for name, factor in (("sdpa", 1.0), *zip(METHODS, factors, strict=True)):
            case, true = Case(name, n), reference * factor
            spread = 0.146 * (true / 5e-3) ** -0.3 * math.exp(rng.normal(0, 0.35)) * (5 if rng.random() < 0.04 else 1)
            truth[case] = true
            made += [
                Result(case, number, "ok", (Measurement("latency", "s", (float(time),)),))
                for number, time in enumerate(true * np.exp(level + spread * noise(rng, rounds)), 1)
            ]
    return made, truth


def statements(rng: np.random.Generator, rounds: int, noise: Draw, runs: int, equal: int) -> dict[str, float]:
    """How much is marked and said falsely of a run in which `equal` methods take as long as the reference.

    A mark or a sentence is false that says faster or slower of what is neither, or the opposite of the truth. What is
    said of the leaders is false if the fastest method is not among them. "Unadjusted" are runs with any false mark if
    every interval without 1 were marked.
    """
    told: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(runs):
        results, truth = sweep(rng, rounds, noise, equal)
        summaries = analysis.summarise(results)
        states = {case: _state(truth[replace(case, implementation="sdpa")] / true) for case, true in truth.items()}
        speedups = {c: s for c, s in analysis.speedups(summaries, "sdpa").items() if c.implementation != "sdpa"}
        marks = {case: one.mark for case, one in speedups.items() if one.mark is not Winner.TIE}
        alone = {case: one.leaning for case, one in speedups.items() if one.p is not None and one.p < 0.05}
        told["false_marks"].append(_false(marks, states) / max(1, len(marks)))
        told["unadjusted"].append(_false(alone, states) > 0)
        different = sum(state is not Winner.TIE for state in states.values())
        told["marked"].append((len(marks) - _false(marks, states)) / max(1, different))
        payoffs = {
            replace(found.case, seq_len=point.length): point.state
            for found in analysis.payoffs(summaries, "sdpa")
            for point in found.points
            if point.state is not Winner.TIE
        }
        leaders = {ranking.seq_len: ranking.leaders for ranking in analysis.rankings(summaries, "sdpa")}
        fastest = [min((case for case in truth if case.seq_len == n), key=truth.__getitem__) for n in LENGTHS]
        missed = any(case not in [s.case for s in leaders[case.seq_len]] for case in fastest)
        told["payoffs"].append(_false(payoffs, states) > 0)
        told["leaders"].append(missed)
        told["sentences"].append(told["payoffs"][-1] or missed)
    return {name: round(float(np.mean(values)), 4) for name, values in told.items()}


def tails(rng: np.random.Generator, processes: int, noise: Draw, runs: int) -> dict[str, float]:
    """How often the upper end of p99 is above the 99th percentile of the calls of all processes that might have run."""
    logs = BETWEEN * np.concatenate([noise(rng, processes) for _ in range(10**6 // processes)])
    true = float(np.exp(np.quantile(logs + WITHIN * rng.normal(0, 1, len(logs)), 0.99)))
    held: dict[float, list[bool]] = {confidence: [] for confidence in CONFIDENCES}
    for _ in range(runs):
        times = np.exp(
            BETWEEN * noise(rng, processes)[:, None] + WITHIN * rng.normal(0, 1, (processes, CALLS // processes))
        )
        [summary] = analysis.summarise(
            [
                Result(Case("sdpa", 64), number, "ok", (Measurement("latency", "s", tuple(map(float, calls))),))
                for number, calls in enumerate(times, 1)
            ]
        )
        for confidence in CONFIDENCES:
            found = summary.tail(confidence)
            assert found is not None
            held[confidence].append(found.high >= true)
    return {f"{confidence:g}": round(float(np.mean(hits)), 4) for confidence, hits in held.items()}


def _false(claims: Mapping[Case, Winner | None], truth: Mapping[Case, Winner]) -> int:
    return sum(claim is not truth[case] for case, claim in claims.items())


def _state(speedup: float) -> Winner:
    return Winner.FASTER if speedup > 1 else Winner.SLOWER if speedup < 1 else Winner.TIE


def simulate(runs: int, processes: int = 1, rounds: Sequence[int] = ROUNDS) -> dict[str, Any]:
    """All figures, from that many runs for each number of rounds and each noise."""
    each = [(count, name, runs) for count in rounds for name in NOISE]
    return {
        "cases": CASES,
        "runs": runs,
        "rows": rows(_row, each, processes),
        "few": rows(_few, each, processes),
        "statements": rows(_said, [(*one, equal) for one in each for equal in EQUAL], processes),
        "tails": rows(_ends, [(count, name, runs) for count in PROCESSES for name in NOISE], processes),
    }


def first() -> dict[str, Any]:
    """The figures of one run each, of three rounds."""
    return simulate(1, rounds=(3,))


def _row(rounds: int, name: str, runs: int) -> dict[str, Any]:
    rng, noise = np.random.default_rng([rounds, _place(name)]), NOISE[name]
    row = {"rounds": rounds, "noise": name, **intervals(rng, rounds, noise, runs)}
    return row | comparisons(rng, rounds, noise, runs)


def _few(rounds: int, name: str, runs: int) -> dict[str, Any]:
    """The intervals of runs with FEW ratios."""
    rng = np.random.default_rng([rounds, _place(name), FEW])
    return {"rounds": rounds, "noise": name, **intervals(rng, rounds, NOISE[name], runs, FEW)}


def _said(rounds: int, name: str, runs: int, equal: int) -> dict[str, Any]:
    rng = np.random.default_rng([rounds, _place(name), equal])
    figures = statements(rng, rounds, NOISE[name], runs, equal)
    return {"rounds": rounds, "noise": name, "equal": equal, **figures}


def _ends(processes: int, name: str, runs: int) -> dict[str, Any]:
    """The upper ends of p99."""
    rng = np.random.default_rng([processes, _place(name), CALLS])
    return {"processes": processes, "noise": name, "held": tails(rng, processes, NOISE[name], runs)}


def _place(name: str) -> int:
    return list(NOISE).index(name)


def table(found: Mapping[str, Any]) -> list[str]:
    """The figures as a Markdown table."""
    planted = [f"{factor:g}x found" for factor in PLANTED if factor > 1]
    head = ["rounds", "noise", "ratios held", "of the noisiest quarter", "latencies held", "median half-width"]
    head += ["comparisons with a false alarm", *planted]
    lines = ["| " + " | ".join(head) + " |", "|--:|---|" + "--:|" * (len(head) - 2)]
    for row in found["rows"]:
        shares = [row["ratios"], row["ratios_of_noisiest_quarter"], row["latencies"]]
        cells = [str(row["rounds"]), row["noise"], *(f"{share:.1%}" for share in shares)]
        cells += [f"{math.expm1(row['half_width']):.0%}", f"{row['false_alarms']:.1%}"]
        lines.append("| " + " | ".join([*cells, *(f"{share:.0%}" for share in row["found"].values())]) + " |")
    return [
        *lines,
        "",
        f"{found['runs']} simulated runs per row for the intervals, and as many comparisons per change.",
        "",
        *targets(found),
        "",
        *few_table(found),
        "",
        f"{found['runs']} simulated runs per row, each with {FEW} ratios.",
        "",
        *statements_table(found),
        "",
        f"{found['runs']} simulated runs per row, of {len(METHODS)} methods and sdpa at {len(LENGTHS)} lengths.",
        "",
        *tails_table(found),
        "",
        f"{found['runs']} simulated runs per row, of {CALLS} calls in all processes together.",
    ]


def targets(found: Mapping[str, Any]) -> list[str]:
    """What is asked of comparisons, and which figures miss that."""
    shares = " and ".join(f"{least:.0%} of changes of {factor:g}x" for factor, least in LEAST_FOUND.items())
    asked = f"At most {MOST_FALSE_ALARMS:.0%} of comparisons should have a false alarm, and at least {shares} be found."
    missed = [
        f"a false alarm in {row['false_alarms']:.1%} ({_of(row)})"
        for row in found["rows"]
        if row["false_alarms"] > MOST_FALSE_ALARMS
    ]
    missed += [
        f"{row['found'][f'{factor:g}']:.0%} of {factor:g}x found ({_of(row)})"
        for factor, least in LEAST_FOUND.items()
        for row in found["rows"]
        if row["found"][f"{factor:g}"] < least
    ]
    return [asked, f"**Missed:** {'; '.join(missed)}." if missed else "No figure of the table misses that."]


def _of(row: Mapping[str, Any]) -> str:
    return f"{row['rounds']} rounds, {row['noise']}"


def few_table(found: Mapping[str, Any]) -> list[str]:
    """The figures on runs with few ratios as a Markdown table."""
    lines = ["| rounds | noise | few ratios held | latencies held | median half-width |", "|--:|---|--:|--:|--:|"]
    for row in found["few"]:
        shares = f"{row['ratios']:.1%} | {row['latencies']:.1%} | {math.expm1(row['half_width']):.0%}"
        lines.append(f"| {row['rounds']} | {row['noise']} | {shares} |")
    return lines


def statements_table(found: Mapping[str, Any]) -> list[str]:
    """The figures on marks and sentences as a Markdown table."""
    head = ["rounds", "noise", "methods like sdpa", *STATEMENTS.values()]
    lines = ["| " + " | ".join(head) + " |", "|--:|---|--:|" + "--:|" * len(STATEMENTS)]
    for row in found["statements"]:
        none = {"marked"} if row["equal"] == len(METHODS) else set()  # where nothing differs, nothing can be marked
        shares = ("-" if name in none else f"{row[name]:.1%}" for name in STATEMENTS)
        lines.append(f"| {row['rounds']} | {row['noise']} | {row['equal']} of {len(METHODS)} | {' | '.join(shares)} |")
    return lines


def tails_table(found: Mapping[str, Any]) -> list[str]:
    """The figures on the upper ends of p99 as a Markdown table."""
    head = ["processes", "noise", *(f"p99 under its upper end at {confidence:.0%}" for confidence in CONFIDENCES)]
    lines = ["| " + " | ".join([*head, "called a bound"]) + " |", "|--:|---|" + "--:|" * len(CONFIDENCES) + "---|"]
    for row in found["tails"]:
        shares = (f"{share:.1%}" for share in row["held"].values())
        called = "yes" if row["processes"] >= LEAST_PROCESSES else "no"
        lines.append(f"| {row['processes']} | {row['noise']} | {' | '.join(shares)} | {called} |")
    return lines


if __name__ == "__main__":
    run_program(__doc__, 200, simulate, first, table)
