"""Would the tests notice? Each room's code is changed in one place at a time, and its own tests run.

    python -m benchmarks.mutation                          every room, without a limit
    python -m benchmarks.mutation stats compare --minutes 20
    python -m benchmarks.mutation stats --again            those that survived the last time, after new tests

mutmut makes the mutants and runs each in a fork, with the tests that reach the changed function, without those marked
slow. It changes what is in functions and methods, not properties and constants. Mutants are tried in a random order, so
those tried within a time limit are a fair sample of the room. The result file keeps the survivors, with the reason
where someone has judged that no test should notice one. A mutant whose tests did not end in time is counted apart: on a
busy machine that says nothing. Run it with nice where others work.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from dctbench.machine import environment

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("mutation.json")
JUDGED = Path(__file__).with_name("mutation_judged.json")
"""Survivors that no test should notice: `where`, `was`, `becomes` as in the result file, and `why`."""
ROOMS = ("stats", "analysis", "spec", "compare", "scheduler", "store")
GOAL = 0.85
ORDER_SEED = 0
AT_ONCE = 100
"""Mutants that one call of mutmut tries. Between two calls the time limit is looked at."""
NOTICED = "killed"
"""What mutmut says of a mutant with which a test failed."""
UNNOTICED = ("survived", "no tests")
UNCLEAR = ("timeout", "segfault", "suspicious")
"""What mutmut says of a mutant with which the tests were stopped: it may be noticed, or the machine may be busy."""
_LEFT_OUT = {
    "store": ("test_postgresql.py", "test_durability.py", "test_formats.py", "test_io_errors.py", "test_machine.py")
}
"""Tests by room that take minutes with each mutant that survives the others: most start processes or a server."""
_COPIED = ("dctbench", "suites", "reports", "tests", "benchmarks", "docs", "README.md", "CHANGELOG.md")
_FAILED = ("failed to collect stats", "Failed to run clean test")
_STRICT = re.compile(r",?\s*strict=(True|False|None)|, (?=\))")
_EQUAL_LENGTHS = "Equivalent: the lengths are equal, which strict= checks."
_SHOW = """
import sys
from mutmut.__main__ import cli
for name in sys.argv[1:]:
    print(chr(12), flush=True)
    cli(["show", name], standalone_mode=False)
"""
"""`mutmut show` of many in one process, each after a form feed."""
_NAME = re.compile(r"(?P<module>[\w.]+)\.x(?P<path>ǁ\w+ǁ|_)(?P<function>\w+)__mutmut_\d+")
_CONFIGURATION = """
[tool.mutmut]
source_paths = ["dctbench"]
only_mutate = ["dctbench/{room}/*"]
also_copy = ["suites", "reports", "benchmarks", "docs", "README.md", "CHANGELOG.md"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "--hypothesis-seed=0", "-m", "not slow"]
pytest_add_cli_args_test_selection = {tests}
use_git_change_detection = false
track_dependencies = false
"""


class TestsFailError(SystemExit):
    """The tests of a room fail without any change. Ends the program with what mutmut says of them."""


class Mutants:
    """The mutants of one room, in a folder of their own."""

    def __init__(self, room: str, folder: Path, children: int) -> None:
        self.folder, self.children = folder, children
        for name in _COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name, **_ignoring(copy))
        configuration = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        left_out = [f"--ignore=tests/{room}/{name}" for name in _LEFT_OUT.get(room, ())]
        configuration += _CONFIGURATION.format(room=room, tests=json.dumps([f"tests/{room}", *left_out]))
        (folder / "pyproject.toml").write_text(configuration, encoding="utf-8")

    def make(self) -> list[str]:
        """Make them and see which test reaches which function. Returns their names.

        mutmut has no command for this. It makes all mutants before it looks for those that it was asked for, and
        then complains that there is none of this name.
        """
        _check_tests_pass(self._mutmut("run", "none"))
        names = sorted(self.statuses())
        if not names:
            raise SystemExit(f"mutmut made no mutants: run it in {self.folder} to see why")
        return names

    def run(self, names: Sequence[str], seconds: float | None) -> None:
        """Try some of them, for at most so many seconds."""
        _check_tests_pass(self._mutmut("run", "--max-children", str(self.children), *names, timeout=seconds))

    def statuses(self) -> dict[str, str]:
        """What is known of each by its name; `not checked` of one that was not tried."""
        return read_statuses(self._mutmut("results", "--all", "true"))

    def changes(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """By name, where a mutant is, and what it changes."""
        _, *shown = self._python("-c", _SHOW, *names).split("\f")
        return {name: {"where": where(name), **read_change(text)} for name, text in zip(names, shown, strict=True)}

    def _mutmut(self, *arguments: str, timeout: float | None = None) -> str:
        return self._python("-m", "mutmut", *arguments, timeout=timeout)

    def _python(self, *arguments: str, timeout: float | None = None) -> str:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        try:
            return process.communicate(timeout=timeout)[0]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # it stores what it has
            return process.communicate()[0]


def _ignoring(copy: object) -> dict[str, Any]:
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    return {"ignore": ignored} if copy is shutil.copytree else {}


def _check_tests_pass(said: str) -> None:
    """Raise where mutmut says that the tests fail without any change."""
    if any(words in said for words in _FAILED):
        raise TestsFailError("\n".join(said.splitlines()[-20:]))


def read_statuses(text: str) -> dict[str, str]:
    """The statuses in what `mutmut results --all true` prints, by name."""
    lines = (line.strip().rpartition(": ") for line in text.splitlines() if "__mutmut_" in line)
    return {name: status for name, _, status in lines}


def read_change(text: str) -> dict[str, str]:
    """The changed lines in what `mutmut show` prints, without indentation."""
    lines = [line for line in text.splitlines() if not line.startswith(("---", "+++"))]
    was, becomes = ("\n".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return {"was": was, "becomes": becomes}


def where(name: str) -> str:
    """`dctbench/stats/robust.py, quantile` for mutmut's name of a mutant of that function."""
    found = _NAME.fullmatch(name)
    if found is None:
        return name
    owner = found["path"].strip("ǁ_")
    function = f"{owner}.{found['function']}" if owner else found["function"]
    return f"{found['module'].replace('.', '/')}.py, {function}"


