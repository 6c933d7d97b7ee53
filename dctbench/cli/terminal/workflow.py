"""Text that a GitHub runner prints but does not obey.

The runner reads the output of a step line by line and takes some lines as commands: `::error::`, `::stop-commands::`,
`##[group]`. The message of a case comes from the code that is measured, which may be a stranger's pull request.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import io
import os
import re
import stat
from typing import IO, Any

_COLONS = re.compile(r"((?:\A|[\r\n])\s*:)(?=:)")
_HASHES = re.compile(r"##(?=\[)")


def obeyed(stream: IO[Any]) -> bool:
    """Return whether a GitHub runner may read what is written to a stream, which is not so for a file."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return False
    try:
        return not stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except io.UnsupportedOperation:  # a stream in memory, which another program replaced ours with
        return False


def defused(text: str) -> str:
    """Return the text with a space in everything that a runner would take for the beginning of a command."""
    return _HASHES.sub("## ", _COLONS.sub(r"\1 ", text))


class DefusedStream(io.TextIOWrapper):
    """A text stream without commands, also where one is written in several parts."""

    _line = ""
    """What decides whether the next text continues a command: the beginning or the end of the unfinished line."""

    def write(self, text: str) -> int:
        """Write the text without commands."""
        safe = defused(self._line + text)
        super().write(safe[len(self._line) :])
        last = re.split(r"[\r\n]", safe)[-1]
        self._line = last.lstrip() if last.strip() in ("", ":") else f"x{last[-2:]}"
        return len(text)
