"""The rules of a check: the user's, else those of the suite's `[gate]`, else from the measured noise of the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dctbench import errors
from dctbench.analysis import Budgets, Summary, summarise
from dctbench.compare import TOLERANCES, Rules
from dctbench.compare.check_settings import read_check_settings
from dctbench.compare.detectability import Detectability
from dctbench.compare.noise import noise
from dctbench.model import Case
from dctbench.scheduler.events import Listener, Notice
from dctbench.spec.gate import GateRules
from dctbench.spec.suites import NOISE, Suite
from dctbench.store import MissingError, UnreachableError, open_store
from dctbench.wording import verdict_sentences

MOST_RAISED = 50
"""The most pairs, unless the user sets more: a case that is slower takes all of them."""


def resolve_rules(given: GateRules, tolerances: Mapping[str, float]) -> Rules:
    """Return the rules with a value for everything that was not set.

    Args:
        given: by the user and the suite.
        tolerances: of latency, by kind of device, if none was given.

    Raises:
        UsageError: when the rules contradict each other.
    """
    usual = Rules()
    pairs = given.pairs or usual.pairs
    most = given.max_pairs or max(usual.max_pairs, pairs)
    if most < pairs:
        raise errors.UsageError(f"--max-pairs {most} is less than --pairs {pairs}", hint="raise one or lower the other")
    return Rules(
        reference=given.reference or usual.reference,
        latency=tolerances if given.tolerance is None else given.tolerance,
        flops=usual.flops if given.tolerance_flops is None else given.tolerance_flops,
        memory=usual.memory if given.tolerance_memory is None else given.tolerance_memory,
        error=usual.error if given.tolerance_error is None else given.tolerance_error,
        accuracy=usual.accuracy if given.max_accuracy_drop is None else given.max_accuracy_drop,
        pairs=pairs,
        max_pairs=most,
        budgets=Budgets(**given.limits, confidence=given.confidence or usual.budgets.confidence),
        at=given.at,
    )


def with_enough_pairs(
    rules: Rules, judged: Sequence[Case], stored: Sequence[Summary] | None, given: GateRules, listener: Listener
) -> Rules:
    """Return the rules with as many pairs at most as it takes to prove a slowdown, unless the number was given.

    A given number is kept, with a warning if it is too small to prove anything: a gate on counted metrics needs no more
    pairs.

    Args:
        rules: of the verdicts.
        judged: the cases that get a verdict.
        stored: what a stored base measured in the environment of head, or None if base is measured in turns with head.
        given: by the user and the suite.
        listener: called with the warning.
    """
    processes = None if stored is None else {s.case: len(s.medians) for s in stored if s.medians}
    timed = [case for case in judged if case.task is None and (processes is None or case in processes)]
    if not timed:
        return rules
    fewest = None if processes is None else min(processes[case] for case in timed)
    detectability = Detectability(len(timed), fewest, rules.max_pairs)
    if detectability.enough:
        return rules
    needed = detectability.needed
    if given.max_pairs is None and needed and needed <= MOST_RAISED:
        return replace(rules, max_pairs=needed)
    listener(Notice(f"warning: {verdict_sentences.cannot_fail(detectability)}"))
    return rules


def default_tolerances(suite: Suite, store: str, fingerprint: str) -> Mapping[str, float]:
    """Return the tolerance of latency by kind of device.

    For CPUs it is what the latest `dctbench noise` in this environment found, if there is one. `dctbench noise`
    measures the CPU only, so a GPU beside it keeps its default. Runs of an earlier version, which did not take turns,
    are left out: they show more noise than a gate has.
    """
    if "cpu" not in suite.axes["device"]:
        return TOLERANCES
    try:
        with open_store(store) as opened:
            for state in reversed(opened.runs([])):  # damage to another run is no reason to fail here
                check = read_check_settings(state.run) if state.run.suite == NOISE else None
                if check and check.in_turns and check.base and fingerprint in opened.environments(state.run.id, []):
                    found = noise(*(summarise(opened.results(run, damage=[])) for run in (check.base, state.run.id)))
                    if found is not None:
                        return {**TOLERANCES, "cpu": found.tolerance}
    except (MissingError, UnreachableError):
        return TOLERANCES
    return TOLERANCES
