"""What mutmut prints, read; and the table that is made of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from benchmarks import mutation

SHOWN = """# dctbench.stats.moderated.xǁPriorǁmoderate__mutmut_1: survived
--- dctbench/stats/moderated.py
+++ dctbench/stats/moderated.py
@@ -3,7 +3,7 @@

-    if self.degrees <= 0:
+    if self.degrees < 0:
         return spread
"""


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("dctbench.stats.robust.x_quantile__mutmut_6", "dctbench/stats/robust.py, quantile"),
        ("dctbench.stats.robust.x__helper__mutmut_12", "dctbench/stats/robust.py, _helper"),
        ("dctbench.stats.moderated.xǁPriorǁmoderate__mutmut_1", "dctbench/stats/moderated.py, Prior.moderate"),
        ("dctbench.store.contents.xǁStoreǁ__exit____mutmut_2", "dctbench/store/contents.py, Store.__exit__"),
    ],
)  # fmt: skip
def test_a_mutant_is_named_by_its_file_and_function(name: str, place: str) -> None:
    assert mutation.where(name) == place


def test_statuses_and_changes_are_read_from_what_mutmut_prints() -> None:
    text = "noise\n    dctbench.a.x_f__mutmut_1: killed\n    dctbench.a.x_f__mutmut_2: not checked\n"
    assert mutation.read_statuses(text) == {
        "dctbench.a.x_f__mutmut_1": "killed",
        "dctbench.a.x_f__mutmut_2": "not checked",
    }
    assert mutation.read_change(SHOWN) == {"was": "if self.degrees <= 0:", "becomes": "if self.degrees < 0:"}


def test_a_judgement_holds_for_the_change_it_was_made_of() -> None:
    one = {"where": "a.py, f", "was": "x <= 0", "becomes": "x < 0"}
    other = {**one, "becomes": "x <= 1"}
    assert mutation.judged([one, other], [{**one, "why": "x is never 0"}]) == [{**one, "why": "x is never 0"}, other]


@pytest.mark.parametrize("becomes", ["zip(a, b, strict=False)", "zip(a, b, strict=None)", "zip(a, b, )"])
def test_a_zip_that_no_longer_checks_its_lengths_is_judged_already(becomes: str) -> None:
    one = {"where": "a.py, f", "was": "zip(a, b, strict=True)", "becomes": becomes}
    [found] = mutation.judged([one], [])
    assert found["why"].startswith("Equivalent")
    others = [{**one, "becomes": "zip(a, strict=True)"}, {**one, "was": "zip(a, b, strict=False)"}]
    assert mutation.judged(others, []) == others


def test_the_table_counts_what_was_tried_and_what_was_judged() -> None:
    survivors = [{"where": "a.py, f", "was": "1", "becomes": "2"}, {"where": "", "was": "", "becomes": "", "why": "x"}]
    room = {"mutants": 300, "tried": 40, "noticed": 37, "mended": 1, "unclear": 1, "survivors": survivors}
    lines = mutation.table({"mutmut": "3", "python": "3.11", "rooms": {"stats": room}})
    assert lines[2] == "| `stats/` | 300 | 40 | 37 (92%) | 1 | 2 | 1 | 1 |"


def test_what_was_stopped_is_neither_noticed_nor_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = {
        "dctbench.a.x_f__mutmut_1": "killed",
        "dctbench.a.x_f__mutmut_2": "survived",
        "dctbench.a.x_f__mutmut_3": "timeout",
        "dctbench.a.x_f__mutmut_4": "segfault",
        "dctbench.a.x_f__mutmut_5": "not checked",
        "dctbench.a.x_f__mutmut_6": "no tests",
    }

    assert {name: row_of(statuses, monkeypatch)[name] for name in ("mutants", "tried", "noticed", "unclear")} == {
        "mutants": 6, "tried": 3, "noticed": 1, "unclear": 2,
    }  # fmt: skip
    assert [one["was"] for one in row_of(statuses, monkeypatch)["survivors"]] == ["2", "6"]


def in_place_of_mutmut(statuses: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, shown: Mapping[str, str]) -> None:
    """Stand in for the mutants of a room: their statuses by name, and by name what each changes, else its number."""

    class Known:
        def __init__(self, *about: object) -> None:
            self.make, self.run, self.statuses = lambda: list(statuses), lambda names, left: None, lambda: statuses

        def changes(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
            found = {name: shown.get(name, name.rpartition("_")[2]) for name in names}
            return {name: {"where": mutation.where(name), "was": was, "becomes": ""} for name, was in found.items()}

    monkeypatch.setattr(mutation, "Mutants", Known)


def row_of(statuses: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    in_place_of_mutmut(statuses, monkeypatch, {})
    return mutation.measure("stats", None, 1)


def test_a_survivor_is_tried_again_under_its_new_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three survivors one is noticed by now, one is not and has another number, and one is gone."""
    row = row_of({f"dctbench.a.x_f__mutmut_{number}": "survived" for number in (1, 2, 3)}, monkeypatch)
    statuses = {f"dctbench.a.x_f__mutmut_{number}": status for number, status in {2: "killed", 3: "survived"}.items()}
    in_place_of_mutmut(statuses, monkeypatch, {"dctbench.a.x_f__mutmut_2": "1", "dctbench.a.x_f__mutmut_3": "2"})
    again = mutation.measure_again("stats", row, 1)
    assert [one["was"] for one in again["survivors"]] == ["2"]
    assert again == {**row, "mended": 2, "survivors": again["survivors"]}


