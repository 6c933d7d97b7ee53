"""Count false alarms and detections of the gate. The program can be stopped and started again.

    python -m benchmarks.gate_rates                     all kinds in turn, 440 gates, about a day
    python -m benchmarks.gate_rates --kind same         only those that should pass

A gate is one `dctbench check --base-python` of the suite `ci` at a tolerance of 10%, in a new store. Another
`--tolerance` needs a result file of its own. Base is an environment with this dctbench. Head is a copy of it in which
dct-x at one length of the suite waits for a percentage of each call's time (with equal FLOPs), or copies its input once
more, or is unchanged (`same`). The table also states the change that the gates measured, which is a little more than
the percentage. Each gate appends one line to the result file when it ends. The printed rates, and the documents, are
counted from that file: those of the gates that measured as a gate does now, and in one line those of the earlier gates.
The exact binomial intervals are those of Clopper and Pearson (Biometrika 26, 1934).
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scipy.stats import beta

from dctbench.machine import environment as measured_on

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("gate_rates.jsonl")
TOLERANCE = "10%"
"""Of the gates that the documents count, and of every line that names none."""
KINDS = {"same": 200, "10%": 60, "20%": 60, "40%": 60, "copy": 60}
"""How many gates of each kind to run."""
CURRENT_SINCE = "2026-11-30T07:32:22"
"""Of gates that began earlier, no process had an environment of random size. Before 2026-11-28, one outlying pair could
also cancel all evidence of a slowdown."""
PLANTED_LENGTH = 1024
"""Only this length is made worse. The others show whether the gate blames the right cases."""
PLANTED_CASES = 2
"""The cases of dct-x at that length: one for each ratio of the suite."""
_SLOW = """

_forward = {name}.forward


def _planted(self, x, *rest, **more):
    from time import perf_counter
    if x.shape[-2] != {length}:
        return _forward(self, x, *rest, **more)
    start = perf_counter()
    out = _forward(self, x, *rest, **more)
    until = start + (perf_counter() - start) * {factor}
    while perf_counter() < until:
        pass
    return out


{name}.forward = _planted
"""
_COPY = """

_forward = {name}.forward


def _planted(self, x, *rest, **more):
    return _forward(self, x.clone() if x.shape[-2] == {length} else x, *rest, **more)


