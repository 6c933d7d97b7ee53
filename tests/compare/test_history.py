"""A case over the stored runs: only what compares is joined, and a change says whether the reference changed alike."""

from __future__ import annotations

import datetime
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from dctbench.cli.tables.history import print_history, sparkline
from dctbench.compare import Rules
from dctbench.compare.check_settings import check_settings
from dctbench.compare.history import change_points, find_case, find_reference, history
from dctbench.errors import UsageError
from dctbench.model import Result, Run, RunSettings
from dctbench.store import DamagedError, Store, open_store
from dctbench.wording.history import sentences
from tests.support.made import RUN, result

METHOD = result("dct-x", 64, ratio=8).case
WOBBLE = (1.0, 1.02, 0.99, 1.01, 0.98, 1.015, 0.995)


def add(store: Store, number: int, results: Sequence[Result], **settings: object) -> Run:
    """A run on the day of that number, whose plan is the cases of its results."""
    started = datetime.datetime(2026, 1, 1, 3, 4, tzinfo=datetime.UTC) + datetime.timedelta(days=number)
    stored = RunSettings.from_json({"cache": None, "isolation": "auto", "env": {}, **settings})
    moment = started.isoformat(timespec="microseconds")
    run = replace(RUN, id=f"{number:08x}{'0' * 8}", started_at=moment, settings=stored)
    store.add_run(run, [one.case for one in results], rounds=1)
    store.add_results(run.id, results)
    return run


def pair(method: float | None, reference: float | None) -> list[Result]:
    """The case and, unless it is None, the reference beside it; of those milliseconds, or failed."""
    own = result("dct-x", 64, None if method is None else method * 1e-3, ratio=8, status="ok" if method else "error")
    return [own] if reference is None else [own, result("sdpa", 64, reference * 1e-3)]


