"""What must still be so when a stopped run goes on: otherwise a case would mix rounds of two algorithms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dctbench.errors import CannotJudgeError
from dctbench.machine.calibration import rates_digest
from dctbench.model import Environment, Result, Run
from dctbench.scheduler.events import Listener, Notice
from dctbench.scheduler.specs import Specs
from dctbench.text.sanitize import sanitize_text

if TYPE_CHECKING:
    from dctbench.store import Store


def check_rates(run: Run, stored: Iterable[Result], here: Environment, specs: Specs) -> None:
    """Refuse to go on when the planner would have other rates than for the rounds that are stored.

    Raises:
        CannotJudgeError: when this machine was calibrated since then, or its calibration is gone.
    """
    for result in stored:
        planned_here = result.details.plan is not None and result.fingerprint == here.fingerprint
        if planned_here and result.details.plan_rates != rates_digest(specs.rates(result.case)):
            device = result.case.device
            raise CannotJudgeError(
                f"run {run.short_id} was started with planner rates for {device} that differ from those stored now, so "
                "later rounds could compute another transform",
                hint=f"start a new run; `dctbench doctor` shows when {device} was calibrated",
            )


def tell_of_code(store: Store, run: Run, here: Environment, listener: Listener) -> None:
    """Warn when the current folder has another commit than when the run was started.

    This is no error: the folder may hold nothing that is measured. The stored environment keeps the first commit. Two
    states with uncommitted changes count as equal.
    """
    known = store.environments(run.id).get(here.fingerprint)
    if known is None:
        return
    then, now = _code(known), _code(here)
    if then != now:
        listener(
            Notice(
                f"warning: run {run.short_id} was started at {then}, and the current folder is at {now}: "
                "if what is measured has changed, start a new run"
            )
        )


def _code(environment: Environment) -> str:
    git: Any = environment.facts.get("git")
    commit = git.get("commit") if isinstance(git, dict) else None
    if not isinstance(commit, str):
        return "an unknown commit"
    return f"commit {sanitize_text(commit[:10])}{' with changes' if git.get('dirty') else ''}"
