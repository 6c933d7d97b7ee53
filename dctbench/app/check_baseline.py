"""What a check against a stored run measures by default: the cases of that run, under its settings.

Other cases would be missing on one side, or have latencies that cannot be compared.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace

from dctbench import catalog
from dctbench.app.code_loading import check_stored_run, own_code, own_models
from dctbench.compare import incomparable_because
from dctbench.compare.check_settings import read_check_settings
from dctbench.errors import UsageError
from dctbench.model import Case, Reason, ReasonCode, Run
from dctbench.runs.lookup import RecordedRun
from dctbench.spec import axes, suites
from dctbench.spec.suites import Suite
from dctbench.text.parse import MAX_DURATION
from dctbench.wording.reasons import reason_line


def check_suite_is_known(baseline: RecordedRun) -> None:
    """Refuse a baseline that was measured with a suite file, unless the user names that file.

    Raises:
        UsageError: naming the suite.
    """
    name = baseline.run.suite
    if name not in suites.shipped():
        raise UsageError(
            f"the baseline was measured with suite {name!r}, which is not one of dctbench: name its file with --suite",
            hint="repeat the axis flags that it was measured with, too; or measure another suite: --suite ci",
        )


def check_runs_of_base(baselines: Sequence[RecordedRun]) -> None:
    """Refuse further runs of base that do not show how much runs of the same code differ.

    Raises:
        UsageError: for a run that is named twice, or whose latencies do not compare with those of the first.
    """
    for place, found in enumerate(baselines[1:], 1):
        first, name = baselines[0], found.run.short_id
        hint = "name two runs of the same code on this machine, such as --baseline main --baseline main-again"
        if found.run.id in (other.run.id for other in baselines[:place]):
            raise UsageError(f"--baseline names run {name} twice", hint=hint)
        reason = incomparable_because(first.run, found.run)
        if first.environments.keys().isdisjoint(found.environments):
            reason = Reason(ReasonCode.OTHER_ENVIRONMENT)
        if reason is not None:
            text = f"--baseline: run {name} does not compare with run {first.run.short_id}: {reason_line(reason)}"
            raise UsageError(text, hint=hint)


def suite_of_baseline(baseline: RecordedRun) -> tuple[Suite, tuple[Case, ...]]:
    """Return the suite of a baseline with the settings and axes of the baseline, and the cases to measure again.

    The axis of implementations holds those that get a verdict. References that a check added are among the cases only.
    An implementation that is no longer known here is left out, so that its cases are MISSING.

    Raises:
        UsageError: for a suite from a file, for code that only the command line may name, for variables that can
            load code, for a time limit that no flag accepts, and when no implementation of the baseline is known here.
    """
    run = baseline.run
    check_suite_is_known(baseline)
    own = {
        "impl": own_code(case.implementation for case in baseline.plan),
        "task": own_code(case.task for case in baseline.plan if case.task is not None),
        "model": own_models(case.model for case in baseline.plan),
    }
    named = {axis: names for axis, names in own.items() if names}
    if named:
        first = next(iter(named.values()))[0]
        flags = " ".join(f"--{axis} {shlex.quote(','.join(names))}" for axis, names in named.items())
        raise UsageError(
            f"the baseline measured {first}: code is loaded only when the command line asks for it",
            hint=f"if you trust it, name it, and repeat the other axis flags: {flags}",
        )
    check_stored_run(run)
    known = {*catalog.implementations()}
    cases = tuple(case for case in baseline.plan if case.implementation in known and case not in baseline.longer)
    if not cases:
        missing = ", ".join(dict.fromkeys(case.implementation for case in baseline.plan))
        raise UsageError(
            f"no implementation of the baseline is known here: {missing}", hint="see `dctbench list impls`; install it"
        )
    shipped = suites.load(run.suite)
    taken = run.settings
    limit = taken.case_timeout if "case_timeout" in taken.present else shipped.settings.case_timeout
    if not 0 < limit <= MAX_DURATION:
        raise UsageError(
            f"the baseline has a time limit of {limit:g} s for a case, which dctbench never sets",
            hint="measure the baseline again, or name the suite: --suite " + shlex.quote(run.suite),
        )
    settings = replace(
        shipped.settings,
        case_timeout=limit,
        env=taken.env if "env" in taken.present else shipped.settings.env,
        priority=taken.priority,
        isolation=taken.isolation,
        cache=taken.cache,
        energy=taken.energy,
        prune=False,
    )
    held = {
        axis: list(dict.fromkeys(axes.of(case, axis) for case in cases)) for axis in shipped.axes if axes.is_field(axis)
    }
    held["impl"] = _judged(run, held["impl"])
    return replace(shipped, axes={**shipped.axes, **held}, parts=(), settings=settings), cases


def _judged(run: Run, names: Iterable[str]) -> list[str]:
    """Return the implementations that get a verdict: those that a check was asked for, or all of any other run."""
    check = read_check_settings(run)
    return [name for name in names if check is None or check.asked is None or name in check.asked]
