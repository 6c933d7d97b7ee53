"""Which of the runs of a machine the atlas shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dctbench.app.atlas import AtlasRequest, make_atlas
from dctbench.model import Result
from dctbench.store import open_store
from dctbench.store.importing import import_run
from tests.support.made import ENVIRONMENT, RUN, in_two_rounds, result


def sweep(batch: int) -> list[Result]:
    return in_two_rounds(
        result(name, n, seconds * n, ratio=ratio, batch=batch)
        for n in (512, 1024, 2048)
        for name, ratio, seconds in (("sdpa", None, 2e-6), ("dct-kv", 8, 1e-6))
    )


def test_a_later_run_replaces_of_its_machine_what_it_compares_itself(tmp_path: Path) -> None:
    source = str(tmp_path / "results.sqlite")
    alone = in_two_rounds([result("sdpa", 512, 1e-3)])
    for name, day, results, shown in (
        ("a", 1, sweep(1), {1: "a"}), ("b", 2, alone, {1: "a"}), ("c", 3, sweep(8), {1: "a", 8: "c"}),
    ):  # fmt: skip
        with open_store(source, create=True) as store:
            run = replace(RUN, id=name * 16, started_at=f"2026-01-0{day}T00:00:00.000000+00:00")
            import_run(store, run, [ENVIRONMENT], results)
        made = make_atlas(AtlasRequest(sources=[source]))
        assert {sheet.case.batch: sheet.lengths for sheet in made.sheets} == dict.fromkeys(shown, (512, 2048))
        assert [[one.run.id[0] for one in runs] for runs in made.runs.values()] == [list(shown.values())]
