"""The authors' protocol beside ours: figures that were derived by hand."""

from __future__ import annotations

from dataclasses import replace

from dctbench import analysis
from dctbench.model import Environment, Measurement, Result
from dctbench.wording import by_authors
from dctbench.wording.markdown import paper_markdown
from tests.support.made import ENVIRONMENT, RUN, result

MIB = float(1 << 20)


def measured(implementation: str, seconds: float, theirs: tuple[float, ...], ratio: int | None = None) -> Result:
    """Return a result of a batch of 4, with 8 MiB by our protocol, and 6 MiB a sequence by that of the authors."""
    values = {"memory.tensor": ("B", 6 * MIB), "memory.state": ("B", 2 * MIB), "authors.memory": ("B", 6 * MIB)}
    made = result(implementation, 128, seconds, values=values, batch=4, ratio=ratio)
    return replace(made, measurements=(*made.measurements, Measurement("authors.latency", "s", theirs)))


BOTH = [measured("full", 8e-3, (7e-3, 1e-3, 1e-3)), measured("dct-x", 4e-3, (1e-3,) * 50, ratio=4)]
NEITHER = result("sdpa", 128, 2e-3, batch=4)


def test_each_figure_is_for_one_sequence_and_theirs_is_the_mean_of_all_calls() -> None:
    [table] = by_authors.protocol_tables(analysis.summarise([*BOTH, NEITHER]))
    assert table.place == "n = 128, batch 4"
    assert table.rows == (
        ("full", "2.00 ms", "3.00 ms", "1.50x", "2.00 MiB", "6.00 MiB", "3.00x", "3"),
        ("dct-x r=4", "1.00 ms", "1.00 ms", "1.00x", "2.00 MiB", "6.00 MiB", "3.00x", "50"),
    )


def test_each_shape_has_a_table_and_a_run_by_one_protocol_has_none() -> None:
    other = [replace(one, case=replace(one.case, seq_len=512, batch=2)) for one in BOTH]
    places = [table.place for table in by_authors.protocol_tables(analysis.summarise([*BOTH, *other]))]
    assert places == ["n = 128, batch 4", "n = 512, batch 2"]
    summaries = analysis.summarise([NEITHER])
    assert not by_authors.protocol_tables(summaries)
    assert not by_authors.lines(summaries)
    assert by_authors.TITLE not in paper_markdown(RUN, [ENVIRONMENT], summaries)


def test_memory_that_was_not_measured_is_no_figure() -> None:
    bare = replace(NEITHER, measurements=(*NEITHER.measurements, Measurement("authors.latency", "s", (1e-3,))))
    [table] = by_authors.protocol_tables(analysis.summarise([bare]))
    assert table.rows == (("sdpa", "500 µs", "1.00 ms", "2.00x", "-", "-", "-", "1"),)


def test_markdown_has_the_table_below_that_of_the_paper() -> None:
    environments: list[Environment] = [ENVIRONMENT]
    text = paper_markdown(RUN, environments, analysis.summarise(BOTH))
    assert text.index("### Latency by sequence length") < text.index(f"#### {by_authors.TITLE}")
    assert "| dct-x r=4 | 1.00 ms | 1.00 ms | 1.00x | 2.00 MiB | 6.00 MiB | 3.00x | 50 |" in text
