"""Which of the runs of a machine the atlas shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.app.atlas import AtlasRequest, gallery_problems, make_atlas
from dctbench.errors import UsageError
from dctbench.model import Result
from dctbench.page.atlas import atlas_html
from dctbench.scheduler.events import Event, Notice
from dctbench.store import open_store
from dctbench.store.importing import import_run
from tests.support.made import ENVIRONMENT, RUN, in_two_rounds, result
from tests.support.trained import trained


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


def test_a_later_run_of_one_method_at_one_length_replaces_that_point_alone(tmp_path: Path) -> None:
    """dct-kv takes half the time of sdpa, and in the second run a quarter, since its sdpa takes twice as long."""
    source = str(tmp_path / "results.sqlite")
    beside = in_two_rounds(result("pool", n, 1.5e-6 * n, ratio=8) for n in (512, 1024, 2048))
    later = in_two_rounds([result("sdpa", 1024, 4e-6 * 1024), result("dct-kv", 1024, 1e-6 * 1024, ratio=8)])
    with open_store(source, create=True) as store:
        for name, day, results in (("b", 2, later), ("a", 1, [*sweep(1), *beside])):
            run = replace(RUN, id=name * 16, started_at=f"2026-01-0{day}T00:00:00.000000+00:00")
            import_run(store, run, [ENVIRONMENT], results)
    made = make_atlas(AtlasRequest(sources=[source]))
    [sheet] = made.sheets
    [row] = sheet.rows.values()
    told = {c.implementation: {p.length: p.speedup.ratio for p in found.points} for c, found in row.items()}
    assert told == {
        "dct-kv": pytest.approx({512: 2.0, 1024: 4.0, 2048: 2.0}),
        "pool": pytest.approx(dict.fromkeys((512, 1024, 2048), 2 / 1.5)),
    }
    [runs] = made.runs.values()
    shown = {(one.run.id[0], case.implementation, case.seq_len) for one in runs for case in one.plan}
    assert shown == {("b", "dct-kv", 1024), ("a", "dct-kv", 512), ("a", "dct-kv", 2048)} | {
        ("a", "pool", n) for n in (512, 1024, 2048)
    }
    page = atlas_html(made.sheets, made.runs, made.reference)
    assert "n = 1024 of run bbbbbbbb" in page
    assert "n = 512, 1024, 2048 of run aaaaaaaa" in page


def test_shards_of_one_sweep_in_files_of_their_own_are_all_named(tmp_path: Path) -> None:
    sources = []
    for number, length in ((1, 512), (2, 1024)):
        sources.append(str(tmp_path / f"{number}.sqlite"))
        with open_store(sources[-1], create=True) as store:
            import_run(store, RUN, [ENVIRONMENT], [one for one in sweep(1) if one.case.seq_len == length])
    made = make_atlas(AtlasRequest(sources=sources))
    [runs] = made.runs.values()
    assert [{case.seq_len for case in one.plan} for one in runs] == [{512}, {1024}]


def test_two_machines_of_one_name_have_a_row_each(tmp_path: Path) -> None:
    source = str(tmp_path / "results.sqlite")
    fingerprints = ("abcdef0000000001", "abcdef0000000002", "9" * 16)
    with open_store(source, create=True) as store:
        for number, fingerprint in enumerate(fingerprints):
            here = replace(ENVIRONMENT, fingerprint=fingerprint)
            results = [replace(one, fingerprint=fingerprint) for one in sweep(1)]
            import_run(store, replace(RUN, id=f"{number}" * 16), [here], results)
    made = make_atlas(AtlasRequest(sources=[source]))
    machine = "Test CPU, 2 cores, torch 2.13.0"
    names = {f"{machine} (abcdef0000000001)", f"{machine} (abcdef0000000002)", f"{machine} (999999)"}
    assert set(made.runs) == names
    assert [set(sheet.rows) for sheet in made.sheets] == [names]


def test_results_that_name_no_environment_are_left_out_aloud(tmp_path: Path) -> None:
    source, heard = str(tmp_path / "results.sqlite"), list[Event]()
    with open_store(source, create=True) as store:
        import_run(store, RUN, [ENVIRONMENT], sweep(1))
        import_run(store, replace(RUN, id="9" * 16), [], [replace(one, fingerprint="") for one in sweep(1)])
    made = make_atlas(AtlasRequest(sources=[source]), heard.append)
    [run] = [run for runs in made.runs.values() for run in runs]
    assert run.run.id == RUN.id
    assert heard == [Notice("warning: left out: run 99999999 has results that name no environment")]


def test_a_reference_of_several_ratios_is_refused_also_if_each_is_of_another_run(tmp_path: Path) -> None:
    source = str(tmp_path / "results.sqlite")
    with open_store(source, create=True) as store:
        for number, ratio in enumerate((4, 8)):
            results = in_two_rounds(
                result(name, n, 1e-6 * n, ratio=of)
                for n in (512, 1024)
                for name, of in (("sdpa", None), ("dct-kv", ratio), ("linformer", None))
            )
            results += trained("linformer", [0.8, 0.9], ratio=ratio)  # no latency is divided by that
            import_run(store, replace(RUN, id=f"{number}" * 16), [ENVIRONMENT], results)
    with pytest.raises(UsageError, match=r"^--reference dct-kv: it was measured with 2 ratios or numbers kept"):
        make_atlas(AtlasRequest(sources=[source], reference="dct-kv"))
    assert make_atlas(AtlasRequest(sources=[source], reference="linformer")).sheets


@pytest.mark.parametrize("ask", [gallery_problems, lambda sources: make_atlas(AtlasRequest(sources=sources))])
def test_a_source_that_the_system_refuses_is_named_in_a_sentence(ask: Callable[[list[str]], object]) -> None:
    """Python 3.14 and later say of it that it does not exist."""
    name = "x" * 300
    with pytest.raises(UsageError, match=f"^{name}(: no such file or folder| cannot be read: File name too long)$"):
        ask([name])
