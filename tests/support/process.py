"""A process that a failing test kills."""

from __future__ import annotations

import subprocess
from types import TracebackType


class OwnProcess(subprocess.Popen[str]):
    """A process of a test, with streams of text. An exception in its block kills it; `Popen` would wait for its end."""

    def __exit__(
        self, exc_type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is not None:
            self.kill()
        super().__exit__(exc_type, value, traceback)