def measure(room: str, seconds: float | None, children: int, most: int | None = None) -> dict[str, Any]:
    """Try the mutants of a room in a random order until all are tried, or so many, or the time is over.

    On a busy machine a test may fail without any change: then mutmut tries nothing of a batch, and gets it once more.
    If that fails too, what was tried before counts.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dctbench-mutation-") as folder:
        mutants = Mutants(room, Path(folder), children)
        names = mutants.make()
        order = random.Random(ORDER_SEED).sample(names, min(len(names), most or len(names)))
        start, failed = 0, False
        while start < len(order):
            left = None if seconds is None else seconds - (time.monotonic() - began)
            if left is not None and left <= 0:
                break
            try:
                mutants.run(order[start : start + AT_ONCE], left)
            except TestsFailError as failure:
                if not failed:
                    failed = True
                    continue
                if start == 0:
                    raise
                print(f"{room}: no more is tried, since the tests fail without any change:\n{failure}", file=sys.stderr)
                break
            start, failed = start + AT_ONCE, False
            print(f"{room}: {sum(map(_tried, mutants.statuses().values()))} of {len(names)}", flush=True)
        statuses = mutants.statuses()
        survivors = mutants.changes([name for name in names if statuses[name] in UNNOTICED]).values()
    found = list(statuses.values())
    return {
        "mutants": len(names),
        "tried": sum(map(_tried, found)),
        "noticed": found.count(NOTICED),
        "mended": 0,
        "unclear": sum(status in UNCLEAR for status in found),
        "survivors": sorted(survivors, key=_change),
    }


def measure_again(room: str, row: Mapping[str, Any], children: int) -> dict[str, Any]:
    """Try the survivors of a room again, and return its row.

    Those that are noticed by now, and those whose code is gone, count as mended. The share that was noticed stays:
    tests that were written for a sample say nothing of the other mutants. A survivor is found by what it changes, since
    the numbers in mutmut's names move with every edit of a function.
    """
    with tempfile.TemporaryDirectory(prefix="dctbench-mutation-") as folder:
        mutants = Mutants(room, Path(folder), children)
        names = mutants.make()
        known = {_change(one) for one in row["survivors"]}
        places = {place for place, _, _ in known}
        found = mutants.changes([name for name in names if where(name) in places])
        same = {name: one for name, one in found.items() if _change(one) in known}
        if same:
            mutants.run(list(same), None)
        statuses = mutants.statuses()
    survivors = sorted((one for name, one in same.items() if statuses[name] != NOTICED), key=_change)
    return {**row, "mended": row["tried"] - row["noticed"] - len(survivors), "survivors": survivors}


def _tried(status: str) -> bool:
    return status in (NOTICED, *UNNOTICED)


def judged(survivors: Iterable[Mapping[str, str]], reasons: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """The survivors, each with the reason that someone gave for it, if any.

    One change needs nobody: `zip(strict=True)` that no longer checks the lengths.
    """
    known = {_change(one): one["why"] for one in reasons}
    found = []
    for one in survivors:
        why = known.get(_change(one)) or (_EQUAL_LENGTHS if _unchecked_zip(one) else None)
        found.append({**one, **({"why": why} if why else {})})
    return found


def _judged_anew(rooms: Mapping[str, Any], reasons: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The rooms by name, with the reasons of now beside their survivors."""
    bare = {room: [{k: v for k, v in one.items() if k != "why"} for one in rooms[room]["survivors"]] for room in rooms}
    return {room: {**rooms[room], "survivors": judged(bare[room], reasons)} for room in sorted(rooms)}


