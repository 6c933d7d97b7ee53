"""The acuity table: accuracy by width of detail, in Markdown and LaTeX."""

from __future__ import annotations

from dctbench import analysis
from dctbench.exporters.latex import latex
from dctbench.model import Result
from dctbench.runs.lookup import RecordedRun
from dctbench.wording.acuity import acuity_tables
from dctbench.wording.markdown import markdown, paper_markdown
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.trained import ACUITY, learned, trained, whole_suite

RESULTS = whole_suite()
SUMMARIES = analysis.summarise(RESULTS)


def test_each_method_has_its_accuracy_at_each_width_and_its_resolution() -> None:
    [table] = acuity_tables(SUMMARIES)
    assert table.title == "acuity, n = 64, 3 seeds, a look"
    assert table.head == ["method", "h = 1", "h = 2", "h = 4", "h = 8", "h = 16", "resolution"]
    cells = {name: means for name, *means, _ in table.lines}
    assert cells["dct-x r=4"] == [f"{mean:.2f}" for mean in ACUITY["dct-x", 4]]
    resolutions = {line[0]: line[-1] for line in table.lines}
    assert resolutions["sdpa"] == "finer than 1 token"
    assert resolutions["none"] == "coarser than 16 tokens"
    # Halfway between chance, 0.125, and exact attention, 1.0, is 0.5625: between 0.46 at 1 and 0.74 at 2.
    assert resolutions["dct-x r=4"].startswith("1.3 tokens (")


def test_the_title_tells_how_many_seeds_the_methods_have() -> None:
    def at(name: str, count: int) -> list[Result]:
        slices = {f"h{width}": [0.5] * count for width in (1, 2)}
        return trained(name, [0.5] * count, task="acuity", seq_len=64, slices=slices)

    [table] = acuity_tables(learned(at("sdpa", 12), at("dct-x", 3)))
    assert table.title == "acuity, n = 64, 3 to 12 seeds, a look"
    [table] = acuity_tables(learned(at("sdpa", 12), at("dct-x", 10)))
    assert table.title == "acuity, n = 64, 10 to 12 seeds"


def test_markdown_and_latex_have_it_and_a_run_without_such_a_task_has_none() -> None:
    environments = [ENVIRONMENT]
    whole = RecordedRun(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, RESULTS, [one.case for one in RESULTS])
    for text in (paper_markdown(RUN, environments, SUMMARIES), markdown([whole])):
        assert "| method | h = 1 | h = 2 | h = 4 | h = 8 | h = 16 | resolution |" in text
        assert "| dct-x r=4 | 0.46 | 0.74 | 0.97 | 1.00 | 1.00 | 1.3 tokens (" in text
    text = latex(RUN, environments, SUMMARIES)
    assert r"method & $h = 1$ & $h = 2$ & $h = 4$ & $h = 8$ & $h = 16$ & resolution \\" in text
    assert r"none & 0.13 & 0.14 & 0.15 & 0.18 & 0.23 & coarser than 16 tokens \\" in text
    timed = analysis.summarise([result("sdpa", 64)])
    assert not acuity_tables(timed)
    assert "Acuity" not in paper_markdown(RUN, environments, timed) + latex(RUN, environments, timed)
