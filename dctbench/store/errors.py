"""The errors of the store, apart from what raises them: whoever only catches them needs no SQLAlchemy."""

from __future__ import annotations

from dctbench.errors import StoreError

SALVAGE = (
    "it is left as it is. Copy what is intact into a new store: `dctbench store merge DAMAGED --into NEW --baselines`, "
    "or `sqlite3 DAMAGED .recover | sqlite3 NEW`"
)
"""The hint about a damaged store."""


class UnreachableError(StoreError):
    """The server does not answer; results can wait for it in a local store."""


class MissingError(StoreError):
    """There is no store yet."""


class DamagedError(StoreError):
    """A stored record is not what was written."""

    def __init__(self, message: str, hint: str = SALVAGE) -> None:
        super().__init__(message, hint)
