"""`dctbench list`."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench import catalog
from dctbench.cli.commands.list.devices import command as devices_command
from dctbench.exporters.json_document import document, dumps
from dctbench.machine import nvml
from dctbench.model import Case, Result
from dctbench.store import open_store
from tests.fuzz.command import command
from tests.support.command import Cli
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.nvml import FakeNvml, use
from tests.support.trained import ACUITY, whole_suite


@pytest.mark.parametrize(("what", "table"), [("impls", catalog.IMPLEMENTATIONS), ("metrics", catalog.METRICS),
                                             ("devices", catalog.DEVICES)])  # fmt: skip
def test_lists_hold_the_whole_catalog_in_every_format(cli: Cli, what: str, table: dict[str, object]) -> None:
    assert [record["name"] for record in cli("list", what, "--format", "json").json()] == list(table)
    assert [row["name"] for row in csv.DictReader(io.StringIO(cli("list", what, "--format", "csv").out))] == list(table)
    assert cli("list", what, "--format", "md").out.count("\n") == len(table) + 2
    text = cli("list", what).out
    assert all(f"\n{name} " in text for name in table)


def test_devices_tell_what_is_here_or_why_not(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for device in cli("list", "devices", "--format", "json").json():
        reason = nvml.unavailable(device["name"])
        assert (device["here"] is None) is (reason is not None)
        assert reason is None or reason == f"{device['name']}: {device['unavailable']}"
        assert reason is None or f"no: {device['unavailable']}" in cli("list", "devices").out
    use(monkeypatch, FakeNvml(count=2))
    assert devices_command.main(["--format", "json"], standalone_mode=False) == 0
    [gpu] = [device for device in json.loads(capsys.readouterr().out) if device["name"] == "cuda"]
    assert (gpu["here"], gpu["unavailable"]) == ("cuda:0 Made-up GPU (8.00 GiB), cuda:1 Made-up GPU (8.00 GiB)", None)


def test_it_is_said_in_the_list_that_dct_x_attends_among_frequencies(cli: Cli) -> None:
    [entry] = [e for e in cli("list", "impls", "--format", "json").json() if e["name"] == "dct-x"]
    assert "frequencies, not positions" in entry["summary"]


def test_wrong_lists_and_missing_stores_are_one_sentence(cli: Cli) -> None:
    assert "did you mean 'impls'" in cli("list", "impl").err
    assert cli("list", "impls", "latest").code == 2
    missing = cli("list", "runs")
    assert missing.code == 5
    assert "measure something first" in missing.err


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path, environ: dict[str, str]) -> None:
    command = f"{sys.executable} -m dctbench list impls --format json | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["[", "0"]
    assert done.stderr == ""


@pytest.mark.parametrize(("line", "code"), [("doctor --store torn.sqlite", 5), ("compare a.json a.json", 3)])
def test_an_exit_code_that_says_something_does_not_depend_on_who_reads(
    tmp_path: Path, environ: dict[str, str], line: str, code: int
) -> None:
    failed = result("sdpa", 64, None, status="error")
    (tmp_path / "a.json").write_text(dumps(document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, [failed])))
    (tmp_path / "torn.sqlite").write_text("not a database " * 99)
    command = f"{sys.executable} -m dctbench {line} | head -c 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1].endswith(str(code)), done


def test_runs_that_are_not_in_the_order_of_their_starts_are_remarked_on(cli: Cli, tmp_path: Path) -> None:
    ahead = replace(RUN, id="fedcba9876543210", started_at="2099-01-02T03:04:05.000000+00:00")
    store = str(tmp_path / "a.sqlite")
    with open_store(store, create=True) as opened:
        opened.add_run(ahead, [], rounds=1)
    assert "order" not in cli("list", "runs", "--store", store).err
    with open_store(store) as opened:
        opened.add_run(RUN, [], rounds=1)
    listed = cli("list", "runs", "--store", store, "--format", "json")
    assert listed.code == 0
    assert [run["run"] for run in listed.json()] == [ahead.id[:8], RUN.id[:8]]
    assert "in the order of their arrival here, which is not that of their starts" in listed.err


def test_the_shards_of_a_sweep_that_are_there_are_listed(tmp_path: Path) -> None:
    store = str(tmp_path / "a.sqlite")
    run = replace(RUN, label="nightly", settings=replace(RUN.settings, shard="1,3/16"))
    with open_store(store, create=True) as opened:
        opened.add_run(run, [result().case], rounds=1)
        opened.add_result(run.id, result())
    [listed] = command("list", "runs", "--store", store, "--format", "json").json()
    assert listed["results"] == "1 of 1 (shard 1,3/16)"


def test_tested_implementations_have_the_resolution_that_the_latest_run_showed(cli: Cli, tmp_path: Path) -> None:
    def stored(results: Sequence[Result], run: str) -> None:
        with open_store(str(tmp_path / "trained.sqlite"), create=True) as store:
            made = replace(RUN, id=run * 16)
            store.add_run(made, list(dict.fromkeys(one.case for one in results)), rounds=3)
            store.add_environment(made.id, ENVIRONMENT)
            store.add_results(made.id, results)

    place = ("--store", "trained.sqlite")
    stored([result("sdpa", 64)], "a")
    none = cli("list", "impls", "--tested", *place)
    assert (none.code, none.out) == (0, "")
    assert "dctbench run --suite accuracy" in none.err
    stored(whole_suite(), "b")
    records = cli("list", "impls", "--tested", *place, "--format", "json").json()
    assert {(one["name"], one["ratio"]) for one in records} == set(ACUITY)
    found = {(one["name"], one["ratio"]): one for one in records}
    # Halfway between chance and exact attention is 0.5625: between 0.46 at width 1 and 0.74 at width 2.
    assert 1 < found["dct-x", 4]["low"] < found["dct-x", 4]["tokens"] < found["dct-x", 4]["high"] < 2
    assert found["none", None]["tokens"] is None
    assert {(one["task"], one["n"], one["seeds"], one["run"]) for one in records} == {("acuity", 64, 3, "b" * 8)}
    table = cli("list", "impls", "--tested", *place).out
    assert "finer than 1 token" in table
    assert "tokens (" in table


def test_cases_of_different_tasks_have_different_rows(cli: Cli, tmp_path: Path) -> None:
    cases = [Case("sdpa", 64, scope="encoder", mode="train", task=task) for task in ("acuity", "recall")]
    with open_store(str(tmp_path / "tasks.sqlite"), create=True) as store:
        store.add_run(RUN, cases, rounds=1)
    for output_format in ("table", "md"):
        rows = cli("list", "cases", "--store", "tasks.sqlite", "--format", output_format).out
        assert [rows.count(f" {task} ") for task in ("task", "acuity", "recall")] == [1, 1, 1]
    with open_store(str(tmp_path / "timed.sqlite"), create=True) as store:
        store.add_run(RUN, [Case("sdpa", 64)], rounds=1)
    assert " task " not in cli("list", "cases", "--store", "timed.sqlite").out
