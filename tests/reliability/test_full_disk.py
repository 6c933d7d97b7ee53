"""A disk that fills during a run or a merge, and a store on a read-only file system. The file systems are real."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.store import open_store
from tests.reliability.conftest import Mount
from tests.support.command import TINY, Cli
from tests.support.made import RUN, result

SWEEP = ("run", "--impl", "sdpa", "--seq", "16..512:+8", *TINY[2:], "--progress", "none")
CASES, ROUNDS = 63, 2


@pytest.mark.slow
def test_a_full_disk_ends_the_run_which_can_be_resumed_once_there_is_space(cli: Cli, disk: tuple[Path, Mount]) -> None:
    folder, mount = disk
    store = str(folder / "results.sqlite")
    full = cli(*SWEEP, "--store", store)
    assert full.code == 5, full.err
    assert "Traceback" not in full.err
    assert store in full.err
    assert "free" in full.err
    mount("remount,size=8m")
    kept = cli("list", "cases", "--store", store, "--format", "json")
    assert kept.code == 0, kept.err
    assert cli("store", "check", "--store", store).code == 0
    before = sum(len(case["rounds"]) for case in exported(cli, store))
    assert 0 < before < CASES * ROUNDS
    resumed = cli("run", "--resume", "--store", store, "--progress", "none")
    assert resumed.code == 0, resumed.err
    after = exported(cli, store)
    assert [[one["round"] for one in case["rounds"]] for case in after] == [[1, 2]] * CASES


def test_a_merge_onto_a_full_disk_can_be_repeated_once_there_is_space(
    cli: Cli, tmp_path: Path, disk: tuple[Path, Mount]
) -> None:
    folder, mount = disk
    source, target = str(tmp_path / "source.sqlite"), str(folder / "target.sqlite")
    runs = [replace(RUN, id=f"{number:016x}") for number in range(5)]
    results = [result("sdpa", n, [1e-3] * 200) for n in range(64, 94)]
    with open_store(source, create=True) as store:
        for run in runs:
            store.add_run(run, [one.case for one in results], rounds=1)
            store.add_results(run.id, results)
    full = cli("store", "merge", source, "--into", target)
    assert full.code == 5, full.err
    assert "the disk is full" in full.err
    assert "Traceback" not in full.err
    assert cli("store", "check", "--store", target).code == 0
    listed = cli("list", "runs", "--store", target, "--format", "json").json()
    assert listed
    assert {run["results"] for run in listed} <= {"30 of 30", "0 of 30"}
    mount("remount,size=8m")
    assert cli("store", "merge", source, "--into", target).code == 0
    with open_store(target) as store:
        assert [state.run for state in store.runs()] == runs
        assert all(store.results(run.id) == results for run in runs)


def test_runs_are_removed_even_without_space_to_shrink_the_file(cli: Cli, disk: tuple[Path, Mount]) -> None:
    folder, mount = disk
    store = str(folder / "results.sqlite")
    mount("remount,size=1m")
    runs = [replace(RUN, id=f"{number:016x}") for number in range(2)]
    with open_store(store, create=True) as opened:
        for run, samples in zip(runs, (1, 100), strict=True):
            results = [result("sdpa", n, [1e-3] * samples * 20) for n in range(64, 94)]
            opened.add_run(run, [one.case for one in results], rounds=1)
            opened.add_results(run.id, results)
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    (folder / "filler").write_bytes(
        bytes(free - 200_000)
    )  # enough to remove the small run, not to rewrite the large one
    done = cli("store", "prune", "--keep", "1", "-y", "--store", store)
    assert done.code == 5, done.err
    assert "the runs were removed, but the file could not be shrunk" in done.err
    with open_store(store) as opened:
        assert [state.run for state in opened.runs()] == runs[1:]
        assert opened.results(runs[1].id) == results
    assert cli("store", "check", "--store", store).code == 0


def test_a_store_on_a_read_only_file_system_can_be_read(cli: Cli, disk: tuple[Path, Mount]) -> None:
    folder, mount = disk
    store = folder / "results.sqlite"
    mount("remount,size=8m")
    tiny = ("run", "--impl", "sdpa", *TINY[:-1], "1", "--progress", "none", "--store", str(store))
    assert cli(*tiny).code == 0
    before = store.read_bytes()
    mount("remount,ro")
    refused = cli(*tiny)
    assert refused.code == 5, refused.err
    assert str(store) in refused.err
    assert "Traceback" not in refused.err
    assert len(exported(cli, str(store))) == 2
    assert store.read_bytes() == before


def exported(cli: Cli, store: str) -> list:  # type: ignore[type-arg]
    done = cli("export", "json", "--store", store)
    assert done.code == 0, done.err
    results = done.json()["results"]
    assert isinstance(results, list)
    return results
