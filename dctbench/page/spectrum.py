"""The section "Is my input smooth?": the spectrum of each input, and the error of each method on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dctbench.analysis import Summary
from dctbench.analysis.spectrum import on_inputs
from dctbench.page.charts.axes import Figure
from dctbench.page.charts.spectrum import spectrum_chart
from dctbench.wording import spectrum as words
from dctbench.wording.labels import Labels


@dataclass(frozen=True, slots=True)
class InputPart:
    """An input at one shape: its title, the name of its chart, its shares by number kept, and errors by method."""

    title: str
    name: str
    chart: str
    kept: tuple[int, ...]
    shares: list[tuple[str, list[str]]]
    errors: list[words.ErrorRow]


@dataclass(frozen=True, slots=True)
class SpectrumSection:
    """The answers, the parts and the figures of the section, by the name of their place in the page."""

    answers: tuple[str, ...]
    parts: tuple[InputPart, ...]
    figures: Mapping[str, Figure]


def spectrum_section(summaries: Sequence[Summary], labels: Labels, *, prefix: str = "") -> SpectrumSection | None:
    """Return the section for a run; None if no error was measured on an input.

    Args:
        summaries: of the run.
        labels: which axes the cases of the page differ in.
        prefix: of the names of figures, so that those of several runs differ.
    """
    found = on_inputs(summaries)
    if not found:
        return None
    names = [f"{prefix}spectrum-{number}" for number in range(len(found))]
    parts = [
        InputPart(
            words.title(one, labels),
            str(one.case.input),
            name,
            one.spectrum.kept,
            words.share_rows(one),
            words.error_rows(one),
        )
        for one, name in zip(found, names, strict=True)
    ]
    figures = {name: spectrum_chart(one) for one, name in zip(found, names, strict=True)}
    return SpectrumSection(tuple(words.answer(one, labels) for one in found), tuple(parts), figures)