{name}.forward = _planted
"""


def environment(folder: Path, kind: str) -> Path:
    """Make an environment with a copy of this dctbench, made worse in that way. Return its interpreter."""
    home = folder / kind.replace("%", "")
    if not home.exists():
        venv.create(home, with_pip=False)
        [site] = home.glob("lib/python*/site-packages")
        for name in ("dctbench", "suites", "reports"):
            into = site / "dctbench" / name if name != "dctbench" else site / name
            shutil.copytree(ROOT / name, into, ignore=shutil.ignore_patterns("__pycache__", "gallery"))
        (site / "dctbench-0.dist-info").mkdir()
        version = subprocess.run([sys.executable, "-c", "import dctbench; print(dctbench.__version__)"],
                                 capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
        (site / "dctbench-0.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: dctbench\nVersion: {version}\n", encoding="utf-8"
        )
        # Torch and the other packages come from the environment of this program.
        ours = [path for path in sys.path if path.endswith("site-packages")]
        (site / "zz_packages.pth").write_text("".join(f"{path}\n" for path in ours), encoding="utf-8")
        if kind != "same":
            module = site / "dctbench" / "attention" / "dct_x.py"
            text = _COPY if kind == "copy" else _SLOW
            factor = 1 + float(kind.rstrip("%")) / 100 if kind != "copy" else 1
            with module.open("a", encoding="utf-8") as file:
                file.write(text.format(name="DctXAttention", length=PLANTED_LENGTH, factor=factor))
    return home / "bin" / "python"


def gate(head: Path, base: Path, folder: Path, tolerance: str) -> dict[str, Any]:
    """Run one check as CI would. Return what it found."""
    store = Path(tempfile.mkdtemp(dir=folder)) / "results.sqlite"
    began = datetime.datetime.now(datetime.UTC)
    variables = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "GITHUB_STEP_SUMMARY")}
    done = subprocess.run(
        [str(head), "-P", "-m", "dctbench", "check", "--base-python", str(base), "--tolerance", tolerance,
         "--store", str(store), "--format", "json", "--progress", "none"],
        capture_output=True, text=True, check=False, env=variables, cwd=store.parent,
    )  # fmt: skip
    shutil.rmtree(store.parent)
    if not done.stdout:
        raise SystemExit(f"the check could not run (exit {done.returncode}):\n{done.stderr}")
    verdicts = json.loads(done.stdout)["verdicts"]
    seconds = (datetime.datetime.now(datetime.UTC) - began).total_seconds()
    bad = [v for v in verdicts if v["kind"] not in ("PASS", "FASTER", "BETTER")]
    return {
        "at": began.isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "load": round(os.getloadavg()[1], 2),
        "tolerance": tolerance,
        "exit": done.returncode,
        "cases": len({v["case_id"] for v in verdicts}),
        "verdicts": [
            [v["case"]["implementation"], v["case"]["seq_len"], v["case"]["ratio"], v["metric"], v["kind"],
             v["effect"] and round(v["effect"], 3)]
            for v in bad
        ],
    }  # fmt: skip


def _commit() -> str:
    """The commit of the measured code. A trailing + marks uncommitted changes."""
    found = subprocess.run(["git", "describe", "--always", "--dirty=+", "--exclude=*"],
                          cwd=ROOT, capture_output=True, text=True, check=False)  # fmt: skip
    return found.stdout.strip() or "unknown"


def interval(hits: int, of: int) -> tuple[float, float]:
    """The exact 95% interval of a rate (Clopper and Pearson)."""
    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, of - hits + 1))
    high = 1.0 if hits == of else float(beta.ppf(0.975, hits + 1, of - hits))
    return low, high


def called(kind: str, found: dict[str, Any]) -> dict[float, float]:
    """The planted cases that the gate fails: the change head / base, by ratio."""
    metric, verdict = ("memory.tensor", "WORSE") if kind == "copy" else ("latency", "SLOWER")
    cases = [v for v in found["verdicts"] if v[:2] == ["dct-x", PLANTED_LENGTH] and v[3:5] == [metric, verdict]]
    return {ratio: effect for _, _, ratio, _, _, effect in cases}


def _blames_others(kind: str, found: dict[str, Any]) -> bool:
    """Whether the gate calls a case slower or worse that was not changed."""
    blamed = [v for v in found["verdicts"] if v[4] in ("SLOWER", "WORSE")]
    return any(kind == "same" or v[:2] != ["dct-x", PLANTED_LENGTH] for v in blamed)


def counted(gates: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rate of each kind with its exact interval.

    A gate fails if it calls one of its planted cases. The cases are also counted, but without an interval, since the
    cases of one gate are not independent.
    """
    rows = []
    for kind in KINDS:
        of_kind = [g for g in gates if g["kind"] == kind]
        if not of_kind:
            continue
        found = [] if kind == "same" else [called(kind, g) for g in of_kind]
        hits = sum(g["exit"] == 1 for g in of_kind) if kind == "same" else sum(map(bool, found))
        changes = [change for cases in found for change in cases.values()]
        unsure = sum(g["exit"] == 3 for g in of_kind)
        low, high = interval(hits, len(of_kind))
        others = sum(_blames_others(kind, g) for g in of_kind)
        rows.append({"kind": kind, "gates": len(of_kind), "hits": hits, "rate": hits / len(of_kind), "low": low,
                     "high": high, "inconclusive": unsure, "others": others,
                     "planted": PLANTED_CASES * len(found), "called": len(changes),
                     "change": statistics.median(changes) if changes else None,
                     "seconds": sorted(g["seconds"] for g in of_kind)[len(of_kind) // 2]})  # fmt: skip
    return rows


def is_current(gate: dict[str, Any]) -> bool:
    """Whether a gate measured and judged as gates do now."""
    return str(gate["at"]) >= CURRENT_SINCE


def table(gates: Sequence[dict[str, Any]]) -> list[str]:
    """The rates as the lines of a Markdown table, and a line about the earlier gates."""
    words = {"same": "the same code", "copy": "copies its input once more",
             **{kind: f"waits {kind} longer" for kind in KINDS if kind.endswith("%")}}  # fmt: skip
    lines = ["| head | gates | failed | rate (exact 95% interval) | changed cases called | median change "
             "| blamed another case | inconclusive | median time |",
             "|---|--:|--:|--:|--:|--:|--:|--:|--:|"]  # fmt: skip
    for row in counted([gate for gate in gates if is_current(gate)]):
        rate = f"{row['rate']:.1%} ({row['low']:.1%} to {row['high']:.1%})"
        cases = f"{row['called']} of {row['planted']}" if row["planted"] else "-"
        change = f"{row['change']:.2f}x" if row["change"] else "-"
        lines.append(
            f"| {words[row['kind']]} | {row['gates']} | {row['hits']} | {rate} | {cases} | {change} | "
            f"{row['others']} | {row['inconclusive']} | {row['seconds']:.0f} s |"
        )
    if len(lines) == 2:
        lines = [f"No gate has been counted since {CURRENT_SINCE[:10]}."]
    earlier = [
        f"{words[row['kind']]}: {row['hits']} of {row['gates']}"
        for row in counted([gate for gate in gates if not is_current(gate)])
    ]
    return [*lines, "", f"Earlier gates that failed: {'; '.join(earlier)}."] if earlier else lines


def read(path: Path = RESULTS) -> list[dict[str, Any]]:
    """The gates of a result file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def tolerances(path: Path) -> set[str]:
    """The tolerances of the gates in a result file. The documents state that of the default file."""
    stated = {TOLERANCE} if path.resolve() == RESULTS else set()
    return stated | {str(gate.get("tolerance", TOLERANCE)) for gate in read(path)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the missing gates, always of the kind that lacks most, then print the rates."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate_rates", description=__doc__)
    parser.add_argument("--kind", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--tolerance", default=TOLERANCE)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    if others := sorted(tolerances(options.results) - {options.tolerance}):
        parser.error(f"{options.results} is for a tolerance of {', '.join(others)}: name another with --results")
    with tempfile.TemporaryDirectory(prefix="gate-rates-") as name:
        folder = Path(name)
        base = environment(folder / "base", "same")
        heads = {kind: environment(folder / "head", kind) for kind in options.kind}
        commit, facts = _commit(), measured_on.collect().facts
        machine = {key: facts[key] for key in ("cpu", "cpu_id", "cores_usable", "python", "torch")}
        while True:
            done = [gate for gate in read(options.results) if is_current(gate)]
            have = {kind: sum(g["kind"] == kind for g in done) / KINDS[kind] for kind in options.kind}
            kind = min(options.kind, key=lambda k: have[k])
            if have[kind] >= 1:
                break
            found = gate(heads[kind], base, folder, options.tolerance)
            with options.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"kind": kind, "commit": commit, "machine": machine, **found}) + "\n")
            print(kind, found["exit"], f"{found['seconds']:.0f} s", found["verdicts"], flush=True)
    print("\n".join(table(read(options.results))))


if __name__ == "__main__":
    main()
