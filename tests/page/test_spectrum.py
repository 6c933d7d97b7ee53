"""The section on the inputs on which errors were measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dctbench.analysis import summarise
from dctbench.analysis.spectrum import on_inputs
from dctbench.model import Result, ResultDetails, Spectrum
from dctbench.page.html import html
from dctbench.page.spectrum import spectrum_section
from dctbench.wording import spectrum as words
from dctbench.wording.labels import Labels
from tests.page.test_html import recorded, without_scripts
from tests.support.made import result

SPECTRUM = Spectrum(
    (2, 16, 32), {"x": (0.1, 0.905, 0.95), "v": (0.1, 0.4, 0.6)}, {"x": (0.1, 0.8, 0.9), "v": (0.1, 0.3, 0.5)}
)


def results(of: str | None = "photo") -> list[Result]:
    made = []
    for name, error in (("sdpa", 1e-7), ("dct-kv", 0.25)):
        one = result(name, 64, 1e-3, values={"error.input": ("1", error), "error.smooth": ("1", 2 * error)},
                     ratio=4 if name == "dct-kv" else None)  # fmt: skip
        details = ResultDetails(spectrum=None if of is None else SPECTRUM)
        made.append(replace(one, case=replace(one.case, input=of), details=details))
    return made


def test_a_sentence_tells_what_a_quarter_keeps_beside_what_it_keeps_of_noise() -> None:
    summaries = summarise(results())
    [found] = on_inputs(summaries)
    assert words.answer(found, Labels(s.case for s in summaries)) == (
        "photo at n = 64: the 16 lowest of 64 DCT coefficients hold 90% of the energy of x and 40% of v (of noise "
        "24%); the means of 16 windows hold 80% of the energy of x and 30% of v"
    )


def test_the_section_has_the_shares_and_the_errors() -> None:
    summaries = summarise(results())
    section = spectrum_section(summaries, Labels(s.case for s in summaries))
    assert section is not None
    [part] = section.parts
    assert part.shares[0] == ("x, DCT", ["10%", "90%", "95%"])
    assert part.shares[-1] == ("noise", ["2%", "24%", "49%"])
    assert [(row.name, row.on_input, row.smooth) for row in part.errors][1] == ("dct-kv r=4", "0.250", "0.500")
    [figure] = section.figures.values()
    drawn = {trace["name"]: trace["y"] for trace in figure["data"]}
    assert drawn["v, windows"] == [0.1, 0.3, 0.5]
    assert drawn["noise"] == [1 / 63, 15 / 63, 31 / 63]


def test_a_page_without_an_input_names_the_command() -> None:
    assert "dctbench run --input photo,ecg,text" in without_scripts(html([recorded(results=results(None))]))
    assert "photo at n = 64" in without_scripts(html([recorded(results=results())]))


@pytest.mark.parametrize("n", [1, 32])
def test_a_spectrum_that_keeps_more_than_its_sequence_has_is_left_out(n: int) -> None:
    made = [replace(one, case=replace(one.case, seq_len=n)) for one in results()]
    assert on_inputs(summarise(made)) == []
    assert f"photo at n = {n}: the" not in without_scripts(html([recorded(results=made)]))
