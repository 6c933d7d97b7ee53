"""How the energy of an input is spread over its frequencies: what a low-pass attention can keep of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

PARTS = ("x", "q", "k", "v")


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The share of the energy of an input that few numbers keep, without its mean along the sequence.

    Attributes:
        kept: how many numbers of a sequence are kept, the mean among them, fewest first.
        dct: by part (`x`, `q`, `k`, `v`), the share in so many of the lowest coefficients of the DCT.
        pool: the same in the means of so many windows.
    """

    kept: tuple[int, ...]
    dct: Mapping[str, tuple[float, ...]]
    pool: Mapping[str, tuple[float, ...]]

    @property
    def parts(self) -> list[str]:
        """The parts that were measured, x first."""
        return [part for part in PARTS if part in self.dct]

    def to_json(self) -> dict[str, Any]:
        """The spectrum as a result stores it."""
        tables = {"dct": self.dct, "pool": self.pool}
        return {"kept": list(self.kept)} | {
            name: {part: list(shares) for part, shares in table.items()} for name, table in tables.items()
        }

    @classmethod
    def from_json(cls, data: object) -> Self | None:
        """The inverse of `to_json`, or None if `data` is not a spectrum as this version knows it."""
        if not isinstance(data, dict) or data.keys() != {"kept", "dct", "pool"}:
            return None
        kept = data["kept"]
        if not isinstance(kept, list) or not 1 <= len(kept) <= 100 or not all(type(each) is int for each in kept):
            return None
        if not all(1 <= each <= 1 << 24 for each in kept) or sorted(set(kept)) != kept:
            return None
        tables = (data["dct"], data["pool"])
        if not all(_is_table(table, len(kept)) for table in tables) or tables[0].keys() != tables[1].keys():
            return None
        dct, pool = ({part: tuple(shares) for part, shares in table.items()} for table in tables)
        return cls(tuple(kept), dct, pool)


def _is_table(data: object, length: int) -> bool:
    """Whether it has a part at least, and as many shares of each."""
    return (
        isinstance(data, dict)
        and bool(data)
        and data.keys() <= set(PARTS)
        and all(isinstance(shares, list) and len(shares) == length for shares in data.values())
        and all(type(share) in (int, float) and -1e-6 <= share <= 1 + 1e-6 for s in data.values() for share in s)
    )
