"""Failures that are no mistake of the user: a bug in dctbench, and an extra that is not installed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.stats.changepoint import LEAST_POINTS
from dctbench.store import open_store
from tests.fuzz.command import command, folder
from tests.support.command import Cli
from tests.support.documents import fill
from tests.support.made import ENVIRONMENT, RUN, result


def test_a_bug_ends_with_70_its_traceback_and_where_to_report_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug of this test")

    with folder() as place:
        fill(place)
        assert command("choose", "--seq", "512").code == 0
        monkeypatch.setattr("dctbench.cli.commands.choose.choose", broken)
        done = command("choose", "--seq", "512")
    assert (done.code, done.out) == (70, "")
    lines = done.err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-3:] == [
        "ZeroDivisionError: a bug of this test",
        "dctbench: this is a bug in dctbench, not in what you asked for",
        "  please report it with the lines above",
    ]


@pytest.mark.parametrize(
    ("package", "extra", "words", "message"),
    [
        ("pyarrow", "parquet", ("export", "parquet", "-o", "out.parquet"), "Parquet needs pyarrow"),
        ("psycopg", "postgres", ("list", "runs", "--store", "postgresql://127.0.0.1:1/none"),
         "a store on PostgreSQL needs psycopg"),
        ("ruptures", "history", ("compare", "--history", "sdpa n=512"), "change points need ruptures"),
    ],
)  # fmt: skip
def test_an_extra_that_is_not_installed_ends_with_6_and_is_named(
    cli: Cli, tmp_path: Path, package: str, extra: str, words: tuple[str, ...], message: str
) -> None:
    with open_store(str(tmp_path / ".dctbench" / "results.sqlite"), create=True) as store:
        for number in range(LEAST_POINTS):
            run = replace(RUN, id=f"{number:016x}", started_at=f"2026-01-02T03:04:{number:02}.000000+00:00")
            store.add_run(run, [result().case], rounds=1)
            store.add_environment(run.id, ENVIRONMENT)
            store.add_result(run.id, result())
    without = tmp_path / "without" / package / "__init__.py"
    without.parent.mkdir(parents=True)
    without.write_text(f"raise ModuleNotFoundError(\"No module named '{package}'\", name='{package}')")
    done = cli(*words, new_interpreter=True, PYTHONPATH=str(tmp_path / "without"))
    assert done.code == 6, done.err
    problem, hint = done.err.splitlines()
    assert problem == f"dctbench: {message}"
    assert hint.endswith(f"pip install 'dctbench[{extra}]'")
    assert not (tmp_path / "out.parquet").exists()
