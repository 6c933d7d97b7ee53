"""Cases x runner -> results -> store: in which order a sweep measures, and what it leaves out.

Each result is committed as soon as it is there. Whatever ends a sweep loses at most what was running.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dctbench.model import Case, Result, Run
from dctbench.runners import Runner
from dctbench.scheduler.events import Listener
from dctbench.scheduler.in_order import InOrder, SweepOutcome
from dctbench.scheduler.pruning import History
from dctbench.scheduler.specs import Specs
from dctbench.scheduler.spread import Spread

if TYPE_CHECKING:
    from dctbench.store import Store


def run_sweep(
    run: Run,
    plan: Sequence[Sequence[Case]],
    runner: Runner,
    store: Store,
    listener: Listener,
    specs: Specs,
    *,
    stored: Sequence[Result] = (),
    prune: bool = True,
    retried: bool = False,
) -> SweepOutcome:
    """Measure every case in every round that has no result yet, and store each result at once.

    At one place the plan is measured in its order. At several, each takes one unit after the other: what is compared
    with each other is measured at one place, or at another one of the same fingerprint if the first is lost.

    Args:
        run: already in the store, with its plan.
        plan: the cases of each round, in the order in which they are measured.
        runner: where cases run.
        store: where results go.
        listener: called with every event, in this thread.
        specs: how each case is measured. A result that is faster than the calibrated ceilings allow is refused.
        stored: results that the run has already, when it is resumed.
        prune: after an out-of-memory or a timeout, leave out the longer lengths of the same row; they are stored as
            skipped, with the reason. A case that failed is not tried again in later rounds either.
        retried: failures that are in the store but not among `stored` are tried again, and replaced.
    """
    kind = Spread if runner.several else InOrder
    return kind(run, runner, store, listener, specs, retried, History(prune)).measure(plan, stored)
