"""Names of runs: labels, and the references by which a run is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from dctbench.errors import UsageError
from dctbench.model import Run
from dctbench.store import checked_baseline_name, clean_label
from dctbench.store.naming import find_run_id
from tests.store.test_contents import new_store
from tests.support.made import result


def test_a_run_is_found_by_id_prefix_label_and_latest(tmp_path: Path) -> None:
    def run(id: str, label: str | None, second: int) -> Run:
        return Run(id, label, "quick", (), f"2026-01-01T00:00:{second:02d}+00:00", "0.1.0")

    runs = [run("aaaa1111", "base", 1), run("aaaa2222", "base", 2), run("bbbb3333", None, 3)]
    with new_store(tmp_path / "s.sqlite", result(), run=runs[0]) as store:
        for one in runs[1:]:
            store.add_run(one, [result().case], rounds=1)
        found = {ref: store.find_run(ref).run.id for ref in ("latest", "latest~1", "base", "bbbb", "aaaa1111", "aaaa2")}
        assert found == {"latest": "bbbb3333", "latest~1": "aaaa2222", "base": "aaaa2222", "bbbb": "bbbb3333",
                         "aaaa1111": "aaaa1111", "aaaa2": "aaaa2222"}  # fmt: skip
        for bad in ("aaaa", "latest~3", "latest~x", "nothing", "", "latest~" + "9" * 50):
            with pytest.raises(UsageError):
                store.find_run(bad)


KNOWN = [("aaaa1111", "base"), ("aaaa2222", "base"), ("bbbb3333", None), ("bbbb", None)]


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("latest", "bbbb"),
        ("latest~0", "bbbb"),
        ("latest~3", "aaaa1111"),
        ("bbbb", "bbbb"),  # a whole id, though it begins another one
        ("bbbb3", "bbbb3333"),
        ("aaa", None),  # too short for a prefix
        ("base", "aaaa2222"),
        ("main", "aaaa1111"),
        ("nothing", None),
    ],
)
def test_a_reference_is_an_id_then_latest_then_a_label_then_a_baseline(reference: str, found: str | None) -> None:
    baselines = {"main": "aaaa1111", "base": "bbbb", "latest": "aaaa1111"}
    assert find_run_id(KNOWN, reference, baselines.get) == found


def test_a_baseline_named_like_the_beginning_of_several_ids_is_found() -> None:
    assert find_run_id(KNOWN, "aaaa", {"aaaa": "bbbb"}.get) == "bbbb"


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("latest~4", "no run 'latest~4': the store holds 4", "see dctbench list runs"),
        ("aaaa", "the ids of 2 runs start with 'aaaa'", "give more digits of the id"),
    ],
)
def test_a_reference_to_too_many_or_none_says_why(reference: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        find_run_id(KNOWN, reference, lambda name: None)
    assert (refused.value.message, refused.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("name", "shown", "problem"),
    [
        ("", "", "is empty"),
        ("x" * 201, "x" * 40 + "...", "has 201 characters, more than 200"),
        ("a\tb", "a\tb", "contains characters that cannot be printed"),
        (" a", " a", "begins or ends with a space"),
        ("a ", "a ", "begins or ends with a space"),
        ("latest", "latest", "is reserved for the latest runs"),
        ("latest~1", "latest~1", "is reserved for the latest runs"),
    ],
)
def test_a_name_that_no_baseline_may_have_says_why(name: str, shown: str, problem: str) -> None:
    with pytest.raises(UsageError) as refused:
        checked_baseline_name(name)
    assert refused.value.message == f"the baseline's name {shown!r} {problem}"
    assert refused.value.hint == "choose a name such as main or release-1.2"
    assert checked_baseline_name("x" * 200) == "x" * 200


def test_labels_have_no_control_characters_and_a_maximum_length() -> None:
    assert clean_label("a\x1b[31mb\nc") == "a[31mbc"
    assert len(clean_label("x" * 10_000)) == 200
