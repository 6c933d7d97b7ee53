"""What a check writes into the settings of the runs that it measures, and how it is read back.

An imported run may have anything there. Settings that do not have this form were not written by a check: they are
ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, Literal, TypedDict, Unpack

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from dctbench.analysis import REFERENCE, Budgets
from dctbench.compare.rules import TOLERANCES, Rules
from dctbench.model import Case, Run
from dctbench.spec.gate import CONFIDENCES, LEAST_TOLERANCE, MOST_PAIRS
from dctbench.text.untrusted import InvalidDataError, converted

_Share = Annotated[float, Meta(ge=0, le=1e6)]
_OfLatency = Annotated[float, Meta(ge=LEAST_TOLERANCE, le=1e6)]
_USUAL = Rules()
_AXES = frozenset(field.name for field in fields(Case))
_CONFIDENCES = frozenset(int(percent) / 100 for percent in CONFIDENCES)


class CheckSettings(Struct, frozen=True, kw_only=True):
    """One of the runs of a check.

    Attributes:
        side: which of the two it is.
        asked: the implementations that were judged; the others were measured as references.
        base: in head's run, the id of the run that it was compared with.
        further: the ids of more stored runs of the same code as that one.
        base_impl: unset where base was a stored run; else both were measured in turn, and it is the implementation
            that stood for every base, if one did.
        warnings: sentences on why its verdicts may be worth little.
        reference, tolerance and the rest: the fields of `Rules`; a field that is absent has its default.
    """

    side: Literal["base", "head"]
    asked: tuple[str, ...] | None = None
    base: str | None = None
    further: tuple[str, ...] = ()
    base_impl: str | UnsetType | None = UNSET
    warnings: tuple[str, ...] = ()
    reference: str = REFERENCE
    tolerance: _OfLatency | dict[str, _OfLatency] = {}
    tolerance_flops: _Share = _USUAL.flops
    tolerance_memory: _Share = _USUAL.memory
    tolerance_error: _Share = _USUAL.error
    max_accuracy_drop: _Share = _USUAL.accuracy
    max_pairs: Annotated[int, Meta(ge=2, le=MOST_PAIRS)] = _USUAL.max_pairs
    budgets: Budgets = Budgets()
    at: dict[str, Any] = {}

    @property
    def instead(self) -> str | None:
        """The implementation that stood in for every base, or None."""
        return self.base_impl or None

    @property
    def in_turns(self) -> bool:
        """Whether its processes took turns with those of another run."""
        return self.base_impl is not UNSET

    def judged_against(self, run: Run) -> bool:
        """Whether the check compared this one with `run`, as one of its bases."""
        return run.id in (self.base, *self.further)

    def in_turn_with(self, run: Run) -> bool:
        """Whether this one and `run` are the head and the base of one check, measured in pairs."""
        return self.in_turns and self.base == run.id

    @property
    def rules(self) -> Rules:
        """The rules that the check held head to."""
        own = self.tolerance
        return Rules(
            reference=self.reference,
            latency={**TOLERANCES, **own} if isinstance(own, dict) else own,
            flops=self.tolerance_flops,
            memory=self.tolerance_memory,
            error=self.tolerance_error,
            accuracy=self.max_accuracy_drop,
            max_pairs=self.max_pairs,
            budgets=self.budgets,
            at=self.at,
        )


class Against(TypedDict, total=False):
    """What the run of a side was compared with: `base`, `further` and `base_impl` of `CheckSettings`."""

    base: str
    further: tuple[str, ...]
    base_impl: str | None


def check_settings(
    side: Literal["base", "head"],
    asked: Sequence[str],
    rules: Rules,
    warnings: Sequence[str] = (),
    **against: Unpack[Against],
) -> dict[str, Any]:
    """What is stored under `check` of a run's settings."""
    found = CheckSettings(
        side=side,
        asked=tuple(asked),
        warnings=tuple(warnings),
        reference=rules.reference,
        tolerance=dict(rules.latency) if isinstance(rules.latency, Mapping) else rules.latency,
        tolerance_flops=rules.flops,
        tolerance_memory=rules.memory,
        tolerance_error=rules.error,
        max_accuracy_drop=rules.accuracy,
        max_pairs=rules.max_pairs,
        budgets=rules.budgets,
        at=dict(rules.at),
        **against,
    )
    plain: dict[str, Any] = msgspec.to_builtins(found)
    return plain


def read_check_settings(run: Run) -> CheckSettings | None:
    """Return what a check wrote about a run that it measured; None for other runs."""
    stored = run.settings.check
    if not isinstance(stored, Mapping):
        return None
    try:
        found = converted(stored, CheckSettings, "check")
    except InvalidDataError:
        return None
    return found if set(found.at) <= _AXES and _possible(found.budgets) else None


def _possible(budgets: Budgets) -> bool:
    """Whether these can be the budgets of a check."""
    return budgets.confidence in _CONFIDENCES and all(limit >= 0 for limit in budgets.given.values())


def in_turns(run: Run) -> bool:
    """Whether a run was measured in turns with another.

    Such latencies do not compare with those of a run by itself: what turns cost differs between methods, so no
    reference cancels it.
    """
    check = read_check_settings(run)
    return check is not None and check.in_turns
