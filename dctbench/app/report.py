"""What a report shows: runs side by side, the first one beside its base, and the history of one case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from dctbench import errors
from dctbench.analysis import REFERENCE
from dctbench.app.session import how_to_measure
from dctbench.compare import outcome
from dctbench.compare.check_settings import read_check_settings
from dctbench.compare.history import ChangePoint, History, change_points, find_case, history
from dctbench.compare.stored import NoResultsError, compare_stored
from dctbench.runs.lookup import RecordedRun, disclosure, forwarded, known_reference, recorded, resolve, usual_reference
from dctbench.store import open_store


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """Ask for what a report shows.

    Attributes:
        store: where the runs are that do not come from files.
        runs: each named by its id or the start of one, `latest`, a label, a baseline's name, or an exported file; the
            latest run when empty.
        reference: the method that the others are compared with; None for the usual one.
        baseline: the run that the first one is compared with; None for the base of the check that measured it.
        history: the case whose history is shown, by its id or its name; None for no history.
        anonymous: nothing names the machine or the person.
        host_label: the name of the machine that is shown in place of its own.
    """

    store: str
    runs: Sequence[str] = ()
    reference: str | None = None
    baseline: str | None = None
    history: str | None = None
    anonymous: bool = False
    host_label: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What the report shows, without what may not be disclosed."""

    runs: Sequence[RecordedRun]
    reference: str | None
    compared: outcome.ComparisonOutcome | None
    past: tuple[History, Sequence[ChangePoint]] | None


class EmptyRunError(errors.UsageError):
    """A run without results, of which there is nothing to show."""


def make_report(request: ReportRequest, damage: list[str]) -> Report:
    """Read what a report shows.

    `damage` gets the damaged records, which are left out.

    Raises:
        EmptyRunError: when one of the runs has no results.
        CannotJudgeError: when the baseline has none.
        UsageError: when a run, the reference or the case is unknown.
        StoreError: when the store cannot be read.
    """
    store = request.store
    found = [resolve(store, run, damage) for run in dict.fromkeys(request.runs or ("latest",))]
    for one in found:
        if not one.results:
            raise EmptyRunError(f"run {one.run.short_id} has no results yet", hint=how_to_measure(one, store))
    if request.baseline is None:
        base = _checked_against(store, found[0], damage)
    else:
        base = resolve(store, request.baseline, damage)
    shown = [*found, *([] if base is None else [base])]
    label = request.host_label
    may = reduce(or_, [disclosure(one, anonymous=request.anonymous, host_label=label) for one in shown])
    compared = None
    if base is not None:
        try:
            compared = outcome.forwarded(compare_stored(base, found[0]), may)
        except NoResultsError as error:
            raise errors.CannotJudgeError(error.message, hint=how_to_measure(error.recorded, store)) from None
    return Report(
        runs=[forwarded(one, may) for one in found],
        reference=_reference(found, request.reference),
        compared=compared,
        past=None if request.history is None else _past(store, request.history, request.reference, damage),
    )


def _checked_against(store: str, head: RecordedRun, damage: list[str]) -> RecordedRun | None:
    """Return the base of the check that measured a run, or None when the store does not have it."""
    check = read_check_settings(head.run)
    if check is None or check.base is None:
        return None
    try:
        with open_store(store) as opened:
            # Only the full id counts: an imported file may contain anything there.
            bases = (state.run for state in opened.runs([]) if state.run.id == check.base and state.stored)
            base = next((recorded(opened, run, damage) for run in bases), None)
    except errors.StoreError:  # the run came from a file, and there may be no store
        return None
    return base


def _past(store: str, case: str, reference: str | None, damage: list[str]) -> tuple[History, Sequence[ChangePoint]]:
    with open_store(store) as opened:
        found = history(opened, find_case(opened, case, damage), reference or REFERENCE, damage)
    return found, change_points(found)


def _reference(found: Sequence[RecordedRun], name: str | None) -> str | None:
    """Return the reference: the one named, which at least one of the runs must contain, else the usual one."""
    if name is None:
        return usual_reference(found)
    return known_reference(name, (result.case for recorded in found for result in recorded.results))
