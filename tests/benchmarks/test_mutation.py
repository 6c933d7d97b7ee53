"""What mutmut prints, read; and the table that is made of it."""

from __future__ import annotations

import json

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


def test_the_table_counts_what_was_tried_and_what_was_judged() -> None:
    survivors = [{"where": "a.py, f", "was": "1", "becomes": "2"}, {"where": "", "was": "", "becomes": "", "why": "x"}]
    room = {"mutants": 300, "tried": 40, "noticed": 38, "survivors": survivors}
    lines = mutation.table({"mutmut": "3", "python": "3.11", "rooms": {"stats": room}})
    assert lines[2] == "| `stats/` | 300 | 40 | 38 (95%) | 2 | 1 |"


def test_the_stored_survivors_are_those_that_no_test_noticed_and_every_judgement_has_a_reason() -> None:
    found = json.loads(mutation.RESULTS.read_text(encoding="utf-8"))
    for row in found["rooms"].values():
        assert row["noticed"] + len(row["survivors"]) == row["tried"] <= row["mutants"]
    assert found["rooms"].keys() <= set(mutation.ROOMS)
    judged = json.loads(mutation.JUDGED.read_text(encoding="utf-8"))
    assert all(one.keys() == {"where", "was", "becomes", "why"} and one["why"] for one in judged)
    assert all((mutation.ROOT / one["where"].partition(",")[0]).exists() for one in judged)
