"""Names that distinguish the cases of one sweep, so that no two rows, lines or sentences have the same name."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dctbench.model import Case
from dctbench.text.format import format_seconds

_WORDS = {"device": "", "dtype": "", "scope": "", "mode": "", "engine": "", "batch": "batch ", "heads": "heads ",
          "head_dim": "head dim ", "threads": "threads ", "task": "", "period": "every ",
          "deadline": "due in ", "model": "", "input": "on ", "ranks": "ranks "}  # fmt: skip
_TIMES = ("period", "deadline")
_OF_MODEL = ("model", "scope", "heads", "head_dim")
"""What the name of a model says."""
_DEFAULTS = ("threads",)
"""The axes that have a value of their own where none was set; of any other, a case without one has nothing to tell."""


class Labels:
    """Names for a set of cases: method, what it keeps, length, and the other axes in which the cases differ."""

    def __init__(self, cases: Iterable[Case]) -> None:
        seen: dict[str, set[object]] = {field: set() for field in _WORDS}
        for case in cases:
            for field, values in seen.items():
                values.add(getattr(case, field))
        self.varying = tuple(field for field, values in seen.items() if len(values) > 1)

    def curve(self, case: Case) -> str:
        """Return a case without its length: `dct-x r=8`, `dct-x r=8 train, batch 4`."""
        shape = self.facet(case)
        return f"{case.name} {shape}" if shape else case.name

    def case(self, case: Case) -> str:
        """Return a case with its length: `dct-x r=8 n=4096`, `dct-x r=8 train, batch 4 n=4096`."""
        return f"{self.curve(case)} n={case.seq_len}"

    def place(self, case: Case, without: Collection[str] = ()) -> str:
        """Return a shape: `n = 512`, `n = 512, train, batch 4`; `without` as in `facet`."""
        shape = self.facet(case, without)
        return f"n = {case.seq_len}, {shape}" if shape else f"n = {case.seq_len}"

    def place_in_model(self, case: Case) -> str:
        """Return a shape of a model, beside whose name it stands: `n = 512, bfloat16`."""
        return self.place(case, _OF_MODEL)

    def facet(self, case: Case, without: Collection[str] = ()) -> str:
        """Return the axes beside method, what it keeps, and length that differ, `train, batch 4`, or an empty text.

        Args:
            case: of the set.
            without: axes to leave out.
        """
        values = ((field, axis_value(case, field)) for field in self.varying if field not in without)
        return ", ".join(f"{_WORDS[field]}{value}" for field, value in values if value)


def axis_value(case: Case, field: str) -> str:
    """Return the value of a field of a case in words, `20 ms` for a period; an empty text if there is none to tell."""
    value = getattr(case, field)
    if value is None:
        return "default" if field in _DEFAULTS else ""
    return format_seconds(value) if field in _TIMES else str(value)
