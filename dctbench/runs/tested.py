"""What stored trainings showed of each method's resolution: the latest run that tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dctbench.analysis import method_order, summarise
from dctbench.analysis.accuracy import task_results
from dctbench.analysis.resolution import Acuity, acuities
from dctbench.model import Case, Run

if TYPE_CHECKING:
    from dctbench.store import Store


@dataclass(frozen=True, slots=True)
class Tested:
    """A method at one compression, tested on detail of several widths.

    Attributes:
        run: whose trainings these are.
        acuity: what they showed. Its resolution is relative to the exact attention of the same run.
    """

    run: Run
    acuity: Acuity

    @property
    def case(self) -> Case:
        """The case of the trainings."""
        return self.acuity.case


def tested(store: Store, damage: list[str]) -> list[Tested]:
    """Return each method and compression that was trained on a task with slices by width, by task and length.

    Args:
        store: to look in. Of what several runs have trained, the one that arrived last counts.
        damage: where to note damaged records, which are left out.
    """
    found: dict[Case, Tested] = {}
    for state in reversed(store.runs(damage)):
        trained = {case.id for case in store.plan(state.run.id, damage)[0] if case.task is not None}
        if not trained:
            continue
        summaries = summarise(store.results(state.run.id, trained, damage))
        for results in task_results(summaries):
            for one in acuities(results):
                found.setdefault(one.case, Tested(state.run, one))
    order = method_order({case.implementation for case in found}, None)
    return sorted(
        found.values(),
        key=lambda one: (
            str(one.case.task), *map(str, one.case.shape), order[one.case.implementation], one.case.compression,
        ),
    )  # fmt: skip
