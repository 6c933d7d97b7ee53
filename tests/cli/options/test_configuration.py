"""What the configuration of the current folder may not do: name servers or outer places, or agree to a loss."""

from __future__ import annotations

import socket
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dctbench.cli import cli as command_line
from dctbench.cli.options.configuration import defaults
from dctbench.errors import UsageError
from dctbench.store import open_store
from tests.support.command import TINY, Cli
from tests.support.made import RUN, result


@pytest.mark.parametrize("table", ["[tool.dctbench]", "[tool.dctbench.check]"])
def test_no_default_makes_a_gate_pass_without_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"{table}\ndry-run = true\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="dry-run cannot be set there"):
        defaults(command_line, click.Context(command_line))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("{}.export]\noutput = '{outside}'", "export.output leads out of this folder: {outside}"),
        ("{}.report]\noutput = '{outside}'", "report.output leads out of this folder: {outside}"),
        ("{}.check]\njunit = '../outside'", "check.junit leads out of this folder: ../outside"),
        ("{}]\nstore = '../outside'", "store leads out of this folder: ../outside"),
        ("{}.report]\noutput = 'link'", "report.output leads out of this folder: link"),
        ("{}.report]\noutput = 'folder/page.html'", "report.output leads out of this folder: folder/pa"),
        ("{}.report]\noutput = 'circle'", "report.output leads out of this folder: circle"),
        ("{}]\nstore = 'postgresql://me@evil.example/db'", "store must not be a URL"),
        ("{}.run]\nstore = 'postgresql+psycopg://evil.example/db'", "run.store must not be a URL"),
        ("{}.store.merge]\ninto = 'postgresql://evil.example/db'", "store.merge.into must not be a URL"),
        ("{}.export]\nforce = true", "export.force cannot be set there"),
        ("{}.store.prune]\nyes = true", "store.prune.yes cannot be set there"),
        ("{}.store]\nunfinished = true", "store.unfinished cannot be set there"),
        ("{}]\nyes = true", "yes cannot be set there"),
        ("{}.run]\naddress = '10.0.0.1:6379'", "run.address cannot be set there"),
        ("{}]\naddress = 'auto'", "address cannot be set there"),
    ],
)
def test_a_folder_names_no_server_and_no_place_outside_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, words: str
) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "folder").symlink_to(tmp_path)
    (folder / "circle").symlink_to("circle")
    text = table.replace("{}", "[tool.dctbench").replace("{outside}", str(outside))
    (folder / "pyproject.toml").write_text(text)
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError) as refused:
        defaults(command_line, click.Context(command_line))
    expected = words.replace("{outside}", str(outside))
    assert refused.value.message.startswith(f"pyproject.toml, [tool.dctbench]: {expected}")
    assert refused.value.hint is not None


def test_a_folder_removes_no_run_of_the_store_of_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = str(tmp_path / "results.sqlite")
    with open_store(place, create=True) as store:
        store.add_run(RUN, [result().case], rounds=1)
    (tmp_path / "pyproject.toml").write_text("[tool.dctbench.store.prune]\nkeep = 0\nyes = true\nunfinished = true\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DCTBENCH_STORE", place)
    done = CliRunner().invoke(command_line, ["store", "prune"])
    assert isinstance(done.exception, UsageError)
    assert done.exception.hint == "give --yes on the command line each time"
    with open_store(place) as store:
        assert [state.run.id for state in store.runs()] == [RUN.id]


def test_the_store_is_set_for_each_command_beside_the_table_of_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = "[tool.dctbench.store]\nkeep = 20\n"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(f'[tool.dctbench]\nstore = "a.sqlite"\n{group}')
    with pytest.raises(UsageError) as refused:
        defaults(command_line, click.Context(command_line))
    assert "set `store` for each command: [tool.dctbench.run] store = ..." in str(refused.value.hint)
    (tmp_path / "pyproject.toml").write_text(f'[tool.dctbench.run]\nstore = "a.sqlite"\n{group}store = "b.sqlite"\n')
    found = defaults(command_line, click.Context(command_line))
    assert found["run"] == {"store": "a.sqlite"}
    assert found["store"]["prune"] == {"keep": "20", "store": "b.sqlite"}


