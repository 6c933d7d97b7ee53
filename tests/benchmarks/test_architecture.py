"""The drawing of the rooms, from imports made by hand."""

from __future__ import annotations

import pytest

from benchmarks import architecture
from benchmarks.architecture import Rooms

IMPORTS = {"top": frozenset({"middle", "ground"}), "middle": frozenset({"ground"}), "ground": frozenset[str]()}


def test_a_room_stands_above_all_that_it_imports() -> None:
    assert architecture.levels(IMPORTS) == {"top": 2, "middle": 1, "ground": 0}


def test_an_arrow_that_follows_from_others_is_left_out() -> None:
    assert architecture.reduced(IMPORTS)["top"] == {"middle"}
    assert architecture.drawing(Rooms(IMPORTS, frozenset())).count("marker-end") == 2


def test_rooms_that_import_torch_have_a_colour_of_their_own() -> None:
    plain, coloured = (architecture.drawing(Rooms(IMPORTS, torch)) for torch in (frozenset[str](), frozenset({"top"})))
    assert plain != coloured


def test_rooms_that_import_each_other_are_an_error_that_names_them() -> None:
    with pytest.raises(SystemExit, match=r"rooms import each other: (a -> b -> a|b -> a -> b)"):
        architecture.levels({"a": frozenset({"b"}), "b": frozenset({"a"})})
