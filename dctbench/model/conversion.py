"""What a result records of a model whose attention was replaced, and of the training after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from dctbench.model.checks import is_count, is_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """Which attentions of a model were replaced, and how a training to recover its outputs went.

    Attributes:
        replaced: paths of the attentions that a method replaced, in the order of the model.
        kept: paths of those that could have been replaced, and were left.
        refused: why each of the others cannot be replaced, by path.
        sequences: how many inputs the outputs were compared on.
        steps: of the training; 0 without one.
        rate: the learning rate that won on held-out inputs; None without a training.
        probes: relative squared difference of held-out outputs by rate, after a quarter of the steps.
        at_edge: whether the winner is the smallest or the largest rate.
        loss_before, loss_after: relative squared difference of held-out outputs, before and after the training.
    """

    replaced: tuple[str, ...]
    kept: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    sequences: int = 0
    steps: int = 0
    rate: float | None = None
    probes: tuple[tuple[float, float], ...] = ()
    at_edge: bool = False
    loss_before: float | None = None
    loss_after: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The conversion as a result stores it."""
        lists = {"replaced": list(self.replaced), "kept": list(self.kept), "probes": list(map(list, self.probes))}
        return asdict(self) | {"refused": dict(self.refused)} | lists

    @classmethod
    def from_json(cls, data: object) -> Self | None:
        """The inverse of `to_json`, or None if `data` is not a conversion as this version knows it."""
        if not isinstance(data, dict) or data.keys() != set(cls.__slots__):
            return None
        sound = (
            all(_are_texts(data[name]) for name in ("replaced", "kept"))
            and isinstance(data["refused"], dict)
            and _are_texts(list(data["refused"].values()))
            and all(is_count(data[name]) for name in ("sequences", "steps"))
            and all(data[name] is None or is_number(data[name]) for name in ("rate", "loss_before", "loss_after"))
            and isinstance(data["at_edge"], bool)
            and isinstance(data["probes"], list)
            and all(isinstance(row, list) and len(row) == 2 and all(map(is_number, row)) for row in data["probes"])
        )
        if not sound:
            return None
        probes = tuple((rate, loss) for rate, loss in data["probes"])
        return cls(**data | {"replaced": tuple(data["replaced"]), "kept": tuple(data["kept"]), "probes": probes})


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
