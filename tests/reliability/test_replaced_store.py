"""A store that is replaced during a run: its end says which results are missing, and where they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import dctbench
from dctbench.errors import StoreError
from dctbench.scheduler.events import CaseFinished, Event
from dctbench.store import open_store
from dctbench.store.merging import merge

AXES = dctbench.AxisValues(impl="sdpa,none", seq=[64], heads=2, head_dim=8)


@pytest.mark.parametrize("moved", [True, False], ids=["moved", "deleted"])
def test_a_store_that_was_replaced_by_an_older_copy_is_noticed(tmp_path: Path, moved: bool) -> None:
    path, away, copy = tmp_path / "a.sqlite", tmp_path / "away.sqlite", tmp_path / "copy.sqlite"
    finished = 0

    def replace(event: Event) -> None:
        nonlocal finished
        if isinstance(event, CaseFinished):
            finished += 1
            if finished == 1:
                shutil.copy(path, copy)
            if finished == 2:
                if moved:
                    path.rename(away)
                copy.rename(path)

    request = dctbench.RunRequest(axes=AXES, rounds=2, store=str(path), save_baseline="main")
    with pytest.raises(StoreError, match=r"1 of 4 results of run \w+ are no longer in .*a.sqlite") as refused:
        dctbench.run(request, replace)
    hint = str(refused.value.hint)
    with open_store(str(path)) as store:
        assert store.baselines() == []
        assert store.runs()[0].stored == 3
        if not moved:
            assert "cannot be found" in hint
            return
        assert f"dctbench store merge {away} --into {path}" in hint
        with open_store(str(away)) as source:
            merge([source], store)
        assert store.runs()[0].complete


def test_a_store_that_stays_is_no_error(tmp_path: Path) -> None:
    outcome = dctbench.run(dctbench.RunRequest(axes=AXES, rounds=1, store=str(tmp_path / "a.sqlite")))
    assert (outcome.exit_code, len(outcome.recorded.results)) == (0, 2)
