"""The command where its surroundings are bad: locale, streams, labels, terminals, stores and places to write."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import Cli, start

ONE = ("run", "--seq", "64", "--heads", "2", "--head-dim", "8", "--rounds", "1")
DOCUMENTS = ("export json", "export csv", "export markdown", "list impls --format json")
TEXTS = ("list impls", "list suites", "list runs", "report")
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
DCTBENCH = shlex.join([sys.executable, "-m", "dctbench"])
needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full: it exists on Linux")


class Shell:
    """Lines for a shell, run in one folder; `dctbench` in them is the command under test."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.environ = environ

    def __call__(self, line: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
        """Run a line with bash, whose exit code is that of the first command of a pipe."""
        text = f'dctbench() {{ {DCTBENCH} "$@"; }}\n{line}; exit ${{PIPESTATUS[0]}}'
        return subprocess.run(
            ["bash", "-c", text],
            cwd=self.folder, env=self.environ | variables, capture_output=True, timeout=300, check=False,
        )  # fmt: skip


@pytest.fixture
def shell(tmp_path: Path, environ: dict[str, str]) -> Shell:
    """A shell in the folder that `cli` runs in."""
    return Shell(tmp_path, environ)


@pytest.fixture
def measured(cli: Cli) -> Cli:
    """The command, with one run in its store."""
    done = cli(*ONE, "--impl", "none")
    assert done.code == 0, done.err
    return cli


def test_a_terminal_that_knows_only_ascii_gets_ascii_and_a_program_gets_utf_8(
    shell: Shell, cli: Cli, tmp_path: Path
) -> None:
    label = "café ▲"
    sweep = shell(shlex.join(["dctbench", *ONE, "--impl", "sdpa,dct-x", "--ratio", "8", "--label", label]), **C_LOCALE)
    assert sweep.returncode == 0, sweep.stderr
    assert b" us (" in sweep.stdout  # µs elsewhere
    assert sweep.stdout.isascii()
    for line in TEXTS:
        done = shell(f"dctbench {line}", **C_LOCALE)
        assert (done.returncode, done.stderr) == (0, b""), line
        assert done.stdout.isascii(), line
    for line in DOCUMENTS:
        plain, rich = shell(f"dctbench {line}", **C_LOCALE), cli(*line.split())
        assert (plain.returncode, plain.stdout.decode()) == (0, rich.out), line
    run = json.loads(shell("dctbench export json", **C_LOCALE).stdout)["run"]
    assert run["label"] == run["argv"][-1] == label
    assert shell(f"dctbench report --title '{label}' -o page.html", **C_LOCALE).returncode == 0
    assert f"<title>{label}" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_nobody_reading_on_is_no_failure(shell: Shell, tmp_path: Path) -> None:
    assert shell(shlex.join(["dctbench", *ONE, "--impl", "none"])).returncode == 0
    os.mkfifo(tmp_path / "gone")
    for line in ("list impls", "report", "export json", "--help"):
        # the command starts when the fifo tells that the reader has closed its end: no race to win or lose
        done = shell(f"(read -r < gone; dctbench {line}) | (exec <&-; echo > gone)")
        assert (done.returncode, done.stderr) == (0, b""), (line, done.stderr)


def test_closed_streams_are_like_dev_null(shell: Shell) -> None:
    assert shell(shlex.join(["dctbench", *ONE, "--impl", "none"]) + " <&- >&- 2>&-").returncode == 0
    every = "<&- >&- 2>&-"
    for line, closings in (
        ("list runs", ("<&-", ">&-", "2>&-", every)), ("export json", (every,)), ("report", (every,)),
    ):  # fmt: skip
        for closed in closings:
            done = shell(f"dctbench {line} {closed}")
            assert (done.returncode, done.stderr) == (0, b""), (line, closed)
            assert bool(done.stdout) is (">&-" not in closed.split()), (line, closed)


@needs_dev_full
def test_a_full_standard_output_is_told_in_a_sentence_and_loses_no_result(shell: Shell, cli: Cli) -> None:
    full = ("run", *ONE[1:], "--impl", "none")
    for line in (shlex.join(full), "list impls", "list runs", "export csv", "report", "--help"):
        done = shell(f"dctbench {line} > /dev/full")
        assert done.returncode == 2, line
        assert b"dctbench: the output could not be written: no space left on device" in done.stderr, line
        assert b"Traceback" not in done.stderr, line
    assert shell("dctbench nonsense 2> /dev/full").returncode == 2
    [run] = cli("list", "runs", "--format", "json").json()
    assert run["results"] == "1 of 1"


def test_an_output_that_may_not_grow_is_told_in_a_sentence(shell: Shell) -> None:
    done = shell("(ulimit -f 0; dctbench list impls > impls.txt)")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        b"dctbench: the output could not be written: file too large",
        b"  free some space, or write elsewhere",
    ]