@pytest.fixture(scope="module")
def sixteen_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of runs of which the last eight take 1.5 times as long beside a reference that stays as it was."""
    path = tmp_path_factory.mktemp("history") / "s.sqlite"
    with open_store(str(path), create=True) as opened:
        for number in range(16):
            wobble = WOBBLE[number % len(WOBBLE)]
            add(opened, number, pair((3.0 if number >= 8 else 2.0) * wobble, 1.0 * wobble))
    return path


@pytest.fixture
def store(sixteen_runs: Path, tmp_path: Path) -> Store:
    """A copy of it, to be added to."""
    return open_store(str(shutil.copy(sixteen_runs, tmp_path / "s.sqlite")))


def test_a_planted_change_is_found_at_its_run_with_its_size(store: Store) -> None:
    found = history(store, METHOD)
    assert [point.run.id[:8] for point in found.points] == [f"{number:08x}" for number in range(16)]
    assert [p.speedup.ratio for p in found.points if p.speedup] == [pytest.approx(0.5)] * 8 + [pytest.approx(1 / 3)] * 8
    [change] = change_points(found)
    assert (change.position, change.run.id[:8]) == (8, "00000008")
    assert change.before == pytest.approx(2e-3, rel=0.02)
    assert change.factor == pytest.approx(1.5, rel=0.03)
    assert change.relative == pytest.approx(1.5)
    assert (found.missing, found.untimed, found.elsewhere) == (0, 0, 0)


def test_a_machine_that_changed_shows_in_the_reference_too(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "s.sqlite"), create=True) as opened:
        for number in range(14):
            slow = (1.4 if number >= 6 else 1.0) * WOBBLE[number % len(WOBBLE)]
            add(opened, number, pair(2.0 * slow, 1.0 * slow))
        [change] = change_points(history(opened, METHOD))
        [of_reference] = change_points(history(opened, result("sdpa", 64).case))
        add(opened, 14, pair(2.8, None))
        [lacking] = change_points(history(opened, METHOD))
    assert change.factor == pytest.approx(1.4, rel=0.05)
    assert change.relative == pytest.approx(1.0)
    assert of_reference.position == change.position == 6
    assert of_reference.relative is None
    assert lacking.relative is None


def test_the_reference_in_a_model_is_the_model_as_it_is(tmp_path: Path) -> None:
    own = result("dct-x", 64, 2e-3, ratio=2, layers="2..", recover=10, scope="model", model="minilm")
    with open_store(str(tmp_path / "s.sqlite"), create=True) as opened:
        add(opened, 1, [own, result("sdpa", 64, 1e-3, scope="model", model="minilm")])
        [point] = history(opened, own.case).points
    assert point.speedup is not None
    assert point.speedup.ratio == pytest.approx(0.5)


def test_other_machines_other_settings_and_failures_are_left_out_and_counted(store: Store) -> None:
    add(store, 20, pair(9.0, 1.0), cache="cold")
    add(store, 21, [replace(one, fingerprint="e" * 16) for one in pair(9.0, 1.0)])
    add(store, 22, pair(None, 1.0))
    add(store, 23, [result("none", 64)])
    add(store, 24, pair(3.0, 1.0))
    found = history(store, METHOD)
    assert (len(found.points), found.elsewhere, found.untimed) == (17, 2, 1)
    said = sentences(found, change_points(found))
    assert "left out: 2 runs of another environment or measured in another way" in said
    assert "left out: 1 run without a latency" in said


def test_runs_in_turns_with_a_base_and_runs_by_themselves_are_two_series(store: Store) -> None:
    add(store, 20, pair(4.0, 1.0), check=check_settings("head", ["dct-x"], Rules(), base="e" * 16, base_impl=None))
    assert (len(history(store, METHOD).points), history(store, METHOD).elsewhere) == (1, 16)
    add(store, 21, pair(3.0, 1.0), check=check_settings("head", ["dct-x"], Rules(), base="e" * 16))
    assert (len(history(store, METHOD).points), history(store, METHOD).elsewhere) == (17, 1)


def test_the_newest_run_says_which_environment_is_meant(store: Store) -> None:
    add(store, 30, [replace(one, fingerprint="e" * 16) for one in pair(9.0, 1.0)])
    found = history(store, METHOD)
    assert (len(found.points), found.elsewhere, found.fingerprint) == (1, 16, "e" * 16)
    assert change_points(found) == []
    [sentence, _, intervals] = sentences(found, [])
    assert re.fullmatch(r"1 run, 20\d\d-\d\d-\d\d \d\d:\d\d: changes of level need 10 runs", sentence)
    assert (
        intervals == "the intervals are those of this case alone; in a report, all cases of a run narrow them together"
    )


@pytest.mark.parametrize("text", ["dct-x r=8 n=64", " dct-x r=8   n = 64 ", METHOD.id, METHOD.id[:6]])
def test_a_case_is_named_by_its_id_or_its_name_and_length(store: Store, text: str) -> None:
    assert find_case(store, text) == METHOD


def test_a_length_may_be_given_in_thousands_of_1024(store: Store) -> None:
    long = result("sdpa", 2048)
    add(store, 41, [long])
    assert find_case(store, "sdpa n=2k") == find_case(store, "sdpa n=2048") == long.case


@pytest.mark.parametrize("text", ["dct-x r=4 n=64", "dct-x r=8", "n=64", "", "\0", "x" * 9999, "dct-x r=8 n=64k"])
def test_what_names_no_case_is_refused_with_what_would(store: Store, text: str) -> None:
    with pytest.raises(UsageError, match="no stored run has a case") as refused:
        find_case(store, text)
    assert "n=4096" in (refused.value.hint or "")


def test_a_reference_is_what_some_run_has_at_the_shape_of_the_case(store: Store) -> None:
    add(store, 42, [*pair(3.0, 1.0), result("full", 64), result("window", 128)])
    assert [find_reference(store, METHOD, name) for name in ("sdpa", "full")] == ["sdpa", "full"]
    for unknown in ("window", "dct-x", "flul"):
        with pytest.raises(UsageError, match=f"^unknown reference of that case '{unknown}'") as refused:
            find_reference(store, METHOD, unknown)
        assert "full" in str(refused.value.hint)


def test_damage_to_another_run_leaves_the_history_and_is_told_at_the_end(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    run = add(store, 42, [result("window", 128)])
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE runs SET label = 'another' WHERE id = ?", (run.id,))
    with pytest.raises(DamagedError, match=r"1 damaged record left out$"):
        print_history(store, "dct-x r=8 n=64", "table", "sdpa")
    printed = capsys.readouterr()
    assert "x relative to sdpa" in printed.out
    assert printed.err == f"left out: the record of run {run.id} is damaged\n"
    with pytest.raises(DamagedError, match="no intact record has a case 'window n=128', and 1 record cannot be read"):
        print_history(store, "window n=128", "table")


def test_several_cases_of_one_name_are_told_apart_by_their_ids(store: Store) -> None:
    other = result("dct-x", 64, ratio=8, dtype="bfloat16")
    add(store, 40, [*pair(3.0, 1.0), other])
    with pytest.raises(UsageError, match="has 2 cases 'dct-x r=8 n=64'") as refused:
        find_case(store, "dct-x r=8 n=64")
    hint = refused.value.hint or ""
    assert any(f"{one}, {another}" in hint for one, another in permutations((METHOD.id, other.case.id)))
    assert find_case(store, other.case.id) == other.case


def test_every_format_says_the_same(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    said = {}
    for form in ("table", "json", "csv", "md"):
        print_history(store, "dct-x r=8 n=64", form)
        said[form] = capsys.readouterr().out
    document = json.loads(said["json"])
    assert len(document["points"]) == 16
    assert document["case_id"] == METHOD.id
    [change] = document["changes"]
    assert change["run"].startswith("00000008")
    assert change["factor"] == pytest.approx(change["after"] / change["before"])
    header, *rows = said["csv"].splitlines()
    assert header == "started_at,run,value,low,high,speedup,new_level"
    assert [row.split(",")[-1] != "" for row in rows] == [number == 8 for number in range(16)]
    # The eight wobbles of each level have the medians 1 and 1.005.
    trend = (
        "since run 00000008 (2026-01-09 03:04) 1.51x the latency before: 2.00 ms became 3.02 ms, 1.50x relative to sdpa"
    )
    assert f"- {trend}\n" in said["md"]
    lines = said["table"].splitlines()
    assert lines[0] == f"dct-x r=8, n = 64 (case {METHOD.id})"
    assert trend in lines
    assert lines[2].startswith("2026-01-01 03:04  00000000  2.00 ms (2.00-2.00)  0.50x")  # one round: no mark
    bars = lines[19]
    assert len(bars) == 16
    assert max(bars[:8]) < min(bars[8:])


def test_a_case_that_nobody_timed_has_a_sentence_in_the_place_of_a_series(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_store(str(tmp_path / "s.sqlite"), create=True) as opened:
        add(opened, 0, pair(None, 1.0))
        print_history(opened, METHOD.id, "table")
    assert capsys.readouterr().out.splitlines()[1:] == [
        "no stored run has a latency of this case",
        "left out: 1 run without a latency",
    ]


def test_a_sparkline_keeps_to_a_terminal_and_goes_from_lowest_to_highest() -> None:
    assert sparkline([1.0, 10.0, 100.0]) == "▁▅█"  # on a logarithmic scale 10 lies half-way; 3.5 rounds to the even 4
    assert sparkline([2.0, 2.0]) == "▁▁"
    line = sparkline([1.0] * 500 + [2.0] * 500)
    assert len(line) <= 60
    assert set(line) == {"▁", "█"}


def test_the_base_side_of_a_check_is_no_part_of_a_series(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "s.sqlite"), create=True) as store:
        add(store, 1, pair(1.0, None))
        add(store, 2, pair(1.0, None), check={"side": "base"})
        add(store, 3, pair(1.0, None), check={"side": "head"})
        add(store, 4, pair(1.0, None), check=None)  # as an imported file may have it
        found = history(store, METHOD)
    stored = [point.run.settings.to_json() for point in found.points]
    assert [settings.get("check", "none") for settings in stored] == [
        "none",
        {"side": "head"},
        None,
    ]
