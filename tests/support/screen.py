"""The real command on a pseudo-terminal whose screen is drawn by pyte."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyte

from tests.support.command import start

HISTORY = 10_000


@dataclass(frozen=True)
class Shown:
    """The terminal after a command: every line, including those that scrolled off the screen.

    Attributes:
        code: the exit code of the command.
        lines: the lines without trailing blanks.
        drawn: the contents of the cursor's line over time, whether or not they stayed.
        cursor: whether the cursor is visible.
    """

    code: int
    lines: list[str]
    drawn: list[str]
    cursor: bool

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines)


def on_terminal(
    *arguments: str,
    folder: Path,
    environ: Mapping[str, str],
    columns: int = 100,
    term: str = "xterm-256color",
    out: Path | None = None,
    watch: Callable[[str, int], None] = lambda text, group: None,
) -> Shown:
    """Run `dctbench` with the three standard streams on one terminal.

    Args:
        arguments: the arguments of the command.
        folder: the folder in which it runs.
        environ: its environment.
        columns: the width of the terminal.
        term: the type of the terminal, for TERM.
        out: a file to use as standard output.
        watch: called with the text on the screen whenever it changes, and the process group of the command.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    screen = pyte.HistoryScreen(columns, 30, history=HISTORY, ratio=0.5)
    stream = pyte.ByteStream(screen)
    drawn: list[str] = []
    output = theirs if out is None else os.open(out, os.O_WRONLY | os.O_CREAT)
    process = start(
        *arguments,
        folder=folder,
        environ={**{k: v for k, v in environ.items() if k != "COLUMNS"}, "TERM": term},
        stdin=theirs,
        stdout=output,
        stderr=theirs,
        new_session=True,
    )
    os.close(theirs)
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # EIO: no process has the terminal open any more
            break
        if not chunk:
            break
        for piece in re.split(rb"(?=\r)", chunk):  # text that is drawn and erased in one write counts too
            stream.feed(piece)
            line = screen.display[screen.cursor.y].rstrip()
            if line and drawn[-1:] != [line]:
                drawn.append(line)
            watch("\n".join(screen.display), process.pid)
    os.close(ours)
    code = process.wait()
    scrolled = ["".join(row[x].data for x in range(columns)).rstrip() for row in screen.history.top]
    lines = [*scrolled, *(line.rstrip() for line in screen.display)]
    return Shown(code, lines, drawn, not screen.cursor.hidden)
