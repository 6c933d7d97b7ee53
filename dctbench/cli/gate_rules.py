"""The rules of a check, from flags over the suite's [gate] over what is known of this machine's noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dctbench import analysis, errors, limits
from dctbench.compare import TOLERANCES, Rules
from dctbench.model import Suite
from dctbench.noise import noise
from dctbench.store import MissingError, UnreachableError, open_store


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
        latency=usual_tolerances(suite, flags["store"], fingerprint) if tolerance is None else tolerance,
        flops=given.get("tolerance_flops", usual.flops),
        memory=given.get("tolerance_memory", usual.memory),
        error=given.get("tolerance_error", usual.error),
        pairs=pairs,
        max_pairs=most,
        budgets=limits.budgets(given.get("max_latency_p99"), given.get("max_memory", ()), given.get("max_error", ())),
        at=given.get("at", {}),
    )


def _given(flags: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for key in limits.GATE_KEYS:
        value = flags.get(key)
        if value not in (None, ()):
            found[key] = limits.gate_rule(key, [value] if isinstance(value, str) else list(value))
    return found


def usual_tolerances(suite: Suite, store: str, fingerprint: str) -> Mapping[str, float]:
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
