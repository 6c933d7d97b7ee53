"""Store one day of a fleet in PostgreSQL and ask what a report asks: `python -m benchmarks.fleet --json fleet.json`.

A machine stores 1,440 results a day: 288 cases in five rounds, as one run. The program starts a PostgreSQL server of
its own on this machine, with `fsync` on. The first machines are stored by the code that `dctbench run --store` uses,
in commits of 500 results, which gives the rate of one writer. The same rows of the others are sent by COPY, which is
quicker. Each of ten classes of machines has values of its own. `--machines 100,1000` asks at 100 machines as well, so
that the answers show how they grow. This is not a test: times depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.store_speed import made
from dctbench.compare.history import history
from dctbench.machine.environment import collect
from dctbench.model import Case, Environment, Result
from dctbench.runs.lookup import recorded
from dctbench.store import Store, open_store, records
from dctbench.store.pruning import remove_runs
from tests.support import postgresql
from tests.support.made import ENVIRONMENT, RUN

RESULTS = Path(__file__).with_name("fleet.json")
MACHINES, CASES, ROUNDS, CLASSES = 1000, 288, 5, 10
DAY = CASES * ROUNDS
"""Results that one machine stores in a day."""
SECONDS_PER_DAY, DAYS_KEPT = 86_400, 90
TRIES, LONG = 3, 5.0
"""Tries of a question, and the seconds after which there is no further one."""
BY_STORE = 10
"""Machines whose results are stored as `run` stores them."""


def cases() -> list[Case]:
    """The cases of every machine: sdpa and dct-x at 7 ratios, at 36 lengths."""
    lengths = [64 * number for number in range(1, 37)]
    return [Case("dct-x", n, 2**power) if power else Case("sdpa", n) for n in lengths for power in range(8)]


def day_of_a_class(number: int) -> list[Result]:
    """The results that each machine of a class stores in a day."""
    draw = random.Random(number)
    return [
        replace(made(case, round, draw), fingerprint=f"{number:016x}")
        for round in range(1, ROUNDS + 1)
        for case in cases()
    ]


class Fleet:
    """Stores the days of machines.

    Args:
        store: of the fleet.
        server: on which it is.
    """

    def __init__(self, store: Store, server: postgresql.Server) -> None:
        self.store = store
        self._server = server
        self._days = [day_of_a_class(number) for number in range(CLASSES)]
        self._rows = [[records.row_of_result("", result) for result in day] for day in self._days]
        self._plan = cases()

    def add(self, machine: int, *, by_store: bool) -> str:
        """Store the day of one machine, and return the id of its run."""
        run = replace(RUN, id=f"{machine:016x}", started_at=f"2026-01-02T{machine % 24:02d}:00:00.000000+00:00")
        self.store.add_run(run, self._plan, ROUNDS)
        facts = {**ENVIRONMENT.facts, "host": f"bench-{machine}"}
        self.store.add_environment(run.id, Environment(facts, f"{machine % CLASSES:016x}"))
        if by_store:
            assert self.store.add_results(run.id, self._days[machine % CLASSES]) == DAY
        else:
            self._server.copy("results", [_of_run(row, run.id) for row in self._rows[machine % CLASSES]])
        return run.id


def _of_run(row: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    """Return the row of a result in another run, with its own seal."""
    content = {**row, "run_id": run_id}
    stored_at, _ = content.pop("stored_at"), content.pop("sha256")
    return {**content, "stored_at": stored_at, "sha256": records.seal(content)}


def asked(store: Store, runs: Sequence[str]) -> list[dict[str, Any]]:
    """Time what a report and its neighbours ask, and the removal of the day of one machine, which comes last."""
    middle = runs[len(runs) // 2]
    questions: dict[str, Callable[[], object]] = {
        "list runs": store.runs,
        "open the latest run": lambda: recorded(store, store.find_run("latest").run),
        "open a run by its id": lambda: recorded(store, store.find_run(middle).run),
        "history of a case": lambda: history(store, cases()[-1]),
    }
    rows = [{"what": what, "seconds": _least(question)} for what, question in questions.items()]
    begin = time.perf_counter()
    remove_runs(store, [middle])
    return [*rows, {"what": "remove the day of a machine", "seconds": time.perf_counter() - begin}]


def _least(call: Callable[[], object]) -> float:
    """Return the least seconds of up to three tries; none follows once LONG seconds were taken in all."""
    taken: list[float] = []
    while len(taken) < TRIES and sum(taken) < LONG:
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def document(found: dict[str, Any]) -> list[str]:
    """The table of the document: a row per question, a column per number of machines."""
    stages = found["stages"]
    lines = ["| | " + " | ".join(f"{stage['machines']:,} machines" for stage in stages) + " |"]
    lines += ["|---|" + "--:|" * len(stages)]
    figures = [
        ("rows", [f"{stage['rows']:,}" for stage in stages]),
        ("size of the database", [f"{stage['bytes'] / 1e9:.2f} GB" for stage in stages]),
    ]
    for number, row in enumerate(stages[0]["asked"]):
        figures.append((row["what"], [f"{stage['asked'][number]['seconds']:.3g} s" for stage in stages]))
    lines += [f"| {what} | {' | '.join(values)} |" for what, values in figures]
    facts, largest = found["facts"], stages[-1]
    loads = ", ".join(f"{stage['load']:.1f}" for stage in stages)
    needed = largest["machines"] * found["results_per_day"] / SECONDS_PER_DAY
    machines, size, rate = largest["machines"], largest["bytes"] / 1e9, found["rows_per_second"]
    return [
        *lines,
        "",
        f"- A fleet of {machines:,} machines stores {needed:.1f} rows per second. "
        f"One writer stored {rate:,.0f} per second.",
        f"- A day takes {size:.2f} GB, so {DAYS_KEPT} days take {DAYS_KEPT * size:.0f} GB.",
        f"- PostgreSQL {found['postgresql']} ran on the same {facts['cores_usable']} cores ({facts['cpu']}), "
        "which other",
        f"  programs shared: load average {loads}. Each time is the least of up to {TRIES} tries; a long "
        "question has fewer. A removal was made once.",
    ]


def main() -> None:
    """Fill a database machine by machine, and ask at each number of machines."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--machines", default=f"{MACHINES // 10},{MACHINES}", help="numbers at which to ask")
    parser.add_argument("--json", type=Path, help="write what was measured here, after each number of machines")
    options = parser.parse_args()
    numbers = sorted(map(int, options.machines.split(",")))
    if numbers[0] < BY_STORE:
        parser.error(f"--machines: at least {BY_STORE}, which are stored as a machine stores")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        (place / "server").mkdir()
        with postgresql.running(place / "server", fsync=True) as server, open_store(server.url, create=True) as store:
            [(version,)] = server.query("SHOW server_version")
            about: dict[str, Any] = {
                "postgresql": str(version).split()[0],
                "results_per_day": DAY,
                "facts": dict(collect().facts),
            }
            fleet = Fleet(store, server)
            begin = time.perf_counter()
            runs = [fleet.add(machine, by_store=True) for machine in range(BY_STORE)]
            about["rows_per_second"] = BY_STORE * DAY / (time.perf_counter() - begin)
            about["stages"] = stages = []
            for number in numbers:
                runs += [fleet.add(machine, by_store=False) for machine in range(len(runs), number)]
                server.query("ANALYZE")
                [(size,)] = server.query("SELECT pg_database_size('bench')")
                [(rows,)] = server.query("SELECT count(*) FROM results")
                load = float(Path("/proc/loadavg").read_text().split()[0])
                stages.append(
                    {"machines": number, "rows": rows, "bytes": size, "load": load, "asked": asked(store, runs)}
                )
                removed = int(runs[len(runs) // 2], 16)
                fleet.add(removed, by_store=False)
                print(json.dumps(stages[-1]), flush=True)
                if options.json:
                    options.json.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
