"""Which parts of a sweep are meant: one shard of it, or those of one that have come together."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_SHARDS = 100_000
_WRITTEN = re.compile(r"([0-9]{1,6}(?:,[0-9]{1,6})*)/([0-9]{1,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shards:
    """Some of the `of` shards of a sweep, by their numbers from 1.

    Raises:
        ValueError: for no shard, for a number outside 1 to `of`, and for more than MOST_SHARDS.
    """

    numbers: frozenset[int]
    of: int

    def __post_init__(self) -> None:
        if not self.numbers or not 1 <= min(self.numbers) <= max(self.numbers) <= self.of <= MOST_SHARDS:
            raise ValueError(f"no shards of a sweep: {self}")

    def __str__(self) -> str:
        """`3/16`, or `1,3/16` for two of them."""
        return f"{','.join(map(str, sorted(self.numbers)))}/{self.of}"

    @classmethod
    def read(cls, text: object) -> Shards | None:
        """The inverse of `str`; None for anything else, a stored value of another type included."""
        found = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            return None
        try:
            return cls(frozenset(map(int, found[1].split(","))), int(found[2]))
        except ValueError:
            return None

    @property
    def whole(self) -> bool:
        """Whether they are all shards of the sweep."""
        return len(self.numbers) == self.of

    def __or__(self, other: Shards) -> Shards:
        """Return the shards of both, which are of one sweep."""
        return Shards(self.numbers | other.numbers, self.of)
