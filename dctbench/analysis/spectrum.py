"""The inputs on which errors were measured: how smooth they are, and how well each method does on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dctbench.analysis.summary import Summary
from dctbench.model import Case, Spectrum

QUARTER = 4
"""The ratio at which a spectrum is told in a sentence."""


@dataclass(frozen=True, slots=True)
class OnInput:
    """An input at one shape: its spectrum, and the methods that were measured on it."""

    case: Case
    spectrum: Spectrum
    methods: tuple[Summary, ...]

    @property
    def quarter(self) -> int:
        """The index of the number kept that is closest to a quarter of the sequence."""
        kept = self.spectrum.kept
        return min(range(len(kept)), key=lambda index: abs(kept[index] - self.case.seq_len / QUARTER))

    def even(self, kept: int) -> float:
        """Return the share of the energy that so many numbers keep of noise, where no frequency is stronger.

        The mean is left out: it is one of the numbers kept, and one of those of the sequence.
        """
        return (kept - 1) / (self.case.seq_len - 1)


def on_inputs(summaries: Iterable[Summary]) -> list[OnInput]:
    """Return one entry for each input and shape, in order of length and then as measured.

    An imported file may hold a spectrum that keeps more than its sequence has. It says nothing, so it is left out.
    """
    by_shape: dict[tuple[object, ...], list[Summary]] = {}
    for summary in summaries:
        if summary.case.input is not None:
            by_shape.setdefault(summary.case.shape, []).append(summary)
    found = []
    for members in by_shape.values():
        seq_len = members[0].case.seq_len
        known = (s.details.spectrum for s in members)
        spectrum = next((one for one in known if one is not None and 0 < max(one.kept, default=0) < seq_len), None)
        if spectrum is not None:
            found.append(OnInput(members[0].case, spectrum, tuple(members)))
    return sorted(found, key=lambda one: one.case.seq_len)
