"""How smooth an input is, in words: what a method that keeps low frequencies can keep of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dctbench.analysis.spectrum import OnInput
from dctbench.text.format import format_percent, listed
from dctbench.wording.cells import error_words
from dctbench.wording.labels import Labels

NOISE = "noise"


def title(found: OnInput, labels: Labels) -> str:
    """`photo at n = 512`, with the other axes in which the cases of the page differ."""
    shape = ", ".join(word for word in labels.facet(found.case).split(", ") if word != f"on {found.case.input}")
    return f"{found.case.input} at n = {found.case.seq_len}" + (f", {shape}" if shape else "")


def answer(found: OnInput, labels: Labels) -> str:
    """Return in one sentence what a quarter of the coefficients, and of the windows, keeps of an input."""
    at, spectrum = found.quarter, found.spectrum
    kept = spectrum.kept[at]
    dct = _listed((part, spectrum.dct[part][at]) for part in spectrum.parts)
    pool = _listed((part, spectrum.pool[part][at]) for part in spectrum.parts)
    return (
        f"{title(found, labels)}: the {kept} lowest of {found.case.seq_len} DCT coefficients hold {dct} "
        f"(of noise {format_percent(found.even(kept))}); the means of {kept} windows hold {pool}"
    )


def _listed(shares: Iterable[tuple[str, float]]) -> str:
    """`90% of the energy of x, 89% of q, 90% of k and 90% of v`."""
    (part, share), *others = shares
    first = f"{format_percent(share)} of the energy of {part}"
    return listed([first, *(f"{format_percent(share)} of {part}" for part, share in others)])


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """The relative errors of one method on an input, on the smooth input, and on noise."""

    name: str
    on_input: str
    smooth: str
    noise: str


def error_rows(found: OnInput) -> list[ErrorRow]:
    """Return the errors of the methods whose output can be compared with that of exact attention."""
    return [
        ErrorRow(s.case.name, *(error_words(s, metric) for metric in ("error.input", "error.smooth", "error.noise")))
        for s in found.methods
        if "error.input" in s.values
    ]


def share_rows(found: OnInput) -> list[tuple[str, list[str]]]:
    """Return the shares of the energy at each number kept: of the DCT and of windows by part, and of noise."""
    spectrum = found.spectrum
    rows = [
        (f"{part}, {what}", [format_percent(share) for share in table[part]])
        for part in spectrum.parts
        for what, table in (("DCT", spectrum.dct), ("windows", spectrum.pool))
    ]
    return [*rows, (NOISE, [format_percent(found.even(kept)) for kept in spectrum.kept])]
