"""The cases of a suite that has tasks: trainings, and beside each the latency of the same layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dctbench.errors import UsageError
from dctbench.model import Case, TaskFacts, TaskName
from dctbench.spec.grid import DEFAULT_KEPT, Compression, check_number_of_cases, expand_cases

REFERENCE = "sdpa"
_ALWAYS = (REFERENCE, "none")
_POOLING = ("pool", "pool-kv")
_IMPLIED = {"scope": "encoder", "mode": "train", "engine": "eager", "dtype": "float32"}
_FOREIGN = ("model", "layers", "keep_first", "recover", "ranks")
"""The axes that no training has."""


def with_controls(axes: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Return the axes with the methods that every accuracy is read against.

    These are exact attention and no attention, and, where something compresses, plain averages at the same ratios.
    """
    numbers = any(axes.get("ratio") or ()) or any(kept != DEFAULT_KEPT for kept in axes.get("kept") or ())
    added = [*_ALWAYS, *(_POOLING if numbers else ())]
    return {**axes, "impl": list(dict.fromkeys([*axes["impl"], *added]))}


def check_trainable(axes: Mapping[str, Sequence[Any]]) -> None:
    """Refuse axes beside a task that no training has.

    Raises:
        UsageError: for a model, what is done to it, and ranks; and for a scope, mode, engine or dtype in which nothing
            is trained. The hint helps whether a value was typed or comes from a suite.
    """
    for axis in _FOREIGN:
        given = next((value for value in axes.get(axis) or () if value is not None), None)
        if given is not None:
            raise UsageError(
                f"--{axis.replace('_', '-')} {given} does not go with --task: a task trains a small model of its own",
                hint=f"train in a run of its own, such as dctbench run --task {axes['task'][0]}",
            )
    for axis, implied in _IMPLIED.items():
        other = next((value for value in axes[axis] if value != implied), None)
        if other is not None:
            raise UsageError(f"--{axis} {other}: a task trains an encoder in float32, engine eager",
                             hint=f"give --{axis} {implied}, or leave out --task")  # fmt: skip


def expand_trainings(
    axes: Mapping[str, Sequence[Any]], methods: Mapping[str, Compression], tasks: Mapping[str, TaskFacts]
) -> list[Case]:
    """Return the trainings of the tasks of some axes, and the cases that time the same layers.

    A training has one thread, since trainings run side by side, and no schedule. Both are for the layers alone.

    Args:
        axes: values per axis, which `check_trainable` has accepted. Without lengths or batches, each task has its own.
        methods: the implementations by name.
        tasks: the facts of the tasks, by the base of their names.

    Raises:
        UsageError: for what `expand_cases` refuses.
    """
    trainings: dict[Case, None] = {}
    timed: dict[Case, None] = {}
    for text in axes["task"]:
        facts = tasks[TaskName.parse(text).base]
        shape = {"seq": axes["seq"] or (facts.seq_len,), "batch": axes["batch"] or (facts.batch,)}
        for case in expand_cases({**axes, **shape}, methods):
            trainings[replace(case, task=text, threads=None, period=None, deadline=None)] = None
            timed[case.layer_case] = None
        check_number_of_cases(len(trainings) + len(timed))
    return [*trainings, *timed]
