"""The times of test folders, read from JUnit files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import test_times

JUNIT = """<testsuites><testsuite name="pytest" time="7.5">
<testcase classname="tests.store.test_merging" name="a" time="1.5"/>
<testcase classname="tests.store.test_merging" name="b" time="2"/>
<testcase classname="tests.cli.commands.test_run" name="c" time="4"/>
<testcase classname="tests.test_model" name="d" time="0.25"/>
</testsuite></testsuites>"""


def test_seconds_are_added_up_by_folder(tmp_path: Path) -> None:
    for name in ("fast", "slow"):
        (tmp_path / f"{name}.xml").write_text(JUNIT, encoding="utf-8")
    output = tmp_path / "times.json"
    test_times.write([tmp_path / "fast.xml", tmp_path / "slow.xml"], output)
    found = json.loads(output.read_text(encoding="utf-8"))
    assert found["parts"][0]["folders"]["tests/store"] == {"tests": 2, "seconds": 3.5}
    head, _, *rows = test_times.table(found)
    assert head == "| folder | fast: tests | seconds | slow: tests | seconds |"
    assert rows[0] == "| `tests` | 1 | 0 | 1 | 0 |"
    assert "| `tests/cli` | 1 | 4 | 1 | 4 |" in rows
    assert "| elapsed | | 8 | | 8 |" in rows


@pytest.mark.parametrize(("name", "folder"), [("tests.a.b.test_c", "tests/a"), ("tests.test_c", "tests")])
def test_the_folder_of_a_module(name: str, folder: str) -> None:
    assert test_times.folder(name) == folder
