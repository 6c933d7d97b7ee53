"""What all tests share: the real command in a folder of its own, and CI's rule that nothing may be skipped."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from dctbench.runners.lock_files import VARIABLE as LOCKS
from tests.support.command import FIGURES, NEW_INTERPRETERS, Cli, Done, cli_in, end_all, plain_environment, start
from tests.support.postgresql import Server, running
from tests.support.warm import UNHURRIED

# Shared machines stall: a slow example is no failure. In CI, a change is judged by the same examples as its base.
# Elsewhere examples vary, and those that failed are kept in .hypothesis/ and tried first. That profile is made from
# Hypothesis's default one by name: where CI is set, as in the nightly job, the current one takes the same examples.
settings.register_profile("development", settings.get_profile("default"), deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "development")

# With a folder of its own for locks, a test process does not wait for the devices of another one. The user that
# PostgreSQL runs as must be able to enter it.
_folder = Path(tempfile.mkdtemp(prefix="dctbench-tests-"))
_folder.chmod(0o755)
os.environ["TMPDIR"] = os.environ[LOCKS] = tempfile.tempdir = str(_folder)
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
# The process that starts the others sets this first: torch's compiler translates its headers once, which takes 20 s.
os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(_folder / "inductor"))

# In the background of a shell, or under nohup, these are ignored, and every command that is tested would inherit that.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail when a test was skipped, but for those marked gpu")
    parser.addoption("--new-interpreters", action="store_true", help="start one for every command, which takes longer")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--new-interpreters"):
        os.environ[NEW_INTERPRETERS] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow tests first: one that began last would leave the other worker with nothing to do."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome = yield
    _refuse_skip(item, outcome.get_result())  # type: ignore[attr-defined]


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """A module that skips itself as a whole has no tests of which a report could say so."""
    outcome = yield
    _refuse_skip(collector, outcome.get_result())  # type: ignore[attr-defined]


def _refuse_skip(node: pytest.Item | pytest.Collector, report: pytest.TestReport | pytest.CollectReport) -> None:
    forbidden = node.config.getoption("--no-skips") and node.get_closest_marker("gpu") is None
    if report.skipped and forbidden and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for name, text in getattr(report, "user_properties", ()):
            if name == FIGURES:
                terminalreporter.write_line(f"{report.nodeid}: {text}")


@pytest.fixture(autouse=True)
def _no_command_outlives_its_test() -> Iterator[None]:
    yield
    end_all()


@pytest.fixture
def environ() -> dict[str, str]:
    """An environment without anything of ours, with one thread per process: the tests run beside each other."""
    return plain_environment()


@pytest.fixture
def cli(tmp_path: Path, environ: dict[str, str]) -> Cli:
    """Runs the real command in a folder of its own."""
    return cli_in(tmp_path, environ)


@pytest.fixture
def interrupted(tmp_path: Path, environ: dict[str, str]) -> Cli:
    """As `cli`, for a run that is interrupted by Ctrl-C as soon as it has told of its first case."""

    def run(*arguments: str, timeout: float = 60, **variables: str) -> Done:
        words = (*arguments, "--progress", "plain")
        with start(*words, folder=tmp_path, environ=environ | variables | {UNHURRIED: "1"}) as process:
            assert process.stderr is not None
            told = list(itertools.takewhile(lambda line: not line.lstrip("[ ").startswith("1/"), process.stderr))
            process.send_signal(signal.SIGINT)
            out, rest = process.communicate(timeout=timeout)
        assert process.returncode is not None
        return Done(process.returncode, out, "".join(told) + rest)

    return run


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """One PostgreSQL server for all tests of a process, in a folder that its unprivileged user can reach."""
    with tempfile.TemporaryDirectory(prefix="dctbench-postgresql-") as folder:
        Path(folder).chmod(0o755)
        with running(Path(folder)) as server:
            yield server


@pytest.fixture
def url(postgresql: Server) -> Iterator[str]:
    """Of an empty database of that server, with its password."""
    name = f"t{uuid.uuid4().hex}"
    postgresql.query(f"CREATE DATABASE {name}")
    yield postgresql.url_of(name)
    postgresql.query(f"DROP DATABASE {name} WITH (FORCE)")
