"""How the cases of a run were measured: what they share, and where they differ."""

from __future__ import annotations

from dataclasses import replace

from dctbench.analysis import summarise
from dctbench.model import Result, ResultDetails
from dctbench.page.html import html
from dctbench.page.provenance import manner
from tests.page.test_html import recorded, without_scripts
from tests.support.made import RUN, result


def measured(**details: object) -> Result:
    """A case of its own for each number of threads."""
    threads = details.get("threads")
    return replace(result("sdpa", threads=threads), details=ResultDetails.from_json(details))


def test_settings_in_which_cases_differ_have_every_value() -> None:
    made = [measured(threads=n, isolation="zygote" if n < 4 else "fresh", cache="warm") for n in (1, 2, 4)]
    failed = result("full", seconds=None, status="error")
    failed = replace(failed, details=ResultDetails(threads=64, cache="cold"))
    assert manner(summarise([failed, *made])) == {
        "cache": "warm", "isolation": "zygote; fresh", "threads": "1; 2; 4"
    }  # fmt: skip
    text = without_scripts(html([recorded(RUN, made)]))
    assert '<th scope="row">threads</th><td>1; 2; 4</td>' in text
    assert '<th scope="row">cache</th><td>warm</td>' in text


def test_settings_of_several_parts_are_told_part_by_part_and_many_numbers_as_their_range() -> None:
    made = [
        measured(threads=n, gpu={"before": {"temperature_C": 30.5 + n}, "limit_W": 700}, tf32={"matmul": n > 6})
        for n in range(1, 13)
    ]
    found = manner(summarise(made))
    assert found["gpu state"] == {"before": {"temperature_C": "31.5 to 42.5"}, "limit_W": 700}
    assert found["tf32"] == {"matmul": "False; True"}
    assert found["threads"] == "1 to 12"


def test_many_texts_are_counted() -> None:
    made = [measured(threads=n, inputs=f"drawn {n}") for n in range(1, 13)]
    listed = "; ".join(f"drawn {n}" for n in range(1, 9))
    assert manner(summarise(made))["inputs"] == f"{listed} and 4 more"


def test_a_run_in_which_nothing_was_timed_has_no_settings_of_cases() -> None:
    assert manner(summarise([result(seconds=None, status="oom")])) == {}
