"""A PostgreSQL server that stops during a run: after `store push`, it has every result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.command import TINY, Cli, start
from tests.support.postgresql import PASSWORD, Server

SWEEP = ("run", "--impl", "sdpa,none", *TINY, "--progress", "plain")
PLANNED = {(name, n, round) for name in ("sdpa", "none") for n in (64, 128) for round in (1, 2)}


def test_a_server_that_stops_during_a_run_has_every_result_after_a_push(
    cli: Cli, tmp_path: Path, environ: dict[str, str], postgresql: Server, url: str
) -> None:
    process = start(*SWEEP, "--store", url, folder=tmp_path, environ=environ, new_interpreter=True)
    assert process.stderr is not None
    told = ""
    for line in process.stderr:
        told += line
        if line.startswith("[3/8]"):
            break
    postgresql.stop()
    try:
        out, rest = process.communicate(timeout=120)
        told += rest
        assert process.returncode == 0, told
        assert "results go to .dctbench/outbox.sqlite" in told
        assert "dctbench store push 'postgresql+psycopg://bench:***@" in told
        assert "[8/8]" in told
        assert "4 of 4 measured" in out
        outbox = exported(cli, ".dctbench/outbox.sqlite")
        assert rounds(outbox) == PLANNED
        down = cli("store", "push", url)
        assert down.code == 5
        assert "Traceback" not in down.err
    finally:
        postgresql.start()
    assert 3 <= len(rounds(exported(cli, url))) < 8
    pushed, again = (cli("store", "push", url) for _ in range(2))
    assert (pushed.code, again.code) == (0, 0), pushed.err + again.err
    assert "0 results of 1 run are new" in again.err
    assert "8 were there already" in again.err
    assert exported(cli, url) == outbox
    assert PASSWORD not in told + out + down.err + pushed.err + again.err


def exported(cli: Cli, store: str) -> Any:
    done = cli("export", "json", "--store", store)
    assert done.code == 0, done.err
    return done.json()


def rounds(document: Any) -> set[tuple[str, int, int]]:
    return {
        (one["case"]["implementation"], one["case"]["seq_len"], taken["round"])
        for one in document["results"]
        for taken in one["rounds"]
        if taken["status"] == "ok"
    }
