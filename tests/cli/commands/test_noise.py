"""`dctbench noise`."""

from __future__ import annotations

import csv
import io

import pytest

from dctbench.analysis import summarise
from dctbench.cli.tables.noise import print_noise, records
from dctbench.cli.tables.records import records_text
from dctbench.compare.noise import noise
from dctbench.model import Case
from dctbench.text.format import format_percent
from tests.support.command import Cli
from tests.support.made import result


def test_programs_get_cases_by_the_names_of_every_document_and_shares_as_numbers() -> None:
    rounds = [result(name, 512, 1e-3 * number, round=number) for name in ("sdpa", "none") for number in range(1, 6)]
    found = noise(summarise(rounds), summarise(rounds))
    assert found is not None
    told = records(found)
    assert [Case.from_json(one["case"]).id for one in told] == [one["case_id"] for one in told]
    rows = {row["implementation"]: row for row in csv.DictReader(io.StringIO(records_text(told, "csv")))}
    assert (rows["none"]["seq_len"], rows["none"]["case_id"]) == ("512", Case("none", 512).id)
    assert [float(rows["none"][name]) for name in ("pairs", "single", "judged")] == [5, 0, 0]


def test_people_are_told_the_tolerance_in_the_terminal_and_in_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    slow = {"sdpa": 1.0, "none": 1.4}  # head's processes of none take 1.4 times as long, which no drift explains
    base, head = (
        [result(name, 512, 1e-3 * by[name], round=number) for name in slow for number in range(1, 6)]
        for by in (dict.fromkeys(slow, 1.0), slow)
    )
    found = noise(summarise(base), summarise(head))
    assert found is not None
    said = f"judge latency with a tolerance of {format_percent(found.tolerance)}."
    for form in ("table", "md"):
        print_noise(found, form)
        text = capsys.readouterr().out
        lines = [line for line in text.splitlines() if line.replace("\\", "").endswith(said)]
        assert len(lines) == 1
        assert lines[0].startswith("- This looks like" if form == "md" else "This looks like")
        assert f"{format_percent(found.single)}" in text.replace("\\", "")


@pytest.mark.slow
def test_noise_measures_in_turns_tells_a_tolerance_and_a_check_takes_it(cli: Cli) -> None:
    done = cli("noise", "--rounds", "5", "--format", "json", timeout=900)
    assert done.code == 0, done.err
    found = done.json()
    assert {(Case.from_json(one["case"]).name, one["case"]["seq_len"]) for one in found["cases"]} == {
        (name, n) for name in ("sdpa", "dct-x r=8", "none") for n in (512, 2048)
    }
    assert found["tolerance"] >= 0.10
    assert found["quiet"] is (found["tolerance"] == 0.10)
    base, head = cli("list", "runs", "--format", "json").json()
    assert [(run["suite"], run["label"], run["results"]) for run in (base, head)] == [
        ("noise", "noise (base)", "30"), ("noise", "noise", "30"),
    ]  # fmt: skip
    small = ("--impl", "none", "--seq", "16", "--heads", "2", "--head-dim", "8", "--pairs", "2", "--max-pairs", "2")
    checked = cli("check", "--base-impl", "sdpa", *small, "--format", "json")
    [latency] = [v for v in checked.json()["verdicts"] if v["metric"] == "latency"]
    assert latency["tolerance"] == pytest.approx(found["tolerance"])