@needs_dev_full
def test_a_full_standard_error_costs_no_result(shell: Shell, cli: Cli) -> None:
    full = shlex.join(["dctbench", "run", *ONE[1:], "--impl", "none"])
    assert shell(f"{full} 2> /dev/full").returncode == 0
    [run] = cli("list", "runs", "--format", "json").json()
    assert run["results"] == "1 of 1"


def test_a_terminal_that_goes_away_costs_no_result(tmp_path: Path, environ: dict[str, str], cli: Cli) -> None:
    ours, theirs = os.openpty()
    words = (*ONE[:-1], "2", "--impl", "none", "--progress", "plain")
    with start(
        *words, folder=tmp_path, environ=environ, stdin=theirs, stdout=theirs, stderr=theirs,
        new_session=True, new_interpreter=True,
    ) as running:  # fmt: skip
        os.close(theirs)
        os.read(ours, 1)  # it has begun
        os.close(ours)
        assert running.wait(300) == 0
    [run] = cli("list", "runs", "--format", "json").json()
    assert run["results"] == "2 of 2"


def test_a_label_cannot_break_a_terminal_a_table_or_a_page(shell: Shell, cli: Cli, tmp_path: Path) -> None:
    hostile = "[/oops] [bold]\x1b[31m\n😀</script><b>"
    for label in (hostile, "x" * 10_000):
        done = cli(*ONE, "--impl", "none", "--label", label)
        assert done.code == 0, done.err
        assert "\x1b" not in done.out + done.err
    first, second = sorted(cli("list", "runs", "--format", "json").json(), key=lambda run: run["started"])
    assert first["label"] == "[/oops] [bold][31m😀</script><b>"
    assert second["label"] == "x" * 200
    table = cli("list", "runs").out
    assert first["label"] in table
    assert "\x1b" not in table
    assert cli("report", "latest~1").code == 0
    page = (tmp_path / "dctbench-report.html").read_text(encoding="utf-8")
    assert "\x1b" not in page
    assert "😀</script><b>" not in page
    assert "😀&lt;/script&gt;&lt;b&gt;" in page
    assert "\x1b" not in "".join(cli("export", "json", "latest~1").json()["run"]["argv"])


@pytest.mark.parametrize(
    "variables", [{"COLUMNS": "20"}, {"COLUMNS": "0"}, {"COLUMNS": "²"}, {"TERM": "dumb"}, {"HOME": ""}]
)
def test_an_odd_terminal_or_no_home_changes_nothing_that_matters(cli: Cli, variables: dict[str, str]) -> None:
    done = cli(*ONE, "--impl", "none", **variables)
    assert done.code == 0, done.err
    assert "1 of 1 measured" in done.out
    for line in (("list", "runs"), ("list", "impls"), ("report",), ("--help",)):
        done = cli(*line, **variables)
        assert (done.code, done.err) == (0, ""), line


def test_without_home_in_the_environment_a_run_is_measured_and_told(shell: Shell) -> None:
    done = shell(f"env -u HOME -u USER -u LOGNAME {DCTBENCH} {shlex.join(ONE)} --impl none")
    assert done.returncode == 0, done.stderr
    assert b"1 of 1 measured" in done.stdout


