"""`dctbench store merge` and `forget`: what they say of baselines, and of what is left out or lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner

from dctbench.cli.commands.store import forget
from dctbench.cli.commands.store.merge import command
from dctbench.store import open_store
from tests.support.made import CALIBRATION, RUN, result


def test_a_merge_copies_baselines_only_with_the_flag_and_says_so(tmp_path: Path) -> None:
    source, target = str(tmp_path / "a.sqlite"), str(tmp_path / "b.sqlite")
    with open_store(source, create=True) as store:
        store.add_run(RUN, [], rounds=1)
        store.save_baseline("main", RUN.id)
    without = CliRunner().invoke(command, [source, "--into", target])
    assert without.exit_code == 0
    assert "1 baseline not copied: add --baselines" in without.output
    with open_store(target) as store:
        assert store.baselines() == []
    assert "1 baseline set" in CliRunner().invoke(command, [source, "--into", target, "--baselines"]).output
    with open_store(target) as store:
        assert [(one.name, one.run_id) for one in store.baselines()] == [("main", RUN.id)]


def test_a_merge_says_which_results_and_calibrations_it_leaves_out(tmp_path: Path) -> None:
    source, target = str(tmp_path / "a.sqlite"), str(tmp_path / "b.sqlite")
    for location, seconds in ((source, 1e-5), (target, 1e-3)):
        with open_store(location, create=True) as store:
            store.add_run(RUN, [result().case], rounds=2)
            store.add_results(RUN.id, [result(seconds=seconds), result(seconds=2e-3, round=2)])
            store.add_calibration("here", replace(CALIBRATION, bandwidth=1e9 / seconds))
    done = CliRunner().invoke(command, [source, "--into", target])
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        f"0 results of 1 run are new in {target}, 1 were there already",
        f"1 result left out: {target} has another one of the same case and round",
        f"1 calibration left out: {target} has another one of the same device",
    ]


def test_the_name_of_a_run_that_is_lost_can_be_forgotten(tmp_path: Path) -> None:
    path = str(tmp_path / "a.sqlite")
    with open_store(path, create=True) as store:
        store.add_run(RUN, [], rounds=1)
        store.save_baseline("main", RUN.id)
    with closing(sqlite3.connect(path)) as connection:  # which enforces no foreign key
        connection.execute("DELETE FROM runs")
        connection.commit()
    done = CliRunner().invoke(forget.command, ["main", "--store", path])
    assert (done.exit_code, done.output) == (0, "baseline 'main' is forgotten\n")
    with open_store(path) as store:
        assert store.baselines() == []
