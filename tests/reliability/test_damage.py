"""Damage to one row of a store costs that row alone: everything else is shown, then the command names it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from dctbench.store import open_store
from tests.support.command import Cli
from tests.support.made import ENVIRONMENT, RUN, result

RESULTS = [
    result("sdpa", 64, [1e-3] * 20),
    result("full", 64, None, status="error", message="words that are lost"),
    result("none", 64, None, status="error", message="words that are kept"),
]
OTHER = replace(RUN, id="fedcba9876543210", label="other")


def test_a_report_and_a_list_show_everything_that_is_intact(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with open_store(str(path), create=True) as store:
        for run in (OTHER, RUN):
            store.add_run(run, [one.case for one in RESULTS], rounds=1)
            store.add_environment(run.id, ENVIRONMENT)
            store.add_results(run.id, RESULTS)
        store.save_baseline("main", RUN.id)
        store.save_baseline("old", RUN.id)
    lost = RESULTS[1].case.id
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE results SET status = 'oom' WHERE run_id = ? AND case_id = ?", (RUN.id, lost))
        connection.execute("UPDATE runs SET suite = 'x' WHERE id = ?", (OTHER.id,))
        connection.execute("UPDATE baselines SET saved_at = '2030' WHERE name = 'old'")
        connection.commit()
    before = path.read_bytes()
    listed = cli("list", "runs", "--store", str(path), "--format", "json")
    assert listed.code == 5
    assert [(run["run"], run["baselines"]) for run in listed.json()] == [(RUN.id[:8], ["main"])]
    assert f"left out: the record of run {OTHER.id} is damaged" in listed.err
    assert "left out: the baseline 'old' is damaged" in listed.err
    report = cli("report", RUN.id, "--store", str(path), "-o", "page.html")
    assert report.code == 5, report.err
    assert f"left out: the result of case {lost}, round 1 of run {RUN.id} is damaged" in report.err
    assert "1 damaged record left out" in report.err
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert ("words that are kept" in page, "words that are lost" in page) == (True, False)
    assert path.read_bytes() == before
