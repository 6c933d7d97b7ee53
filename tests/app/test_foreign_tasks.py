"""A store of an older version may hold a task whose name is not valid."""

from __future__ import annotations

from pathlib import Path

from dctbench.store import open_store
from tests.support.command import Cli
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.trained import trained


def test_a_task_without_a_valid_name_stops_neither_a_report_nor_a_choice(cli: Cli, tmp_path: Path) -> None:
    trainings = [
        *trained("sdpa", [0.80, 0.81]), *trained("none", [0.3, 0.31]), *trained("dct-x", [0.8, 0.8], ratio=4),
        *trained("sdpa", [0.8, 0.81], task="my task"),
    ]  # fmt: skip
    found = [*trainings, result("sdpa", 512, 2e-3), result("dct-x", 512, 1e-3, ratio=4)]
    with open_store(str(tmp_path / "old.sqlite"), create=True) as store:
        store.add_run(RUN, list(dict.fromkeys(one.case for one in found)), 2)
        store.add_environment(RUN.id, ENVIRONMENT)
        store.add_results(RUN.id, found)
    report = cli("report", "--store", "old.sqlite", "-o", "page.html")
    assert report.code == 0, report.err
    choice = cli("choose", "--store", "old.sqlite", "--seq", "512")
    assert choice.code == 0, choice.err
    assert "accuracy of dct-x r=4: mnist1d 0.800" in choice.out.replace("\n", " ")
