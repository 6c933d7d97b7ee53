"""`dctbench store`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dctbench.store import open_store
from tests.support.command import Cli
from tests.support.made import ENVIRONMENT, RUN, result


def test_prune_removes_what_is_older_than_an_age_and_what_is_beyond_a_number(cli: Cli, tmp_path: Path) -> None:
    hours = {"month": 30 * 24, "week": 7 * 24, "day": 24, "hour": 1}
    with open_store(str(tmp_path / ".dctbench" / "results.sqlite"), create=True) as store:
        for number, (label, age) in enumerate(hours.items()):
            began = (datetime.now(UTC) - timedelta(hours=age)).isoformat(timespec="microseconds")
            run = replace(RUN, id=f"{number:016x}", label=label, started_at=began)
            store.add_run(run, [result().case], rounds=1)
            store.add_environment(run.id, ENVIRONMENT)
            store.add_result(run.id, result())

    def left(*flags: str) -> set[str]:
        done = cli("store", "prune", *flags, "--yes")
        assert done.code == 0, done.err
        return {run["label"] for run in cli("list", "runs", "--format", "json").json()}

    assert left("--older-than", "31d") == {"month", "week", "day", "hour"}
    assert left("--older-than", "10d") == {"week", "day", "hour"}
    assert left("--older-than", "12h", "--keep", "2") == {"day", "hour"}
    assert left("--older-than", "12h", "--keep", "1") == {"hour"}
