"""The outcome of a comparison: both runs, the judgement, the rules, and how the environments differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dctbench.compare.check_settings import in_turns, read_check_settings
from dctbench.compare.judgement import Judgement
from dctbench.compare.rules import Rules
from dctbench.machine.disclosure import Disclosure
from dctbench.machine.environment import STABLE, STABLE_OF_GPU
from dctbench.model import Case, Environment, Reason, ReasonCode, Run

_SHOWN = (*STABLE, "dctbench", "numpy", "flash_linear_attention", "engines", "release", "governor", "boost", "affinity",
          "cpu_quota", "huge_pages", "host", "memory_bytes")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact in which the environments of base and head differ."""

    fact: str
    base: str
    head: str


_OTHER_HOST = Difference("host", "one machine", "another machine")
"""Host names are not told."""


@dataclass(frozen=True)
class ComparisonOutcome:
    """A finished comparison. `exit_code` is the command's, with --inconclusive applied.

    `informs` is set where two stored runs were compared: nothing more can be measured, and nothing fails.
    `further` are more stored runs of the same code as `base`, whose figures are then means over all of them.
    """

    base: Run
    head: Run
    judgement: Judgement
    rules: Rules
    differences: tuple[Difference, ...]
    exit_code: int
    informs: bool = False
    further: tuple[Run, ...] = ()

    @property
    def in_turn(self) -> bool:
        """Whether both runs are those of one check, whose processes took turns."""
        check = read_check_settings(self.head)
        return check is not None and check.in_turn_with(self.base)


def differences(base: Iterable[Environment], head: Iterable[Environment]) -> tuple[Difference, ...]:
    """Return the facts that differ between the two sides, the most important first.

    Facts that change from minute to minute, such as the load, are left out.
    """
    base, head = list(base), list(head)
    before, now = _facts(base), _facts(head)
    plain = Disclosure()
    shown = [_facts(map(plain.environment, side)) for side in (base, head)]
    return tuple(
        _OTHER_HOST if fact == "host" else Difference(fact, *(side.get(fact, "-") for side in shown))
        for fact in dict.fromkeys([*before, *now])
        if before.get(fact) != now.get(fact)
    )


def forwarded(outcome: ComparisonOutcome, disclosure: Disclosure) -> ComparisonOutcome:
    """Return a comparison for others to read: nothing in it tells what must not be told."""
    return replace(
        outcome,
        base=disclosure.run(outcome.base),
        head=disclosure.run(outcome.head),
        further=tuple(map(disclosure.run, outcome.further)),
        judgement=_told_judgement(outcome.judgement, disclosure),
        differences=tuple(
            Difference(one.fact, disclosure.text(one.base), disclosure.text(one.head)) for one in outcome.differences
        ),
    )


def _told_judgement(judgement: Judgement, disclosure: Disclosure) -> Judgement:
    def told(cases: Iterable[Case]) -> tuple[Case, ...]:
        return tuple(map(disclosure.case, cases))

    verdicts = tuple(
        replace(
            verdict,
            case=disclosure.case(verdict.case),
            reason=None if verdict.reason is None else _told(verdict.reason, disclosure),
        )
        for verdict in judgement.verdicts
    )
    return replace(
        judgement,
        verdicts=verdicts,
        open=told(judgement.open),
        advisory=told(judgement.advisory),
        launch_bound=told(judgement.launch_bound),
        replanned={disclosure.case(case): plans for case, plans in judgement.replanned.items()},
    )


def _told(reason: Reason, disclosure: Disclosure) -> Reason:
    values = disclosure.values(dict(reason.values))
    if reason.code is ReasonCode.OTHER_SETTING and reason.values["setting"] == "env":
        values |= {
            side: disclosure.variables(variables)
            for side in ("base", "head")
            if isinstance(variables := reason.values[side], Mapping)
        }
    return Reason(reason.code, values)


def incomparable_because(base: Run, head: Run) -> Reason | None:
    """Return why no latency of two runs compares; None where those of one environment do."""
    taken, now_taken = in_turns(base), in_turns(head)
    if taken != now_taken:
        return Reason(ReasonCode.OTHER_MANNER, {"base_in_turns": taken})
    here = head.compared_settings
    for name, setting in base.compared_settings.items():
        if setting != here[name]:
            return Reason(ReasonCode.OTHER_SETTING, {"setting": name, "base": setting, "head": here[name]})
    return None


def _facts(environments: Iterable[Environment]) -> Mapping[str, str]:
    """Return each fact as text; several environments of one run give several texts, joined."""
    found: dict[str, dict[str, None]] = {}
    for environment in environments:
        for fact in _SHOWN:
            if fact in environment.facts:
                found.setdefault(fact, {})[_text(environment.facts[fact])] = None
        for number, gpu in enumerate(environment.facts.get("gpu") or ()):
            for fact in STABLE_OF_GPU:
                found.setdefault(f"gpu {number} {fact}", {})[_text(gpu.get(fact))] = None
    return {fact: "; ".join(texts) for fact, texts in found.items()}


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={item}" for key, item in sorted(value.items())) or "none"
    return "none" if value is None else str(value)
