"""Calls on a schedule, through the commands: deadlines, their misses, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.command import Cli, cli_in, plain_environment

TESTS = str(Path(__file__).parents[3])
TINY = ("--seq", "64", "--heads", "2", "--head-dim", "8", "--ratio", "4")


def test_a_planted_stall_shows_as_misses_with_its_cause(cli: Cli) -> None:
    stalls = "tests.support.hostile:Stalls"
    done = cli("run", "--impl", stalls, *TINY, "--rounds", "1", "--samples",
               "40", "--period", "20ms", "--deadline", "10ms", "--format", "json", PYTHONPATH=TESTS)  # fmt: skip
    assert done.code == 0, done.err
    [entry] = done.json()["results"]
    causes = dict(map(tuple, entry["details"]["schedule"]["causes"]))
    assert "stopped" in causes.values()
    assert entry["metrics"]["misses.longest"]["value"] >= 2
    assert entry["metrics"]["miss_rate"]["low"] > 0
    page = cli("report", "-o", "page.html")
    assert page.code == 0, page.err


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("timed")


@pytest.fixture(scope="module")
def timed(folder: Path) -> Cli:
    """The command in a folder whose store holds a small run on a schedule."""
    cli = cli_in(folder, plain_environment())
    done = cli("run", "--impl", "sdpa,dct-x", *TINY, "--rounds", "1", "--period", "20ms", "--deadline", "5ms,20ms",
               "--samples", "32", "--priority", "--search", "rate")  # fmt: skip
    assert done.code == 0, done.err
    return cli


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--period", "10ms", "--deadline", "20ms"), "--deadline 20.0 ms is longer than --period 10.0 ms"),
        (("--period", "10ms,40ms", "--deadline", "20ms"), "--deadline 20.0 ms is longer than --period 10.0 ms"),
        (["--period", "soon"], "--period 'soon': not a time"),
        (["--period", "1us"], "--period '1us': out of range"),
        (("--priority",), "--priority is for calls on a schedule"),
        (("--search", "rate"), "--search is for calls on a schedule"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(cli: Cli, flags: Sequence[str], words: str) -> None:
    done = cli("run", "--impl", "sdpa", *TINY, *flags, "--dry-run")
    assert done.code == 2
    assert words in done.err


def test_one_of_period_and_deadline_stands_for_both(cli: Cli) -> None:
    for flag in ("--period", "--deadline"):
        [case] = cli("run", "--impl", "sdpa", *TINY, flag, "30ms", "--dry-run", "--format", "json").json()["cases"]
        assert (case["period"], case["deadline"]) == (0.03, 0.03)


def test_choose_holds_the_bound_of_misses_against_the_asked_rate(timed: Cli) -> None:
    """32 calls without a miss bound the rate by 9%: enough for 20%, and not for 1%."""
    good = timed("choose", "--seq", "64", "--deadline", "20ms", "--miss-rate", "99%", "--format", "json")
    assert good.code == 0, good.err
    doubtful = timed("choose", "--seq", "64", "--deadline", "20ms")
    assert doubtful.code == 3
    assert "miss rate" in doubtful.out


def test_the_schedule_is_in_the_export_and_the_page(timed: Cli, folder: Path) -> None:
    page = timed("report", "-o", "page.html")
    assert page.code == 0, page.err
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert "in time in all" in text or "calls late" in text
    document = timed("export", "json").json()
    rounds = [entry["rounds"][0] for entry in document["results"]]
    assert all(len(one["metrics"]["response"]) >= 30 for one in rounds)
    assert all(entry["details"]["schedule"]["priority"] for entry in document["results"])
    csv = timed("export", "csv").out
    assert "misses.longest" in csv
