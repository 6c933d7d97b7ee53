"""What a result records of calls that were released on a schedule, beside their response times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from dctbench.model.checks import is_number

MOST_CAUSES = 1000
_CODE = re.compile(r"[a-z]{1,20}", re.ASCII)


class Schedule(NamedTuple):
    """How a schedule of calls went.

    Attributes:
        rate: calls per second that were completed.
        late: whether it ended early, since every call was late.
        causes: the code of a likely cause (`machine.periodic.CAUSES`) of each late call by its number from 0, for the
            first thousand of them.
        priority: the scheduler that was in force, or why not the one that was asked for; None if none was.
        memory: the same for locked memory.
    """

    rate: float
    late: bool
    causes: Mapping[int, str]
    priority: str | None = None
    memory: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The schedule as a result stores it."""
        stored = {name: value for name, value in self._asdict().items() if value is not None}
        return stored | {"causes": [[number, cause] for number, cause in self.causes.items()]}

    @classmethod
    def from_json(cls, data: object) -> Self | None:
        """The inverse of `to_json`, or None if `data` is not a schedule as this version knows it."""
        if not isinstance(data, dict) or not {"rate", "late", "causes"} <= data.keys() <= {*cls._fields}:
            return None
        rate, causes = data["rate"], _causes(data["causes"])
        words = [data.get(name) for name in ("priority", "memory")]
        if not is_number(rate) or not 0 < rate < 1e9 or causes is None:
            return None
        if not isinstance(data["late"], bool) or not all(word is None or isinstance(word, str) for word in words):
            return None
        return cls(rate, data["late"], causes, *words)


def _causes(data: object) -> dict[int, str] | None:
    if not isinstance(data, list) or len(data) > MOST_CAUSES:
        return None
    found: dict[int, str] = {}
    for pair in data:
        if not isinstance(pair, list) or len(pair) != 2:
            return None
        number, code = pair
        if type(number) is not int or not isinstance(code, str) or not _CODE.fullmatch(code):
            return None
        found[number] = code
    return found
