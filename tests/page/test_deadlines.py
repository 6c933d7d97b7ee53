"""The first screen of a run with a deadline: what misses it is not recommended."""

from __future__ import annotations

from dataclasses import replace

from dctbench.page.decision import decision_section
from dctbench.page.facets import arrange
from dctbench.page.html import html
from tests.analysis.test_deadlines import SWEEP, released
from tests.analysis.test_in_model import rounds
from tests.page.test_html import recorded, without_scripts
from tests.support.made import RUN, result


def first_screen(*results: object) -> str:
    return without_scripts(html([recorded(RUN, list(results))])).split('id="decision"')[1]  # type: ignore[arg-type]


def test_the_page_opens_with_the_engine_and_length_that_keep_the_deadline() -> None:
    text = first_screen(*SWEEP)
    sentence = text.split('id="recommendation">')[1].split("</p>")[0]
    assert sentence.startswith(
        "At n = 2048, onnxruntime within miss rate 1.0% (due in 10.0 ms): the fastest is dct-x r=8"
    )
    assert "0 of 300 late, at most 1.0%" in sentence
    assert "80.5 MiB resident" in sentence  # as a bundle measures it
    assert "over budget: miss rate up to 25% &gt; 1.0%" in text
    assert "A call every 20.0 ms, due in 10.0 ms" in text


def test_a_late_method_is_not_recommended_however_fast() -> None:
    text = first_screen(*released("sdpa", 512, 4e-3, 0), *released("dct-x", 512, 1e-3, 9, ratio=8))
    assert "At n = 512 within miss rate 1.0% (due in 10.0 ms): ship sdpa" in text
    nobody = first_screen(*released("sdpa", 512, 4e-3, 9), *released("dct-x", 512, 1e-3, 9, ratio=8))
    assert "no method can be recommended: none is shown to stay within these limits" in nobody


def test_sdpa_in_int8_is_not_called_exact() -> None:
    made = released("sdpa", 512, 4e-3, 0, engine="onnxruntime-int8")
    assert "exact but for int8)" in first_screen(*made)


def test_what_a_deadline_admits_is_judged_by_what_is_known_of_its_own_facet() -> None:
    """The page opens with a model that loses by dct-kv. Nothing was learned of the attention beside it."""
    alone = [*released("sdpa", 128, 4e-3, 0), *released("dct-kv", 128, 1e-3, 0, ratio=2)]
    in_model = [*rounds("sdpa", 4e-3, 60), *rounds("dct-kv", 1e-3, 20, ratio=2)]
    in_model += [replace(one, case=replace(one.case, seq_len=n)) for one in in_model for n in (256, 512)]
    contents = arrange([recorded(RUN, [*in_model, *alone])], "sdpa")
    assert [facet.case.model for facet in contents.facets] == ["minilm", None]
    [part] = decision_section(contents, contents.facets[0]).deadlines
    [answer] = part.answers
    assert answer.startswith("n = 128: the fastest that is in time is dct-kv r=2 (1.00 ms")


def test_a_run_without_a_deadline_has_no_column_and_no_table_for_it() -> None:
    text = first_screen(result("sdpa"), result("sdpa", round=2))
    assert 'class="late" hidden' in text
    assert "A call every" not in text
