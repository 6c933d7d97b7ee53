"""The cases of a suite that has tasks: trainings, and beside each the latency of the same layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dctbench.errors import UsageError
from dctbench.model import Case, TaskFacts, TaskName
from dctbench.spec.grid import DEFAULT_KEPT, Compression, expand_cases

REFERENCE = "sdpa"
_ALWAYS = (REFERENCE, "none")
_POOLING = ("pool", "pool-kv")
_IMPLIED = {"scope": "encoder", "mode": "train", "engine": "eager", "dtype": "float32"}


def with_controls(axes: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Return the axes with the methods that every accuracy is read against.

    These are exact attention and no attention, and, where something compresses, plain averages at the same ratios.
    """
    numbers = any(axes.get("ratio") or ()) or any(kept != DEFAULT_KEPT for kept in axes.get("kept") or ())
    added = [*_ALWAYS, *(_POOLING if numbers else ())]
    return {**axes, "impl": list(dict.fromkeys([*axes["impl"], *added]))}


def expand_trainings(
    axes: Mapping[str, Sequence[Any]], methods: Mapping[str, Compression], tasks: Mapping[str, TaskFacts]
) -> list[Case]:
    """Return the trainings of the tasks of some axes, and the cases that time the same layers.

    Args:
        axes: values per axis. Without lengths or batches, each task has its own.
        methods: the implementations by name.
        tasks: the facts of the tasks, by the base of their names.

    Raises:
        UsageError: for a scope, mode, engine or dtype in which nothing is trained, and what `expand_cases` refuses.
    """
    for axis, implied in _IMPLIED.items():
        other = next((value for value in axes[axis] if value != implied), None)
        if other is not None:
            raise UsageError(f"--{axis} {other}: a task trains an encoder in float32, engine eager",
                             hint=f"leave out --{axis}, or --task")  # fmt: skip
    trainings: dict[Case, None] = {}
    for text in axes["task"]:
        facts = tasks[TaskName.parse(text).base]
        shape = {"seq": axes["seq"] or (facts.seq_len,), "batch": axes["batch"] or (facts.batch,)}
        for case in expand_cases({**axes, **shape}, methods):
            trainings[replace(case, task=text)] = None
    return list(dict.fromkeys([*trainings, *(case.layer_case for case in trainings)]))
