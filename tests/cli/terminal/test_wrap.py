"""Lines for a terminal: nothing lost, nothing broken inside a word, no line wider than there is room for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench.cli.tables import records
from dctbench.cli.terminal.wrap import wrapped

words = st.lists(st.text("abc-=/.", min_size=1, max_size=20), max_size=30)


@given(words, st.integers(40, 200), st.text(" -", max_size=10))
def test_a_sentence_keeps_its_words_within_the_width(texts: list[str], width: int, before: str) -> None:
    lines = wrapped(" ".join(texts), width, before)
    assert all(len(line) < width for line in lines)
    assert lines[0].startswith(before)
    assert all(line.startswith(" " * len(before)) for line in lines[1:])
    assert [word for line in lines for word in line[len(before) :].split()] == texts


def test_on_a_terminal_too_narrow_for_it_a_line_has_room_for_a_word() -> None:
    assert wrapped("a sentence that goes on", 3) == ["a sentence that goes on"]


CASES = [
    {"case_id": f"{n:016x}", "implementation": "dct-x", "seq_len": n, "batch": 1, "note": None, "dtype": "float32"}
    for n in (64, 128)
]


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    return monkeypatch


def test_where_a_table_is_too_wide_what_all_records_share_is_said_once(on_terminal: pytest.MonkeyPatch) -> None:
    on_terminal.setenv("COLUMNS", "60")
    assert records.records_text(CASES, "table").splitlines() == [
        "case_id           seq_len",
        "0000000000000040  64",
        "0000000000000080  128",
        "",
        "in all of them: implementation dct-x, batch 1, dtype",
        "float32",
    ]
    on_terminal.setenv("COLUMNS", "100")
    assert "all of them" not in records.records_text(CASES, "table")


def test_where_no_table_fits_each_record_is_a_list(on_terminal: pytest.MonkeyPatch) -> None:
    on_terminal.setenv("COLUMNS", "40")
    about: list[dict[str, Any]] = [
        {"name": "one", "kind": "k" * 20, "of": None, "summary": "a sentence of some length that is folded"},
        {"name": "two", "kind": "l" * 20, "of": "x", "summary": "short"},
    ]
    assert records.records_text(about, "table").splitlines() == [
        "one",
        "  kind     kkkkkkkkkkkkkkkkkkkk",
        "  summary  a sentence of some length",
        "           that is folded",
        "two",
        "  kind     llllllllllllllllllll",
        "  of       x",
        "  summary  short",
    ]


def test_a_program_finds_each_record_in_one_line_whatever_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = records.records_text([{"name": "x", "summary": "word " * 60}], "table").splitlines()
    assert len(lines) == 2
