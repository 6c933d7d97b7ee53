"""The rules of a check, from flags over the suite's [gate] over what is known of this machine's noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dctbench import analysis, errors
from dctbench.cli.terminal.notices import say
from dctbench.compare import TOLERANCES, Rules
from dctbench.compare.detectability import Detectability
from dctbench.compare.noise import noise
from dctbench.model import Case, Suite
from dctbench.runs.lookup import RecordedRun
from dctbench.spec import gate
from dctbench.store import MissingError, UnreachableError, open_store

MOST_RAISED = 50
"""As many pairs at most are allowed unasked: a case that is slower takes all of them."""


def rules(suite: Suite, flags: Mapping[str, Any], fingerprint: str) -> Rules:
    """The rules of this check.

    Args:
        suite: its `[gate]`, checked when it was read.
        flags: of the command line, which win over it.
        fingerprint: of head's environment, whose noise may have been measured.

    Raises:
        UsageError: for every wrong value, naming its flag.
    """
    given, usual = {**suite.gate, **_given(flags)}, Rules()
    pairs = given.get("pairs", usual.pairs)
    most = given.get("max_pairs", max(usual.max_pairs, pairs))
    if most < pairs:
        raise errors.UsageError(f"--max-pairs {most} is less than --pairs {pairs}", hint="raise one or lower the other")
    tolerance = given.get("tolerance")
    return Rules(
        reference=given.get("reference", usual.reference),
        latency=default_tolerances(suite, flags["store"], fingerprint) if tolerance is None else tolerance,
        flops=given.get("tolerance_flops", usual.flops),
        memory=given.get("tolerance_memory", usual.memory),
        error=given.get("tolerance_error", usual.error),
        pairs=pairs,
        max_pairs=most,
        budgets=gate.budgets(given.get("max_latency_p99"), given.get("max_memory", ()), given.get("max_error", ())),
        at=given.get("at", {}),
    )


def with_enough_pairs(
    rules: Rules, judged: Sequence[Case], baseline: RecordedRun | None, suite: Suite, flags: Mapping[str, Any]
) -> Rules:
    """The rules with as many pairs at most as it takes to prove a slowdown, where nobody said how many.

    What flags or the suite say is kept, with a warning on standard error where it leaves nothing to be proven: who
    gates only what is counted need not wait for more.

    Args:
        rules: by which the cases that are `judged` will be.
        baseline: that is compared with, or None where base is measured in turn with head.
        suite, flags: as of `rules`.
    """
    stored = None if baseline is None else {s.case: len(s.medians) for s in baseline.summaries if s.medians}
    timed = [case for case in judged if stored is None or case in stored]
    if not timed:
        return rules
    detectability = Detectability(
        len(timed), None if stored is None else min(stored[case] for case in timed), rules.max_pairs
    )
    raised = detectability.needed
    if (
        not detectability.enough
        and "max_pairs" not in {**suite.gate, **_given(flags)}
        and raised
        and raised <= MOST_RAISED
    ):
        return replace(rules, max_pairs=raised)
    if not detectability.enough:
        say(f"warning: {detectability.warning}")
    return rules


def _given(flags: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for key in gate.GATE_KEYS:
        value = flags.get(key)
        if value not in (None, ()):
            found[key] = gate.gate_rule(key, [value] if isinstance(value, str) else list(value))
    return found


def default_tolerances(suite: Suite, store: str, fingerprint: str) -> Mapping[str, float]:
    """By kind of device: of CPUs what the latest `dctbench noise` in this environment found, else what is known of all.

    `dctbench noise` measures the CPU, so that a GPU beside it keeps its own.
    """
    if "cpu" not in suite.axes["device"]:
        return TOLERANCES
    try:
        with open_store(store) as opened:
            for state in reversed(opened.runs()):
                if state.run.suite == "noise" and fingerprint in opened.environments(state.run.id):
                    found = noise(analysis.summarise(opened.results(state.run.id)), analysis.REFERENCE)
                    if found is not None:
                        return {**TOLERANCES, "cpu": found.tolerance}
    except (MissingError, UnreachableError):
        return TOLERANCES
    return TOLERANCES
