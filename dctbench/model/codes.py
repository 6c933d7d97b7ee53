"""Warnings and reasons: codes with values. Programs decide on the code; `dctbench.wording` makes sentences of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class WarningCode(Enum):
    """What a warning is about. `dctbench.wording.warnings` has a sentence and a remedy for each.

    The comment names the values that a warning of that code has.
    """

    TEXT = "text"  # message: a sentence of an earlier version, or of a later one whose code is not known here
    SPREAD = "spread"  # spread: interquartile range of the samples as a share of their median
    DRIFT = "drift"  # drift: how much slower the last third of the samples was than the first, as a share
    DISTURBED = "disturbed"  # reason: what disturbed samples, also when they were taken again
    OTHER_PROCESSES = "other_processes"  # cores, of_cores: used by others; names: of programs that compute
    STOLEN_TIME = "stolen_time"  # share: of the processor time that the hypervisor gave to other machines
    CPU_THROTTLED = "cpu_throttled"  # quota: in cores; periods, stopped: number of those that passed, and in which it
    # stopped the container; seconds: of that, added up over cores
    GOVERNOR = "governor"  # governor: of the processor's frequency
    CLOCKS_UNKNOWN = "clocks_unknown"  # reason: why the GPU's clocks cannot be read
    THROTTLED = "throttled"  # reasons: what limited the GPU's clock
    GPU_SHARED = "gpu_shared"  # processes: others that computed on the GPU
    LAUNCH_BOUND = "launch_bound"  # share: of the latency in which the device waited for the host
    NOT_MEASURED = "not_measured"  # metric; reason: the error that its pass ended with
    NO_SHARED_WEIGHTS = "no_shared_weights"  # no values: the method lacks the projections that an error needs
    OTHER_MACHINE = "other_machine"  # rounds: number of those that ran in another environment and are left out
    NO_EFFECT = "no_effect"  # no values: after training, every attention layer gives the same output everywhere
    RANKS_SHARE_CORES = "ranks_share_cores"  # ranks: of the case; of_cores: that this machine may use, which are fewer
    LEFT_BEHIND = "left_behind"  # processes: that outlived their case and were ended
    FLOPS_DIFFER = "flops_differ"  # counted, stated: FLOPs of a forward call, by the counter and by the layer's flops()


@dataclass(frozen=True, slots=True)
class CaseWarning:
    """Something that a reader of a result should know. `values` are plain JSON, by the names of their code."""

    code: WarningCode
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def text(cls, message: str) -> CaseWarning:
        """A warning that is a sentence."""
        return cls(WarningCode.TEXT, {"message": message})

    def to_json(self) -> dict[str, Any] | str:
        """Return the warning as it is stored and sent. A sentence stays a string: older seals cover it."""
        if self.code is WarningCode.TEXT:
            return str(self.values["message"])
        return {"code": self.code.value, "values": dict(self.values)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | str) -> CaseWarning:
        """The inverse of `to_json`; a code that only a later version knows becomes a sentence."""
        if isinstance(data, str):
            return cls.text(data)
        try:
            code = WarningCode(data["code"])
        except ValueError:
            return cls.text(f"{data['code']}: {json.dumps(data['values'], sort_keys=True)}")
        return cls(code, data["values"])


class ReasonCode(Enum):
    """Why a verdict is what it is; `dctbench.wording.reasons` has the sentences.

    The comment names the values that a reason of that code has.
    """

    NOT_IN_HEAD = "not_in_head"  # no values: the case was measured in base only
    NEW = "new"  # no values: base has no such case
    NEW_AND_FAILS = "new_and_fails"  # head: how it ended, `status: message`
    FAILS_ON_BOTH_SIDES = "fails_on_both_sides"  # base, head: how each ended
    HEAD_FAILED = "head_failed"  # head: how it ended, where base ran
    BASE_NOT_LOADED = "base_not_loaded"  # message: of the error with which base's code could not be loaded
    RUNS_NOW = "runs_now"  # base: how it ended, where head runs
    BASE_BROKEN = "base_broken"  # base: how it ended; reference: one that does not run in base either
    BASE_FAILED_SOMETIMES = "base_failed_sometimes"  # base: how its first process that failed ended
    OTHER_ENVIRONMENT = "other_environment"  # no values: base and head have different fingerprints
    OTHER_MANNER = "other_manner"  # base_in_turns: whether base took turns with another process, unlike head
    OTHER_SETTING = "other_setting"  # setting: its name; base, head: its values
    OTHER_PLAN = "other_plan"  # base, head: their transform plans, on two machines or by other rates
    NO_REFERENCE = "no_reference"  # reference: was not measured beside the case on both sides
    NOT_MEASURED = "not_measured"  # side: base or head; no values where only head counts
    NEEDS_PROCESSES = "needs_processes"  # no values: the processes so far decide nothing
    REFERENCES_DISAGREE = "references_disagree"  # no values: the raw change, and the one against the references
    PROCESSES_DISAGREE = (
        "processes_disagree"  # no values: the change is beyond the tolerance, but too few processes are
    )
    NOT_CONFIRMED = "not_confirmed"  # then: the code of the reason that fresh processes gave instead, or None;
    # first: slower or faster; slower where it is missing
    RUN_TO_RUN = "run_to_run"  # first: slower or faster, which one stored run cannot tell from how much runs differ
    TOO_FEW_RUNS = "too_few_runs"  # no values: the change is beyond the tolerance, and the runs of base do not prove it
    MAY_BE_DRIFT = "may_be_drift"  # no values: nothing tells the change from one of the machine between two runs
    TOO_FEW_SEEDS = "too_few_seeds"  # no values: fewer than two seeds were trained on both sides
    SEEDS_DO_NOT_TELL = "seeds_do_not_tell"  # no values: the accuracy may have fallen by more than is allowed
    OTHER_STEPS = "other_steps"  # no values: no seed was trained for as many steps on both sides
    TOOK_TURNS = "took_turns"  # no values: head took turns with base, and may be faster by itself


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a verdict is what it is. `values` are plain JSON, by the names of their code."""

    code: ReasonCode
    values: Mapping[str, Any] = field(default_factory=dict)
