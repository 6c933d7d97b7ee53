"""One tree of the errors a user can meet, so that every one of them ends in a sentence and an exit code.

Library code raises these; only `dctbench.cli` turns them into text. Anything else that escapes is a bug in
dctbench and exits 70 with its traceback.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_OK = 0
EXIT_CASES_FAILED = 4
EXIT_BUG = 70


class DctbenchError(Exception):
    """Something the user can act on: `message` says what is wrong, `hint` what to do next."""

    exit_code: ClassVar[int] = EXIT_BUG

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(DctbenchError, ValueError):
    """A wrong flag, suite, name or argument (exit 2). Also a ValueError, for those who call the library."""

    exit_code = 2


class NotLoadedError(UsageError):
    """The code that a name stands for could not be loaded: it is broken, or something that it needs is missing."""


class AbsentError(NotLoadedError):
    """There is nothing of that name to load."""


class CannotJudgeError(DctbenchError):
    """Nothing comparable: another machine, another version, too noisy (exit 3)."""

    exit_code = 3


class StoreError(DctbenchError):
    """The store cannot be read or written (exit 5)."""

    exit_code = 5


class UnavailableError(DctbenchError):
    """A device, a kernel or an optional extra is missing on this machine (exit 6)."""

    exit_code = 6


class TemporaryFolderError(DctbenchError):
    """No file can be made in the folder for temporary files (exit 5)."""

    exit_code = 5


class InterruptedRunError(DctbenchError):
    """A signal ended a run: what was measured is stored, and the hint says how to go on (exit 130)."""

    exit_code = 130


class UnsupportedError(DctbenchError):
    """A method that has no such shape, scope or dtype: the case becomes `unsupported`, never a failure of the sweep."""

    exit_code = 2


def text_of(error: BaseException) -> str:
    """The text of an exception, whatever its class makes of being asked for it."""
    try:
        return str(error)
    except BaseException as failure:
        return f"its text cannot be had: __str__ raised {type(failure).__name__}"
