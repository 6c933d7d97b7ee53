"""Every flag that takes a number, of every command, with numbers that nobody means: understood or refused, no bug."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from dctbench.cli import cli as root
from tests.cli.options.test_groups import leaves
from tests.fuzz.command import command, folder

NUMBERS = {"VALUES", "N", "TIME", "AGE", "SIZE", "SHARE", "PCT", "AXIS=VALUE"}
PREFIXES = {"--at": ("seq=", "threads=", "ratio="), "--max-memory": ("", "process="), "--max-error": ("", "noise=")}
"""What stands before the number."""
UNITS = {"TIME": ("s", "h"), "AGE": ("d", "h"), "SIZE": ("GiB",), "SHARE": ("%",), "PCT": ("%",)}
ODD = ("0", "-1", "nan", "inf", "1e400", "1e-400", "0.000000001", "9" * 5000, "600", "16777216", "999999999",
       "99999999999999999999", "0x10", "1_000", "²", "")  # fmt: skip
FIRST: dict[tuple[str, ...], tuple[str, ...]] = {
    ("run",): ("run", "--suite", "missing.toml"),
    ("check",): ("check", "--baseline", "missing.json", "--suite", "missing.toml"),
    ("bundle",): ("bundle", "--suite", "missing.toml", "--output", "bundle"),
    ("choose",): ("choose", "--seq", "4096"),
    ("compare",): ("compare", "missing.json", "missing.json"),
}
"""What makes a command end before it measures anything, when it takes the number."""
ENDS: dict[tuple[str, ...], tuple[int, str]] = {
    ("run",): (2, "suite missing.toml: No such file"),
    ("check",): (2, "suite missing.toml: No such file"),
    ("bundle",): (2, "suite missing.toml: No such file"),
    ("compare",): (2, "cannot read missing.json"),
}
NO_STORE = (5, "there is no store")
"""How it then ends."""
SENSIBLE: dict[tuple[str, ...], set[str]] = {("noise",): {"600", "1_000"}}
"""Numbers that a command would go and measure with."""


def numeric_flags() -> Iterator[tuple[tuple[str, ...], str, str]]:
    """The command, the flag, and what the help calls its value."""
    for words, leaf in leaves(root):
        for option in leaf.params:
            if isinstance(option, click.Option) and option.metavar in NUMBERS:
                yield words, option.opts[0], option.metavar


FLAGS = list(numeric_flags())


def test_the_numeric_flags_are_found() -> None:
    found = {(" ".join(words), flag) for words, flag, _ in FLAGS}
    assert {("run", "--case-timeout"), ("run", "--budget"), ("run", "--threads"), ("run", "--seq"), ("run", "--rounds"),
            ("noise", "--rounds"), ("check", "--tolerance"), ("check", "--pairs"), ("check", "--at"),
            ("check", "--max-memory"), ("choose", "--seq"), ("choose", "--max-error"), ("compare", "--tolerance"),
            ("store prune", "--keep"), ("store prune", "--older-than")} <= found  # fmt: skip


@pytest.mark.parametrize(("words", "flag", "metavar"), FLAGS, ids=[f"{' '.join(w)} {f}" for w, f, _ in FLAGS])
def test_an_odd_number_is_understood_or_refused_in_a_sentence(words: tuple[str, ...], flag: str, metavar: str) -> None:
    with folder() as place:
        for prefix in PREFIXES.get(flag, ("",)):
            for number in set(ODD) - SENSIBLE.get(words, set()):
                for unit in ("", *UNITS.get(metavar, ())):
                    value = f"{prefix}{number}{unit}"
                    done = command(*FIRST.get(words, words), f"{flag}={value}")
                    shown = f"{flag}={value[:50]}: {done.err[-2000:]}"
                    code, reason = (2, flag) if flag in done.err else ENDS.get(words, NO_STORE)
                    assert done.code == code, shown
                    assert reason in done.err, shown
                    assert done.out == "", shown
                    assert len(done.err.splitlines()) == 2, shown
                    assert len(done.err) < 2500, shown
        assert not [path.name for path in place.iterdir() if path.name != ".dctbench"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--case-timeout", "600h"), "--case-timeout '600h': longer than 14 days"),
        (("run", "--budget", "99999999h"), "--budget '99999999h': longer than 14 days"),
        (("run", "--threads", "999999999"), "--threads '999999999': 999999999 is outside 1 to 4096"),
        (("run", "--seq", "16777217"), "--seq '16777217': 16777217 is outside 1 to 16777216"),
        (("store", "prune", "--older-than", "9" * 5000 + "d"), f"--older-than '{'9' * 37}...': not a time"),
    ],
    ids=["case-timeout", "budget", "threads", "seq", "older-than"],
)
def test_a_number_beyond_its_bound_is_refused_with_the_bound(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command(*arguments)
    assert done.code == 2
    assert message in done.err


def test_the_largest_numbers_together_can_be_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    largest = [word for flag in ("--seq", "--batch", "--heads", "--head-dim") for word in (flag, "16777216")]
    times = ("--budget", "336h", "--case-timeout", "336h")
    done = command("run", "--impl", "full", *largest, "--threads", "4096", *times, "--dry-run")
    assert done.code == 0, done.err
    assert "16777216" in done.out
