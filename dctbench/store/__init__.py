"""Durable results: SQLite by default, PostgreSQL by URL, one commit per (case, round).

A record that `Store.add_result` has returned for survives a kill -9 and a power cut at any later moment. A file that
is not ours, or is newer than we are, is refused by name and never written to.
"""

from __future__ import annotations

from dctbench.model import Result
from dctbench.store.contents import RETRIED, RunState, Store
from dctbench.store.failures import DamagedError, MissingError, UnreachableError
from dctbench.store.location import is_url, masked
from dctbench.store.naming import checked_baseline_name, clean_label
from dctbench.store.opening import open_store
from dctbench.store.outbox import open_for_run

__all__ = ["RETRIED", "DamagedError", "MissingError", "RunState", "Store", "UnreachableError",
           "checked_baseline_name", "clean_label", "is_url", "masked", "open_for_run", "open_store",
           "results_of_machine"]  # fmt: skip


def results_of_machine(location: str, fingerprint: str) -> list[Result]:
    """The results of the latest run taken in that environment.

    None where there is no such run, no store yet, or no server that answers: they only sharpen an estimate.

    Raises:
        StoreError: when there is a store that cannot be read.
    """
    try:
        with open_store(location) as store:
            run_id = store.latest_run_of(fingerprint)
            return store.results(run_id) if run_id else []
    except (MissingError, UnreachableError):
        return []
