"""What a check against a stored run measures when the command line says nothing else: what that run measured.

Its own cases, under the settings they were taken with: any others would be missing on one side, or have latencies that
may not be compared.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace

from dctbench import catalog
from dctbench.app.code_loading import check_stored_run, own_code
from dctbench.compare.check_settings import read_check_settings
from dctbench.errors import UsageError
from dctbench.model import Case, Run, Suite
from dctbench.runs.lookup import RecordedRun
from dctbench.spec import axes, suites


def check_suite_is_known(baseline: RecordedRun) -> None:
    """Refuse a baseline whose suite only its file can tell, for that suite was not named.

    Raises:
        UsageError: naming the suite.
    """
    name = baseline.run.suite
    if name not in suites.shipped():
        raise UsageError(
            f"the baseline was taken with suite {name!r}, which is none of dctbench's own: name its file with --suite",
            hint="give the axis flags again that it was taken with, too; or name another suite to measure: --suite ci",
        )


def wanted(baseline: RecordedRun) -> tuple[Suite, tuple[Case, ...]]:
    """The suite of a baseline with the baseline's own settings and axes, and the cases that are measured again.

    Its axis of implementations holds those that get a verdict; references that a check had added have cases only.

    An implementation that is not known here any more is left out, so that its cases are missing, as they are.

    Raises:
        UsageError: for a suite that is a file's, for code that only the command line may name, for variables that
            could have some loaded, and when nothing of the baseline is known here.
    """
    run = baseline.run
    check_suite_is_known(baseline)
    own = own_code(case.implementation for case in baseline.plan)
    if own:
        raise UsageError(
            f"the baseline measured {own[0]}: code is loaded only when the command line asks for it",
            hint=f"if you trust it, name it, and give its other axis flags again: --impl {shlex.quote(','.join(own))}",
        )
    check_stored_run(run)
    known = {*catalog.implementations()}
    cases = tuple(case for case in baseline.plan if case.implementation in known)
    if not cases:
        gone = ", ".join(dict.fromkeys(case.implementation for case in baseline.plan))
        raise UsageError(
            f"no implementation of the baseline is known here: {gone}", hint="see `dctbench list impls`; install it"
        )
    shipped = suites.load(run.suite)
    taken = run.settings
    settings = replace(
        shipped.settings,
        case_timeout=taken.case_timeout if "case_timeout" in taken.present else shipped.settings.case_timeout,
        env=taken.env if "env" in taken.present else shipped.settings.env,
        isolation=taken.isolation,
        cache=taken.cache,
        prune=False,
    )
    held = {axis: list(dict.fromkeys(axes.of(case, axis) for case in cases)) for axis in shipped.axes}
    held["impl"] = _judged(run, held["impl"])
    return suites.override(shipped, held, settings), cases


def _judged(run: Run, names: Iterable[str]) -> list[str]:
    """The implementations that get a verdict: of a check those that it was asked for, of any other run all."""
    check = read_check_settings(run)
    return [name for name in names if check is None or check.asked is None or name in check.asked]
