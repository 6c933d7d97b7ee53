"""The exceptions of dctbench. Each has a message, an optional hint and an exit code.

Library code raises them and only `dctbench.cli` prints them. Any other exception that reaches the command line is a bug
in dctbench; it exits with 70 and a traceback.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_OK = 0
EXIT_CASES_FAILED = 4
EXIT_BUG = 70


class DctbenchError(Exception):
    """An error that the user can act on: `message` says what is wrong, `hint` what to do about it."""

    exit_code: ClassVar[int] = EXIT_BUG

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(DctbenchError, ValueError):
    """A wrong flag, suite, name or argument (exit 2). It is also a ValueError, for callers of the library."""

    exit_code = 2


class NotLoadedError(UsageError):
    """The code behind a name could not be loaded: it is broken, or something that it needs is missing."""


class AbsentError(NotLoadedError):
    """No code has that name."""


class CannotJudgeError(DctbenchError):
    """Results cannot be compared: another machine, another version, or too much noise (exit 3)."""

    exit_code = 3


class StoreError(DctbenchError):
    """The store cannot be read or written (exit 5)."""

    exit_code = 5


class UnavailableError(DctbenchError):
    """A device, a kernel or an optional extra is missing on this machine (exit 6)."""

    exit_code = 6


class TemporaryFolderError(DctbenchError):
    """No file can be created in the folder for temporary files (exit 5)."""

    exit_code = 5


class InterruptedRunError(DctbenchError):
    """A signal ended a run. What was measured is stored, and the hint says how to resume (exit 130)."""

    exit_code = 130


class UnsupportedError(DctbenchError):
    """A method does not support a shape, scope or dtype; the case is stored as `unsupported` and the run continues."""

    exit_code = 2


def text_of(error: BaseException) -> str:
    """Return the text of an exception, even if its `__str__` raises."""
    try:
        return str(error)
    except BaseException as failure:
        return f"no text available: __str__ raised {type(failure).__name__}"
