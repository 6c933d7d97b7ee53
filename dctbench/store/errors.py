"""The errors of the store, apart from what raises them: whoever only catches them needs no SQLAlchemy."""

from __future__ import annotations

from dctbench.errors import StoreError


class UnreachableError(StoreError):
    """The server does not answer; results can wait for it in a local store."""


class MissingError(StoreError):
    """There is no store yet."""


class DamagedError(StoreError):
    """A stored record is not what was written."""
