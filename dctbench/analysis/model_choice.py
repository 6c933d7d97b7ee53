"""Which attention to ship in a model, within budgets: the fastest that keeps what the model is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from dctbench.analysis.accuracy import MARGIN
from dctbench.analysis.budgets import Budgets, Choice, choose
from dctbench.analysis.in_model import Figures, InModel, Replaced
from dctbench.analysis.ranking import Ranking


class Decision(Enum):
    """What to do with the attention of a model at one shape."""

    REPLACE = "replace"
    """A method keeps the budgets and the quality, and is faster, or the model as it is breaks a budget."""
    KEEP = "keep"
    """The model as it is keeps the budgets, and nothing that keeps them is surely faster and surely as good."""
    NOTHING = "nothing"
    """The model as it is breaks a budget, or was not measured for it, and nothing else keeps budgets and quality."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The decision for a model at one shape.

    Attributes:
        found: the methods in the model, the fastest first.
        choice: which of them keep the budgets, the model as it is among them.
        margin: the loss of each figure of the evaluation that does not matter.
        chosen: the method that takes the place of the attention; None to keep it, and for no decision.
    """

    found: InModel
    choice: Choice
    margin: float
    chosen: Replaced | None

    @property
    def original_within(self) -> bool:
        """Whether the model as it is keeps the budgets."""
        return any(s.case == self.found.original.case for s in self.choice.within)

    def figures(self, method: Replaced) -> Figures:
        """Return the figures that a method is judged by, at once or after its training."""
        return method.figures(self.found.named, self.margin)

    @property
    def decision(self) -> Decision:
        """What to do."""
        if self.chosen is not None:
            return Decision.REPLACE
        return Decision.KEEP if self.original_within else Decision.NOTHING

    @property
    def within(self) -> list[Replaced]:
        """The methods that keep the budgets, without controls, the fastest first."""
        kept = {s.case for s in self.choice.within}
        return [one for one in self.found.methods if one.summary.case in kept and not one.control]

    @property
    def faster(self) -> list[Replaced]:
        """Those of them that make the model surely faster."""
        return [one for one in self.within if one.faster]


def choose_in_model(
    found: InModel, rankings: Sequence[Ranking], budgets: Budgets, margin: float = MARGIN
) -> ModelChoice | None:
    """Decide for a model at one shape; None where nothing of the shape was timed.

    Args:
        found: the model with each method.
        rankings: of the run.
        budgets: the most that the model may need.
        margin: the loss of each figure of the evaluation that does not matter.
    """
    ranking = next((one for one in rankings if one.shape == found.original.case.shape), None)
    if ranking is None:
        return None
    undecided = ModelChoice(found, choose(ranking, budgets), margin, None)
    candidates = undecided.faster if undecided.original_within else undecided.within
    chosen = next((one for one in candidates if one.keeps(found.judged, margin)), None)
    return ModelChoice(found, undecided.choice, margin, chosen)
