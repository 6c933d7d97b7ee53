"""What a case over several devices communicates in one call of its layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Collective:
    """How often a collective was called, and how many bytes a rank sent in all of these calls."""

    calls: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Communication:
    """What the first rank sent in one call of a layer.

    Attributes:
        backend: of `torch.distributed`, such as gloo; `none` for a single rank.
        convention: which bytes are counted.
        collectives: by the name of the collective.
    """

    backend: str
    convention: str
    collectives: Mapping[str, Collective]

    def to_json(self) -> dict[str, Any]:
        """The communication as a result stores it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> Self | None:
        """The inverse of `to_json`, or None if `data` is no communication as this version knows it."""
        if not isinstance(data, dict) or data.keys() != {"backend", "convention", "collectives"}:
            return None
        backend, convention, collectives = data["backend"], data["convention"], data["collectives"]
        if not isinstance(backend, str) or not isinstance(convention, str) or not isinstance(collectives, dict):
            return None
        if not all(_is_collective(one) for one in collectives.values()):
            return None
        return cls(backend, convention, {name: Collective(**one) for name, one in collectives.items()})


def _is_collective(data: object) -> bool:
    return (
        isinstance(data, dict)
        and data.keys() == {"calls", "bytes"}
        and all(type(count) is int and count >= 0 for count in data.values())
    )