def _unchecked_zip(one: Mapping[str, str]) -> bool:
    was, becomes = (_STRICT.sub("", one[side]) for side in ("was", "becomes"))
    return "strict=True" in one["was"] and was == becomes


def _change(one: Mapping[str, str]) -> tuple[str, str, str]:
    return one["where"], one["was"], one["becomes"]


def table(found: Mapping[str, Any]) -> list[str]:
    """The rooms as a Markdown table."""
    lines = [
        "| room | mutants | tried | noticed | mended since | survivors | of these judged harmless | stopped |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for room, row in found["rooms"].items():
        harmless = sum("why" in one for one in row["survivors"])
        share = f"{row['noticed']} ({row['noticed'] / row['tried']:.0%})" if row["tried"] else "-"
        lines.append(
            f"| `{room}/` | {row['mutants']} | {row['tried']} | {share} | {row['mended']} "
            f"| {len(row['survivors'])} | {harmless} | {row['unclear']} |"
        )
    return [*lines, "", f"By mutmut {found['mutmut']}, Python {found['python']}. The goal is {GOAL:.0%}."]


def main() -> None:
    """Try mutants and print the table. The result file is written after each room; others keep their results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutation", description=__doc__)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"of {', '.join(ROOMS)}; default: all")
    parser.add_argument("--minutes", type=float, help="for each room")
    parser.add_argument("--most", type=int, metavar="N", help="mutants of each room, drawn at random")
    parser.add_argument("--again", action="store_true", help="only those that survived in the result file")
    parser.add_argument("--children", type=int, default=2, help="mutants at a time")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    if unknown := sorted({*options.rooms} - {*ROOMS}):  # choices= would refuse an empty list
        parser.error(f"no such room: {', '.join(unknown)}")
    if options.again and (options.minutes or options.most):
        parser.error("--again tries all survivors, so it goes without --minutes and --most")
    try:
        version = metadata.version("mutmut")
    except metadata.PackageNotFoundError:
        raise SystemExit("mutmut is not installed: pip install -e '.[mutation]'") from None
    stored = json.loads(options.output.read_text(encoding="utf-8")) if options.output.exists() else {"rooms": {}}
    reasons = json.loads(JUDGED.read_text(encoding="utf-8")) if JUDGED.exists() else []
    rooms = stored["rooms"]
    if options.again and (unknown := sorted({*options.rooms} - {*rooms})):
        parser.error(f"{', '.join(unknown)} was not measured yet, so there is nothing to try again")
    if options.again and not rooms:
        parser.error("nothing was measured yet, so there is nothing to try again")
    python = environment.collect().facts["python"]
    for room in options.rooms or (rooms if options.again else ROOMS):
        if options.again:
            rooms[room] = measure_again(room, rooms[room], options.children)
        else:
            seconds = options.minutes and 60 * options.minutes
            rooms[room] = measure(room, seconds, options.children, options.most)
        found = {"mutmut": version, "python": python, "rooms": _judged_anew(rooms, reasons)}
        options.output.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
