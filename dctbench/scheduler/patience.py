"""Longer trainings: they tell a method that learns slowly from one that cannot do a task.

They are planned once the usual trainings are there, since only those show which methods fall short.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dctbench.analysis import Summary
from dctbench.analysis.accuracy import Doubt, Standing, TaskResults, task_results
from dctbench.model import Case
from dctbench.model.task import MOST_PATIENCE


def longer_trainings(summaries: Iterable[Summary], times: int, margin: float | None = None) -> list[Case]:
    """Return the trainings that show whether the methods that fall short of exact attention are slow.

    Exact attention is trained longer beside them, for comparison. `none` is left out, since no training gives it
    attention, and so are tasks that say nothing.

    Args:
        summaries: of a run.
        times: how many times the steps of the trainings that the run has.
        margin: the loss of accuracy that does not matter; None for the default.
    """
    found: list[Case] = []
    for results in task_results(summaries, margin=margin):
        short = [
            one.case
            for one in results.methods
            if (one.standing is Standing.WORSE or one.doubt is Doubt.BLIND) and one.score is not results.control
        ]
        if short and results.reference is not None and results.task.patience * times <= MOST_PATIENCE:
            found += [_longer(case, results, times) for case in (results.reference.case, *short)]
    return found


def _longer(case: Case, results: TaskResults, times: int) -> Case:
    return replace(case, task=str(replace(results.task, patience=results.task.patience * times)))
