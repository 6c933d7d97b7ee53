"""The atlas: each machine is judged by itself, from results made by hand whose crossing is known."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from dctbench import analysis
from dctbench.analysis import Payoff
from dctbench.analysis.atlas import Sheet, atlas
from dctbench.analysis.crossover import beside_reference
from dctbench.model import Result
from dctbench.page.atlas import drawing
from dctbench.wording.atlas import answer, cell
from dctbench.wording.labels import Labels
from tests.support.made import result

LENGTHS = (256, 512, 1024, 2048, 4096)


def run(crossing: float, *, batch: int = 1) -> list[Result]:
    """sdpa takes n^2 and dct-x crossing * n nanoseconds, which are equal at that length; five equal rounds."""
    return [
        result(name, n, 1e-9 * n * (n if name == "sdpa" else crossing), ratio=ratio, round=number, batch=batch)
        for n in LENGTHS for name, ratio in (("sdpa", None), ("dct-x", 8)) for number in range(1, 6)
    ]  # fmt: skip


def sheets(**machines: list[Result]) -> list[Sheet]:
    told = {name: beside_reference(analysis.summarise(results), "sdpa") for name, results in machines.items()}
    return atlas({name: {c: one for c, one in found.items() if one is not None} for name, found in told.items()})


def test_each_machine_has_its_own_crossing() -> None:
    [sheet] = sheets(early=run(700.0), late=run(3000.0), never=run(1e5), always=run(1.0))
    [column] = sheet.columns
    found = {name: row[column] for name, row in sheet.rows.items()}
    assert (found["never"].kind, found["always"].kind) == (Payoff.NEVER, Payoff.ALWAYS)
    for name, crossing in (("early", 700.0), ("late", 3000.0)):
        [where] = found[name].crossings
        assert where.estimate == pytest.approx(crossing)
        assert where.low < crossing < where.high
    assert cell(found["early"]) == "from about 700 (700-700)"
    assert (cell(found["never"]), cell(found["always"]), cell(None)) == (
        "never, up to 4096", "always, from 256", "not measured",
    )  # fmt: skip
    assert answer(sheet, "sdpa", Labels([])) == (
        "On 3 of 4 machines some method is faster than sdpa between n = 256 and 4096."
    )


def test_a_long_name_is_within_the_drawing() -> None:
    name = "my_package.attention:AnEspeciallyLongNameOfAMethod"
    results = [replace(one, case=replace(one.case, implementation=name, ratio=None)) if one.case.ratio else one
               for one in run(700.0)]  # fmt: skip
    [sheet] = sheets(here=results)
    svg = ElementTree.fromstring(drawing(sheet.rows["here"], sheet.columns, sheet.lengths))
    [label] = [element for element in svg.iter("text") if element.text == name]
    assert float(label.attrib["x"]) - 0.55 * 12 * len(name) > 0
    right = max(float(circle.attrib["cx"]) for circle in svg.iter("circle"))
    assert float(label.attrib["x"]) < right < float(svg.attrib["viewBox"].split()[2])


def test_lengths_beyond_a_crossing_at_which_nothing_is_told_are_named() -> None:
    longest = LENGTHS[-1]
    known = [one for one in run(700.0) if one.case.seq_len < longest or one.case.implementation == "sdpa"]
    noisy = [
        result("dct-x", longest, 1e-9 * longest**2 * 3.0 ** (number - 3), ratio=8, round=number)
        for number in range(1, 6)
    ]
    [sheet] = sheets(one=[*known, *noisy])
    [column] = sheet.columns
    [row] = sheet.rows.values()
    assert cell(row[column]) == f"from about 700 (700-700); not told apart at {longest}"


def test_a_single_length_is_no_claim_of_always() -> None:
    [sheet] = sheets(one=[one for one in run(1.0) if one.case.seq_len == LENGTHS[0]])
    [column] = sheet.columns
    [row] = sheet.rows.values()
    assert cell(row[column]) == f"faster at {LENGTHS[0]} (one length)"


def test_a_control_that_is_faster_is_no_method_that_pays() -> None:
    control = [result("none", n, 1e-9 * n, round=number) for n in LENGTHS for number in range(1, 6)]
    [sheet] = sheets(one=[*run(700.0), *control], two=[*run(1e5), *control])
    assert [machine for machine, row in sheet.rows.items() if all(one.first_win is None for one in row.values())] == []
    assert answer(sheet, "sdpa", Labels([])).startswith("On 1 of 2 machines some method is faster than sdpa")


def test_a_method_that_one_machine_lacks_and_a_shape_that_one_machine_lacks_are_kept_apart() -> None:
    more = [
        result("pool", n, 1e-9 * n * 900, ratio=4, round=number) for n in LENGTHS for number in range(1, 6)
    ]  # fmt: skip
    both, alone = sheets(one=[*run(700.0), *more, *run(700.0, batch=8)], two=run(3000.0))
    assert [column.name for column in both.columns] == ["dct-x r=8", "pool r=4"]
    assert (list(both.rows), list(alone.rows)) == (["one", "two"], ["one"])
    assert [column.name for column in both.rows["two"]] == ["dct-x r=8"]
    assert alone.case.batch == 8


def test_without_the_reference_nothing_is_told() -> None:
    assert sheets(one=[one for one in run(700.0) if one.case.implementation != "sdpa"]) == []
