"""Plain records, as programs read them."""

from __future__ import annotations

from dctbench.cli.tables.records import records_text


def test_csv_keeps_negative_numbers_and_escapes_formulas() -> None:
    text = records_text([{"case": "=1+1", "drift": -0.02, "change": None}, {"case": "-x", "drift": 3}], "csv")
    assert text == "case,drift,change\n'=1+1,-0.02,\n'-x,3,\n"
