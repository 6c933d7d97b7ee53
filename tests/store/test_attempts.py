"""How often a case without a result was started: counted durably, and forgotten once it ends."""

from __future__ import annotations

from pathlib import Path

from dctbench.store import open_store
from tests.support.made import RUN, result

ENDED, STOPPED, STORED = (result("sdpa", n, 1e-3).case for n in (64, 128, 256))


def test_a_start_counts_until_the_case_ends_or_has_a_result(tmp_path: Path) -> None:
    path = str(tmp_path / "results.sqlite")
    with open_store(path, create=True) as store:
        store.add_run(RUN, [ENDED, STOPPED, STORED], rounds=2)
        for case in (ENDED, STOPPED, STOPPED, STORED):
            store.start_case(RUN.id, case, 2)
        store.end_case(RUN.id, ENDED, 2)
        store.add_result(RUN.id, result("sdpa", 256, 1e-3, round=2))
    with open_store(path) as store:
        assert store.attempts(RUN.id) == {(STOPPED.id, 2): 2}
        assert store.attempts("f" * 16) == {}
