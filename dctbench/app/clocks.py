"""Clocks that disagree: runs are ordered by their arrival in a store, and the user hears of a start that is later."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from dctbench.model import Run
from dctbench.scheduler.events import Listener, Notice
from dctbench.store import UnreachableError
from dctbench.text.format import pluralize
from dctbench.text.sanitize import sanitize_text

if TYPE_CHECKING:
    from dctbench.store import Store

SKEW = datetime.timedelta(minutes=5)
"""How far the clocks of two correctly set machines may differ."""


def tell_of_clocks(store: Store, run: Run, listener: Listener) -> None:
    """Warn when the store holds runs that started later than one that starts now."""
    latest = datetime.datetime.fromisoformat(run.started_at) + SKEW
    try:
        later = [one for one in store.runs_started_after(latest.isoformat(timespec="microseconds")) if one != run.id]
    except UnreachableError:  # results wait in a local store then, and the server's runs are not known
        return
    if later:
        latest_id = sanitize_text(later[-1][:8])  # not checked: the file may be a stranger's
        listener(
            Notice(
                f"warning: {pluralize(len(later), 'stored run')} started later than now, such as {latest_id}: "
                "a clock is or was wrong; the runs of a store are in the order of their arrival"
            )
        )