def test_a_server_that_a_folder_names_gets_no_password(cli: Cli, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        place = f"postgresql+psycopg://me@127.0.0.1:{server.getsockname()[1]}/results"
        (tmp_path / "pyproject.toml").write_text(f'[tool.dctbench]\nstore = "{place}"\n')
        done = cli("list", "runs", PGPASSWORD="secret", PGCONNECT_TIMEOUT="1")
        assert (done.code, done.out) == (2, ""), done.err
        assert "name a server with --store or DCTBENCH_STORE" in done.err
        with pytest.raises(TimeoutError):
            server.accept()


def test_places_inside_the_folder_are_accepted_and_the_command_line_may_name_any(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "pyproject.toml").write_text(
        '[tool.dctbench]\nstore = "out/results.sqlite"\n[tool.dctbench.export]\noutput = "out/../out/run.json"\n'
    )
    assert cli("run", "-q", "--impl", "none", *TINY).code == 0
    assert cli("export", "json").code == 0
    assert (tmp_path / "out" / "run.json").is_file()
    outside = tmp_path.parent / f"{tmp_path.name}-outside.json"
    assert cli("export", "json", "-o", str(outside)).code == 0
    outside.write_text("notes of mine")
    refused = cli("export", "json", "-o", str(outside))
    assert (refused.code, outside.read_text()) == (2, "notes of mine"), refused.err
    assert "name another file with -o, or replace it with --force" in refused.err
    assert cli("export", "json", "-o", str(outside), "--force").code == 0
    outside.unlink()


def test_a_default_that_a_call_has_no_use_for_is_ignored_and_a_typed_flag_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.dctbench]\ntolerance = "10%"\nall = true\nreference = "sdpa"\nrunner-timeout = "90s"\n'
        'require-same-cpu = true\npriority = true\nsearch = "rate"\njobs = 2\nconfidence = "99"\n'
        '[tool.dctbench.choose]\nmeasure = true\nmax-loss = "2pt"\n'
        'min-accuracy = "recall=90%"\n[tool.dctbench.compare]\nhistory = "none n=64"\n'
    )
    local = ("run", "-q", "--impl", "sdpa,none", *TINY)
    assert cli(*local).code == 0
    followed = cli("compare")
    assert (followed.code, "changes of level" in followed.out) == (0, True), followed.err
    compared = cli("compare", "latest", "latest")
    assert (compared.code, "two stored runs were compared" in compared.out) == (0, True), compared.err
    asked = ("choose", "latest", "--seq", "64", "--model", "minilm")
    unanswered = cli(*asked)
    assert (unanswered.code, "has --model minilm" in unanswered.err) == (3, True), unanswered.err
    for words, said in (
        ((*local, "--runner-timeout", "90s"), "--runner-timeout is for a cluster"),
        ((*local, "--priority"), "--priority is for calls on a schedule"),
        ((*local, "--search", "rate"), "--search is for calls on a schedule"),
        ((*local, "--jobs", "2"), "--jobs is for trainings"),
        (("choose", "--seq", "64", "--confidence", "99"), "--confidence is for the bounds of --max-latency-p99"),
        (("compare", "--tolerance", "10%"), "--history takes no --tolerance"),
        (("compare", "latest", "--history", "none n=64"), "--history takes no runs"),
        ((*asked, "--reference", "sdpa"), "--reference is for a layer"),
        ((*asked, "--min-accuracy", "recall=90%"), "--min-accuracy and --task are for a layer"),
        (("choose", "latest", "--seq", "64", "--max-loss", "2pt"), "--max-loss is for a model"),
        ((*asked, "--measure"), "--measure makes a new run"),
    ):
        refused = cli(*words)
        assert (refused.code, said in refused.err) == (2, True), refused.err


def test_a_base_that_was_typed_takes_the_place_of_the_default_one(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.dctbench.check]\nbaseline = "main"\nsave-baseline = "main"\n')
    planned = cli("check", "--base-impl", "full", "--impl", "sdpa", "--seq", "64", "--pairs", "2", "--dry-run")
    assert planned.code == 0, planned.err
    refused = cli("check", "--base-impl", "full", "--baseline", "main", "--dry-run")
    assert (refused.code, "a check has one base" in refused.err) == (2, True), refused.err
    refused = cli("check", "--base-impl", "full", "--save-baseline", "main", "--dry-run")
    assert (refused.code, refused.err.startswith("dctbench: --save-baseline: ")) == (2, True), refused.err


def test_default_axes_leave_a_baseline_its_own_cases(cli: Cli, tmp_path: Path) -> None:
    assert cli("run", "-q", "--impl", "sdpa,none", *TINY, "--save-baseline", "main").code == 0
    (tmp_path / "pyproject.toml").write_text('[tool.dctbench]\ndtype = "bf16"\nseq = "32"\n')
    baseline = ("check", "--baseline", "main", "--dry-run", "--format", "json")
    for more, shapes in (((), {(64, "float32"), (128, "float32")}), (("--seq", "256"), {(256, "bfloat16")})):
        planned = cli(*baseline, *more)
        assert planned.code == 0, planned.err
        assert {(case["seq_len"], case["dtype"]) for case in planned.json()["cases"]} == shapes


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[tool.dctbench]\nrounds = 0", "rounds 0 is not in the range"),
        ("[tool.dctbench.noise]\nrounds = 3", "noise.rounds 3 is not in the range 5<=x<=1000"),
    ],
    ids=["of no command", "not of this one"],
)
def test_a_value_that_no_command_of_its_table_accepts_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, said: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(table)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        defaults(command_line, click.Context(command_line))


def test_a_value_is_a_default_of_the_commands_that_accept_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.dctbench]\nrounds = 3\n")
    monkeypatch.chdir(tmp_path)
    found = defaults(command_line, click.Context(command_line))
    assert {name for name, values in found.items() if "rounds" in values} == {"run", "bundle"}
    done = CliRunner().invoke(command_line, ["list", "metrics"])
    assert (done.exit_code, done.stderr) == (0, "")