@pytest.mark.parametrize(
    ("store", "code", "message"),
    [
        (".", 5, "is a folder, not a store"),
        ("/dev/null/x.sqlite", 5, "there is no store at /dev/null/x.sqlite"),
        pytest.param("/dev/full", 5, "/dev/full is not a file", marks=needs_dev_full),
        ("foo://someone:s3cret@host/x", 2, "cannot store results in foo://someone:***@host/x"),
        ("postgresql://someone:s3cret@127.0.0.1:1/x", 5, "store postgresql://someone:***@127.0.0.1:1/x"),
    ],
)
def test_a_store_that_cannot_be_is_told_without_its_password(cli: Cli, store: str, code: int, message: str) -> None:
    done = cli("list", "runs", DCTBENCH_STORE=store)
    assert done.code == code, done.err
    assert message in done.err
    assert len(done.err.splitlines()) == 2
    assert "s3cret" not in done.out + done.err


def test_an_empty_variable_names_the_default_store(cli: Cli, tmp_path: Path) -> None:
    assert cli(*ONE, "--impl", "none", DCTBENCH_STORE="").code == 0
    assert (tmp_path / ".dctbench" / "results.sqlite").is_file()
    assert len(cli("list", "runs", "--format", "json").json()) == 1


@pytest.mark.parametrize(
    "place",
    ["folder", "missing/page", "/dev/null/page", pytest.param("/dev/full", marks=needs_dev_full), "", "n" * 300],
)
def test_a_place_that_cannot_be_written_is_told_in_a_sentence(measured: Cli, tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.iterdir())
    for line in (("export", "json"), ("report",)):
        done = measured(*line, "-o", place)
        assert (done.code, done.out) == (2, ""), line
        assert done.err.startswith(f"dctbench: cannot write {place or '.'}: "), line
        assert len(done.err.splitlines()) == 2
    assert sorted(tmp_path.iterdir()) == before


def test_a_suite_whose_path_is_no_text_gets_a_name_that_can_be_stored(shell: Shell, cli: Cli, tmp_path: Path) -> None:
    axes = '[axes]\nimpl = "none"\nseq = 64\nheads = 2\nhead_dim = 8\n[settings]\nrounds = 1\n'
    (tmp_path / "own.toml").write_text(axes)
    (tmp_path / "long.toml").write_text(f'name = "a\\u0000\\nb{"x" * 300}"\n' + axes)
    done = shell("cp own.toml $'\\xff\\xfe.toml'; dctbench run -q --suite $'./\\xff\\xfe.toml'")
    assert done.returncode == 0, done.stderr
    assert cli("run", "-q", "--suite", "long.toml").code == 0
    names = [cli("export", "json", run).json()["run"]["suite"] for run in ("latest~1", "latest")]
    assert names == ["unnamed", f"a b{'x' * 197}"]


def test_a_store_whose_path_is_no_text_is_told_to_programs_too(shell: Shell) -> None:
    store = "--store $'caf\\xe9.sqlite'"
    done = shell(f"dctbench run -q --impl none --seq 64 --heads 2 --head-dim 8 --rounds 1 {store}")
    assert done.returncode == 0, done.stderr
    for form in ("json", "csv", "md"):
        for command in ("store info", "doctor"):
            done = shell(f"dctbench {command} --format {form} {store}")
            assert done.returncode == 0, done.stderr
            assert b"caf" in done.stdout


def test_defaults_for_one_command_or_for_resuming_are_no_mistake_elsewhere(cli: Cli, tmp_path: Path) -> None:
    text = "[tool.dctbench.store]\nkeep = 20\n[tool.dctbench.run]\nretry-failed = true\n"
    (tmp_path / "pyproject.toml").write_text(text)
    tiny = ("--impl", "none", "--seq", "64", "--heads", "2", "--head-dim", "8", "--rounds", "1")
    assert cli("run", "-q", *tiny).code == 0
    assert cli("store", "info").code == 0
    assert cli("store", "prune").code == 0
    refused = cli("store", "info", "--keep", "0")
    assert refused.code == 2
    assert re.search(r"No such option.*--keep", refused.err)
    assert "see dctbench store info --help" in refused.err
    assert "see dctbench store prune --help" in cli("store", "prune", "--keep").err
    assert "--retry-failed needs --resume" in cli("run", "--retry-failed", *tiny).err


