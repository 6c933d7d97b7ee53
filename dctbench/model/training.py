"""What a result records of a training: how its rate was chosen, how it went, and why it failed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple, Self

from dctbench.model.checks import is_count, is_number

TrainingFailure = Literal["crashed", "diverged"]
VALIDATION_EXAMPLES = 256
"""The most sequences that a probe is validated on."""
_SURELY = 5
"""So many standard errors above a guess are no chance, in any of thousands of probes."""


def surely_above(accuracy: float, guess: float, answers: int) -> bool:
    """Whether so many answers show that a model does better than a guess of that accuracy."""
    return accuracy > guess + _SURELY * math.sqrt(guess * (1 - guess) / answers)


class Probe(NamedTuple):
    """A short training with one learning rate. `accuracy` is that on validation data; None if it diverged."""

    rate: float
    accuracy: float | None


class CurvePoint(NamedTuple):
    """After `step` steps: the mean loss of training since the point before, and the accuracy on validation data."""

    step: int
    loss: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How one training went.

    Attributes:
        seed: of weights, data and order: the number of the round.
        steps: of the full training.
        probe_steps: of each probe.
        probes: one per rate, by ascending rate.
        rate: the one that won and that the full training used; None if no probe ended.
        at_edge: whether the winner is the smallest or the largest rate, so that a wider grid might be better.
        curve: of the full training.
        answers: how many answers the accuracy counts.
        test_examples: sequences that were tested.
        train_examples: sequences of the fixed training set; None if every step drew fresh ones.
        parameters: of the whole model.
        layers: attention layers of the model.
        feed_forward: inner width of its feed-forward networks.
        options: of the layer, other than its defaults.
        failure: why there is no accuracy: the layer crashed, or the training diverged; None for a finished training.
        failed_step: the step at which it failed.
        failed_rate: the rate of the probe or training that failed.
        floor: what a failed training on this task counts as. Only a task of the user's own is not known elsewhere.
        guess: accuracy of the best guess that does not solve the task; None if this is not known.
    """

    seed: int
    steps: int
    probe_steps: int
    probes: tuple[Probe, ...] = ()
    rate: float | None = None
    at_edge: bool = False
    curve: tuple[CurvePoint, ...] = ()
    answers: int = 0
    test_examples: int = 0
    train_examples: int | None = None
    parameters: int = 0
    layers: int = 0
    feed_forward: int = 0
    options: Mapping[str, int | float | str | bool] = field(default_factory=dict)
    failure: TrainingFailure | None = None
    failed_step: int | None = None
    failed_rate: float | None = None
    floor: float = 0.0
    guess: float | None = None

    def chosen_blindly(self, guess: float) -> bool:
        """Whether no rate did better in its probe than a guess of that accuracy, so that the best rate is not known."""
        validated = round(self.answers * min(1.0, VALIDATION_EXAMPLES / max(1, self.test_examples)))
        if len(self.probes) < 2 or not validated:
            return False
        return not any(p.accuracy is not None and surely_above(p.accuracy, guess, validated) for p in self.probes)

    def to_json(self) -> dict[str, Any]:
        """The training as a result stores it."""
        stored = asdict(self)
        stored["probes"] = [list(probe) for probe in self.probes]
        stored["curve"] = [list(point) for point in self.curve]
        stored["options"] = dict(self.options)
        return stored

    @classmethod
    def from_json(cls, data: object) -> Self | None:
        """The inverse of `to_json`, or None if `data` is not a training as this version knows it."""
        if not isinstance(data, dict):
            return None
        data = {"floor": 0.0, "guess": None, **data}  # results from before these were recorded lack them
        if data.keys() != set(cls.__slots__):
            return None
        counts = [data[name] for name in ("seed", "steps", "probe_steps", "answers", "test_examples", "parameters",
                                          "layers", "feed_forward")]  # fmt: skip
        optional = [data[name] for name in ("train_examples", "failed_step")]
        rates = [data[name] for name in ("rate", "failed_rate")]
        shares = [data["floor"], *([] if data["guess"] is None else [data["guess"]])]
        sound = (
            all(is_count(value) for value in counts)
            and all(value is None or is_count(value) for value in optional)
            and all(value is None or is_number(value) for value in rates)
            and all(is_number(value) and 0 <= value <= 1 for value in shares)
            and isinstance(data["at_edge"], bool)
            and data["failure"] in (None, "crashed", "diverged")
            and isinstance(data["options"], dict)
            and all(isinstance(value, int | float | str) for value in data["options"].values())
            and _are_rows(data["probes"], 2, optional=True)
            and _are_rows(data["curve"], 3)
            and all(is_count(row[0]) for row in data["curve"])
        )
        if not sound:
            return None
        probes = tuple(Probe(*row) for row in data["probes"])
        curve = tuple(CurvePoint(*row) for row in data["curve"])
        return cls(**{**data, "probes": probes, "curve": curve})


def _are_rows(rows: object, width: int, *, optional: bool = False) -> bool:
    """Whether these are lists of `width` numbers, of which the last may be None if `optional`."""
    if not isinstance(rows, list):
        return False
    for row in rows:
        if not isinstance(row, list) or len(row) != width:
            return False
        if not all(is_number(value) or (optional and value is None and i == width - 1) for i, value in enumerate(row)):
            return False
    return True