class Flaky:
    """Mutants of which no test notices any, one at a time, and whose tests fail by themselves at some of the tries."""

    failing: frozenset[int] = frozenset()

    def __init__(self, room: str, *about: object) -> None:
        self.tries, self.known = 0, {f"dctbench.{room}.x_f__mutmut_{number}": "not checked" for number in (1, 2, 3)}

    def make(self) -> list[str]:
        return list(self.known)

    def run(self, names: Sequence[str], seconds: float | None) -> None:
        self.tries += 1
        if self.tries in self.failing:
            raise mutation.TestsFailError("1 failed: test_of_time")
        self.known |= dict.fromkeys(names, "survived")

    def statuses(self) -> dict[str, str]:
        return self.known

    def changes(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        return {name: {"where": name, "was": "", "becomes": ""} for name in names}


@pytest.mark.parametrize(
    ("failing", "tried"),
    [((), 3), ((1,), 3), ((2,), 3), ((1, 3, 5), 3), ((2, 3), 1), ((1, 4, 5), 2)],
)
def test_a_batch_whose_tests_fail_without_a_change_is_tried_once_more_and_what_was_tried_stays(
    failing: Sequence[int], tried: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mutation, "Mutants", Flaky)
    monkeypatch.setattr(mutation, "AT_ONCE", 1)
    monkeypatch.setattr(Flaky, "failing", frozenset(failing))
    row = mutation.measure("stats", None, 1)
    assert (row["mutants"], row["tried"], len(row["survivors"])) == (3, tried, tried)
    expected = "stats: no more is tried, since the tests fail without any change:\n1 failed: test_of_time\n"
    assert capsys.readouterr().err == ("" if tried == 3 else expected)


def test_a_room_of_which_nothing_could_be_tried_has_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutation, "Mutants", Flaky)
    monkeypatch.setattr(Flaky, "failing", frozenset({1, 2}))
    with pytest.raises(SystemExit, match="test_of_time"):
        mutation.measure("stats", None, 1)


def test_a_room_that_fails_leaves_the_results_of_those_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are judged already, by the reasons of now."""
    one = {"where": "a.py, f", "was": "x <= 0", "becomes": "x < 0"}
    row = {"mutants": 2, "tried": 1, "noticed": 0, "mended": 0, "unclear": 0, "survivors": [one]}

    def measured(room: str, *about: object) -> dict[str, Any]:
        if room == "compare":
            raise mutation.TestsFailError("the tests fail")
        return row

    (results := tmp_path / "mutation.json").write_text(json.dumps({"rooms": {"spec": row}}))
    (reasons := tmp_path / "judged.json").write_text(json.dumps([{**one, "why": "x is never 0"}]))
    monkeypatch.setattr(mutation, "JUDGED", reasons)
    monkeypatch.setattr(mutation, "measure", measured)
    monkeypatch.setattr(sys, "argv", ["mutation", "stats", "compare", "-o", str(results)])
    monkeypatch.setattr(metadata, "version", lambda name: "3")
    with pytest.raises(SystemExit, match="the tests fail"):
        mutation.main()
    expected = {**row, "survivors": [{**one, "why": "x is never 0"}]}
    assert json.loads(results.read_text(encoding="utf-8"))["rooms"] == {"spec": expected, "stats": expected}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("stats", "--again", "--minutes", "5"), "without --minutes and --most"),
        (("store", "--again"), "store was not measured yet"),
    ],
)
def test_what_cannot_be_tried_again_is_refused(
    flags: Sequence[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (results := tmp_path / "mutation.json").write_text('{"rooms": {}}')
    monkeypatch.setattr(sys, "argv", ["mutation", *flags, "-o", str(results)])
    monkeypatch.setattr(metadata, "version", lambda name: "3")
    with pytest.raises(SystemExit):
        mutation.main()
    assert words in capsys.readouterr().err


def test_the_stored_survivors_are_those_that_no_test_noticed_and_every_judgement_has_a_reason() -> None:
    found = json.loads(mutation.RESULTS.read_text(encoding="utf-8"))
    for row in found["rooms"].values():
        assert row["noticed"] + row.get("mended", 0) + len(row["survivors"]) == row["tried"] <= row["mutants"]
    assert found["rooms"].keys() <= set(mutation.ROOMS)
    judged = json.loads(mutation.JUDGED.read_text(encoding="utf-8"))
    assert all(one.keys() == {"where", "was", "becomes", "why"} and one["why"] for one in judged)
    assert all((mutation.ROOT / one["where"].partition(",")[0]).exists() for one in judged)