def test_a_null_character_in_the_configuration_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.dctbench]\nstore = "a\\u0000b"\n')
    done = cli("list", "runs")
    assert done.code == 2, done.err
    assert "pyproject.toml, [tool.dctbench]: store contains a character that cannot be printed" in done.err


def test_a_store_is_never_replaced_by_what_is_made_of_it(measured: Cli, tmp_path: Path) -> None:
    store = tmp_path / ".dctbench" / "results.sqlite"
    (tmp_path / "link").symlink_to(store)
    before = store.read_bytes()
    for place in (str(store), "link"):
        for line in (("export", "json", "-o", place), ("report", "-o", place)):
            done = measured(*line)
            assert (done.code, done.out) == (2, ""), line
            assert f"cannot write {place}: it is a database, and would be lost" in done.err, line
            assert len(done.err.splitlines()) == 2
    assert store.read_bytes() == before


def test_the_journal_of_an_unfinished_writing_is_no_more_replaced_than_its_store(measured: Cli, tmp_path: Path) -> None:
    store, kept = tmp_path / ".dctbench" / "results.sqlite", tmp_path / "copy.sqlite"
    connection = sqlite3.connect(store, isolation_level=None)
    connection.execute("PRAGMA cache_size = 1")  # so that pages are written before the end, and the journal is needed
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE results SET record = record || hex(zeroblob(100000))")
    for ending in ("", "-journal"):
        shutil.copy(f"{store}{ending}", f"{kept}{ending}")
    connection.close()
    journal = Path(f"{kept}-journal")
    before = journal.read_bytes()
    done = measured("export", "json", "-o", journal.name)
    assert (done.code, journal.read_bytes()) == (2, before), done.err
    assert "it is a database, and would be lost" in done.err
    assert measured("store", "check", "--store", kept.name).code == 0


def test_a_pipe_in_the_place_of_the_configuration_is_not_waited_for(cli: Cli, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pyproject.toml")
    assert cli("list", "suites", timeout=60).code == 0


def test_a_file_that_is_replaced_keeps_its_permissions_and_the_link_to_it(measured: Cli, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    page, link = tmp_path / "pages" / "page.json", tmp_path / "link.json"
    assert measured("export", "json", "-o", "pages/page.json").code == 0
    before = page.stat().st_ino
    page.chmod(0o640)
    link.symlink_to(page)
    assert measured("export", "json", "-o", "link.json").code == 0
    assert link.is_symlink()
    assert json.loads(page.read_text(encoding="utf-8"))["schema_version"] == 1
    assert page.stat().st_ino != before
    assert page.stat().st_mode & 0o777 == 0o640
    (tmp_path / "circle").symlink_to("circle")
    done = measured("export", "json", "-o", "circle")
    assert (done.code, len(done.err.splitlines())) == (2, 2), done.err
    (tmp_path / "dangling").symlink_to("pages/new.json")
    assert measured("export", "json", "-o", "dangling").code == 0
    assert (tmp_path / "pages" / "new.json").is_file()
    assert sorted(entry.name for entry in (tmp_path / "pages").iterdir()) == ["new.json", "page.json"]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("missing/summary.md", "No such file or directory"),
        pytest.param("/dev/full", "No space left on device", marks=needs_dev_full),
    ],
)
def test_a_step_summary_that_cannot_be_written_is_a_warning(cli: Cli, place: str, reason: str) -> None:
    done = cli(*ONE, "--impl", "none", GITHUB_STEP_SUMMARY=place)
    assert done.code == 0, done.err
    assert "1 of 1 measured" in done.out
    assert f"warning: GITHUB_STEP_SUMMARY, {place}, not written: {reason}" in done.err
