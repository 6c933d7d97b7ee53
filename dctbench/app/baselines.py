"""Baselines: a name for a run that has just been measured, for later runs to be judged against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dctbench.model import Run

if TYPE_CHECKING:
    from dctbench.store import Store


@dataclass(frozen=True, slots=True)
class SavedBaseline:
    """Whether a requested baseline was saved.

    Attributes:
        name: of the baseline.
        run: that it should point to.
        refused: why it was not saved, or None.
        hidden_by: a run that has the name as its id or label, so that the name means that run; or None.
    """

    name: str
    run: Run
    refused: str | None = None
    hidden_by: Run | None = None


def save_baseline(store: Store, run: Run, name: str, *, refused: str | None = None) -> SavedBaseline:
    """Make the name point to the run, unless `refused` says why not.

    Raises:
        StoreError: when the file or the server fails.
    """
    if refused is not None:
        return SavedBaseline(name, run, refused)
    store.save_baseline(name, run.id)
    meant = store.find_run(name).run
    return SavedBaseline(name, run, hidden_by=None if meant.id == run.id else meant)
