"""Suites in parts: a length with its batch, a method with its ratio."""

from __future__ import annotations

from typing import Any

import pytest

from dctbench import catalog
from dctbench.errors import UsageError
from dctbench.spec import suites
from dctbench.spec.axes import AxisValues
from dctbench.spec.grid import expand_cases

PARTS = """\
[axes]
heads = 2

[[parts]]
impl = ["dct-x"]
ratio = 4
seq = 128
batch = 256

[[parts]]
impl = ["sdpa", "performer"]
ratio = 8
seq = [512, 1024]
batch = 32
"""


def planned(suite: suites.Suite) -> set[tuple[str, int, int, float | None]]:
    """Method, length, batch and ratio of each case of a suite."""
    cases = [case for sweep in suite.sweeps for case in expand_cases(sweep, catalog.IMPLEMENTATIONS)]
    return {(case.implementation, case.seq_len, case.batch, case.ratio) for case in cases}


def test_parts_give_a_length_its_batch_and_a_method_its_ratio() -> None:
    suite = suites.parse(PARTS, "parts.toml")
    assert planned(suite) == {
        ("dct-x", 128, 256, 4), ("sdpa", 512, 32, None), ("sdpa", 1024, 32, None),
        ("performer", 512, 32, 8), ("performer", 1024, 32, 8),
    }  # fmt: skip
    assert suite.axes["impl"] == ["dct-x", "sdpa", "performer"]
    assert (suite.axes["seq"], suite.axes["heads"]) == ([128, 512, 1024], [2])


@pytest.mark.parametrize(
    ("given", "cases"),
    [
        ({"impl": "dct-x"}, {("dct-x", 128, 256, 4)}),
        ({"impl": "dct-x,pool"}, {("dct-x", 128, 256, 4), ("pool", 128, 256, 4), ("pool", 512, 32, 8),
                                  ("pool", 1024, 32, 8)}),
        ({"impl": "performer,dct-x", "seq": 64}, {("performer", 64, 32, 8), ("dct-x", 64, 256, 4)}),
        ({"impl": "performer", "kept": 16, "batch": 1}, {("performer", 512, 1, None), ("performer", 1024, 1, None)}),
    ],
)  # fmt: skip
def test_flags_override_every_part_and_methods_stay_in_their_own(given: dict[str, Any], cases: set[Any]) -> None:
    assert planned(suites.override(suites.parse(PARTS, "parts.toml"), AxisValues(**given))) == cases


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("batch = 32", "bacth = 32", 14, "parts.2.bacth is not a key of a suite did you mean 'batch'"),
        ("ratio = 8", "ratio = 0", 12, "outside 1"),
        ("batch = 32", 'device = "cpu"', 14, "parts.2.device is not a key"),
    ],
)
def test_a_mistake_in_a_part_names_its_line(old: str, new: str, line: int, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        suites.parse(PARTS.replace(old, new), "parts.toml")
    assert f"parts.toml, line {line}:" in refused.value.message
    assert words in f"{refused.value.message} {refused.value.hint}"


@pytest.mark.parametrize(("number", "line"), [(1, 4), (2, 10), (3, 15)])
def test_an_empty_part_names_its_own_line(number: int, line: int) -> None:
    before, *parts = PARTS.split("[[parts]]\n")
    parts.insert(number - 1, "")
    with pytest.raises(UsageError, match=rf"^suite parts.toml, line {line}: parts.{number} has no axes$"):
        suites.parse("[[parts]]\n".join([before, *parts]), "parts.toml")


@pytest.mark.parametrize(
    ("of_the_part", "kept"), [("kept = 64", (None, 64)), ("ratio = 2", (2, None)), ("batch = 2", (4, None))]
)
def test_what_a_part_says_of_compression_replaces_both_axes_of_the_suite(
    of_the_part: str, kept: tuple[float | None, int | None]
) -> None:
    text = f'[axes]\nimpl = "linformer"\nseq = 512\nratio = 4\n[[parts]]\n{of_the_part}\n'
    [sweep] = suites.parse(text, "parts.toml").sweeps
    assert {(case.ratio, case.kept) for case in expand_cases(sweep, catalog.IMPLEMENTATIONS)} == {kept}


@pytest.mark.parametrize("text", ["parts = 3", "parts = [3]", PARTS.replace("seq = 128\n", "")])
def test_parts_that_are_no_axes_or_lack_a_length_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"parts must be tables|no 'seq'"):
        suites.parse(text if "[axes]" in text else f'{text}\n[axes]\nimpl = "sdpa"\nseq = 8\n', "parts.toml")


def test_a_part_without_an_axis_has_the_values_of_the_suite() -> None:
    suite = suites.parse(
        PARTS.replace("heads = 2", "heads = 2\nbatch = [3, 5]").replace("batch = 32", ""), "parts.toml"
    )
    assert {(n, batch) for _, n, batch, _ in planned(suite)} == {
        (128, 256), (512, 3), (512, 5), (1024, 3), (1024, 5),
    }  # fmt: skip
    assert suite.axes["batch"] == [256, 3, 5]


def test_the_suite_paper_has_the_authors_lengths_batches_and_ratios() -> None:
    suite = suites.load("paper")
    found = planned(suite)
    assert {(n, batch) for _, n, batch, _ in found} == {(128, 256), (512, 32), (1024, 16), (4096, 1)}
    ratios = {name: {r for other, _, _, r in found if other == name} for name, *_ in found}
    assert ratios == {
        "dct-x": {4}, "dct-qkv": {4}, "linformer": {8}, "linformer-per-head": {8}, "nystromformer": {8},
            "performer": {8},
        "full": {None}, "sdpa": {None}, "none": {None},
    }  # fmt: skip
    assert (suite.settings.protocol, suite.axes["scope"]) == ("authors", ["encoder"])
