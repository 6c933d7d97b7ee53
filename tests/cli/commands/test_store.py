"""`dctbench store merge`: what it says of baselines."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from dctbench.cli.commands.store.merge import command
from dctbench.store import open_store
from tests.support.made import RUN


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
