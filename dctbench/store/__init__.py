"""Durable results: SQLite by default, PostgreSQL by URL, one commit per (case, round).

Once `Store.add_result` has returned, the result survives a kill -9 and a power cut. A file of another program or of a
newer version is refused and never written to.

SQLAlchemy takes half a second to import. It comes with the first store that is opened, not with this package, so that
a module may import from here without making `--help` slow.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dctbench.model import Result
from dctbench.store.errors import DamagedError, MissingError, UnreachableError
from dctbench.store.location import DEFAULT_STORE, conceal, is_url, masked, store_flags
from dctbench.store.naming import checked_baseline_name, clean_label

if TYPE_CHECKING:
    from dctbench.store.contents import RunState, Store

__all__ = ["DEFAULT_STORE", "DamagedError", "MissingError", "RunState", "Store", "UnreachableError",
           "checked_baseline_name", "clean_label", "conceal", "is_url", "masked", "open_for_run", "open_store",
           "results_of_machine", "store_flags", "try_folder"]  # fmt: skip


def __getattr__(name: str) -> Any:
    """The names that need SQLAlchemy, imported when they are first asked for."""
    if name in ("RunState", "Store"):
        from dctbench.store import contents  # noqa: PLC0415 - SQLAlchemy

        return getattr(contents, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def open_store(location: str, *, create: bool = False) -> Store:
    """Open the store at a path or a URL: see `dctbench.store.opening.open_store`."""
    from dctbench.store import opening  # noqa: PLC0415 - SQLAlchemy

    return opening.open_store(location, create=create)


def try_folder(folder: Path) -> None:
    """Create a store in a folder and remove it again: see `dctbench.store.opening.try_folder`."""
    from dctbench.store import opening  # noqa: PLC0415 - SQLAlchemy

    opening.try_folder(folder)


def open_for_run(location: str, warn: Callable[[str], None], *, create: bool = False) -> Store:
    """Open the store that a run writes to: see `dctbench.store.outbox.open_for_run`."""
    from dctbench.store import outbox  # noqa: PLC0415 - SQLAlchemy

    return outbox.open_for_run(location, warn, create=create)


def results_of_machine(location: str, fingerprint: str) -> list[Result]:
    """Return the results of the latest run taken in that environment.

    The list is empty when there is no such run, no store yet or no reachable server, and lacks damaged results: it only
    improves an estimate.

    Raises:
        StoreError: when the store exists and cannot be read.
    """
    try:
        with open_store(location) as store:
            run_id = store.latest_run_of(fingerprint)
            return store.results(run_id, damage=[]) if run_id else []
    except (MissingError, UnreachableError):
        return []
