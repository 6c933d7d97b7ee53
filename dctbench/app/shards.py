"""A shard that was begun before: the same command continues it, as a scheduler that restarts a job does."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dctbench import errors
from dctbench.model import Environment, Result, Run
from dctbench.scheduler.plan import Plan

if TYPE_CHECKING:
    from dctbench.store import Store


def command_of_shard(run: Run) -> str:
    """Return the command that began a shard, and continues it. Of a run of several shards, it is that of the first."""
    return shlex.join(["dctbench", *run.argv]) if run.argv else "the request that began it"


def stored_of_shard(store: Store, run: Run, plan: Plan, here: Sequence[Environment]) -> Sequence[Result]:
    """Return the results that a store has of a shard, for a run that is about to be added to it.

    Args:
        store: which may hold other shards of the same sweep, too.
        run: of the shard.
        plan: what the shard measures.
        here: the machines on which it is about to be measured.

    Raises:
        UsageError: when the store has all of it.
        CannotJudgeError: when a part of it was measured in another environment.
    """
    wanted = set(plan.cases)
    stored = [result for result in store.resume_run(run) if result.case in wanted]
    shard = f"shard {run.settings.shard} of {run.label!r}"
    if len(stored) == plan.number_of_processes:
        raise errors.UsageError(
            f"{shard} is complete in {store.name}",
            hint=f"show it with `dctbench report {run.short_id}`, or give a new sweep another --label",
        )
    known = [environment.fingerprint for environment in here]
    others = {result.fingerprint for result in stored}.difference(known)
    if others:
        raise errors.CannotJudgeError(
            f"{shard} was started in another environment ({min(others)}, here {' and '.join(known)})",
            hint="continue it where it was started, or measure it here into another store and merge the two",
        )
    return stored
