"""How long does each folder of tests take? Read from the JUnit files that pytest writes, kept as a result file.

    make test-all PYTEST_FLAGS="--junitxml=build/all.xml"
    python -m benchmarks.test_times build/all.xml
    python -m benchmarks.documents

The seconds of a folder are the sum over its tests, set-up included. Two tests run at a time, so the elapsed time is
less than the sum.
"""

from __future__ import annotations

import argparse
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dctbench.machine import environment

RESULTS = Path(__file__).with_name("test_times.json")


def read(path: Path) -> dict[str, Any]:
    """The tests, their seconds by folder, and the elapsed seconds of one JUnit file of pytest."""
    suites = list(ET.parse(path).getroot().iter("testsuite"))
    folders: dict[str, dict[str, float]] = {}
    for case in (case for suite in suites for case in suite.iter("testcase")):
        row = folders.setdefault(folder(case.get("classname", "")), {"tests": 0, "seconds": 0.0})
        row["tests"] += 1
        row["seconds"] = round(row["seconds"] + float(case.get("time", 0)), 3)
    elapsed = round(sum(float(suite.get("time", 0)) for suite in suites), 1)
    return {"name": path.stem, "elapsed": elapsed, "folders": dict(sorted(folders.items()))}


def folder(classname: str) -> str:
    """The folder of a test module: `tests/store` of `tests.store.test_merging`, `tests` of `tests.test_model`."""
    parts = classname.split(".")
    return "/".join(parts[:2] if len(parts) > 2 else parts[:1])


def table(found: Mapping[str, Any]) -> list[str]:
    """The folders as a Markdown table, one pair of columns per JUnit file."""
    parts = found["parts"]
    names = dict.fromkeys(name for part in parts for name in part["folders"])
    lines = ["| folder |" + "".join(f" {part['name']}: tests | seconds |" for part in parts),
             "|---|" + "--:|--:|" * len(parts)]  # fmt: skip
    for name in sorted(names):
        cells = (part["folders"].get(name) for part in parts)
        lines.append(f"| `{name}` |" + "".join(_cell(cell) for cell in cells))
    totals = [
        {key: sum(row[key] for row in part["folders"].values()) for key in ("tests", "seconds")} for part in parts
    ]
    lines.append("| all, added up |" + "".join(_cell(total) for total in totals))
    lines.append("| elapsed |" + "".join(f" | {part['elapsed']:.0f} |" for part in parts))
    machine = found["machine"]
    lines += ["", f"Measured on {machine['cores_usable']} cores ({machine['cpu']}), Python {machine['python']}, "
              f"torch {machine['torch']}."]  # fmt: skip
    return lines


def _cell(row: Mapping[str, float] | None) -> str:
    return " - | - |" if row is None else f" {row['tests']:.0f} | {row['seconds']:.0f} |"


def write(paths: Iterable[Path], output: Path = RESULTS) -> None:
    """Keep what the JUnit files say, with the machine that the tests ran on."""
    facts = environment.collect().facts
    machine = {name: facts[name] for name in ("cpu", "cores_usable", "python", "torch")}
    found = {"machine": machine, "parts": [read(path) for path in paths]}
    output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Read the JUnit files, write the result file and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.test_times", description=__doc__)
    parser.add_argument("junit", nargs="+", type=Path, help="files of pytest --junitxml, such as fast.xml and slow.xml")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    write(options.junit, options.output)
    print("\n".join(table(json.loads(options.output.read_text(encoding="utf-8")))))


if __name__ == "__main__":
    main()
