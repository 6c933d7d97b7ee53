"""Make standard output and error safe to print to: in any locale, closed, full, or without a reader."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
import unicodedata
from typing import Any, BinaryIO

from dctbench.cli.terminal.workflow import DefusedStream, obeyed

_ASCII = {
    "▲": "^",
    "▼": "v",
    "±": "+-",
    "µ": "u",
    "×": "x",
    "·": "-",
    "–": "-",
    "→": "->",
    "…": "...",
    "²": "^2",
    "≤": "<=",
    **dict(zip("▁▂▃▄▅▆▇█", "_.-~=+*#", strict=True)),
}
_GONE = frozenset({errno.EPIPE, errno.EIO})
"""Errors of a write without a reader: a closed pipe, or a terminal that is gone."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a write that has no place: a full disk, a quota, or a limit of the size of a file."""
_HANDLER = "dctbench.readable"
_ENCODING = "dctbench_ascii"


def make_writable() -> None:
    """Prepare both streams. Called once, before anything is printed or any file is opened."""
    _fill_closed_descriptors()
    _forget_odd_width()
    codecs.register_error(_HANDLER, _readable)
    codecs.register(_ascii)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            # Not a file of its own: that would close its descriptor when `outlive_readers` replaces it, and the next
            # socket would get the number that we go on writing to.
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=_ENCODING if ascii_only else None, errors=_HANDLER)
            if obeyed(stream):
                setattr(sys, name, _wrapper(stream.buffer, stream))


def typed(text: str) -> str:
    """Decode an argument as UTF-8 in any locale: in the C locale Python reads `é` as two surrogates.

    For labels, titles and names only. A path must stay as Python read it, or it names another file.
    """
    return text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")


def typed_command() -> tuple[str, ...]:
    """The words of this command line, without the program's name."""
    return tuple(typed(word) for word in sys.argv[1:])


def outlive_readers() -> None:
    """Continue without output once a reader closes its pipe or the terminal goes away: a sweep is worth finishing.

    A full disk under standard error is ignored as well. Under standard output it is still an error: results would be
    lost.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.flush()
            lost = _GONE if name == "stdout" else _GONE | FULL
            unread = io.BufferedWriter(_UntilUnread(stream.fileno(), lost))
            setattr(sys, name, _wrapper(unread, stream, line_buffering=name == "stderr"))


def _wrapper(buffer: BinaryIO, like: io.TextIOWrapper, *, line_buffering: bool = False) -> io.TextIOWrapper:
    """Return a text stream like another one over a buffer; one without workflow commands where a runner reads it."""
    kind = DefusedStream if obeyed(buffer) else io.TextIOWrapper
    return kind(buffer, like.encoding, like.errors, line_buffering=like.line_buffering or line_buffering)


class _UntilUnread(io.RawIOBase):
    """Write to a descriptor until one of the given errors occurs, and discard everything after that."""

    def __init__(self, descriptor: int, lost: frozenset[int]) -> None:
        self._descriptor = descriptor
        self._lost = lost

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Any) -> int:
        try:
            return os.write(self._descriptor, data)
        except OSError as error:
            if error.errno not in self._lost:
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._descriptor)
            os.close(nowhere)
            return len(data)


def discard_output() -> None:
    """Discard what is still buffered, so that the interpreter does not fail on it again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())


def _fill_closed_descriptors() -> None:
    """Open closed descriptors on /dev/null: after `>&-` the next file opened would become standard output."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _forget_odd_width() -> None:
    """Remove COLUMNS from the environment when it is not a positive number: at 0, rich prints nothing at all."""
    columns = os.environ.get("COLUMNS", "")
    if not (columns.isascii() and columns.isdecimal() and len(columns) <= 5 and int(columns)):
        os.environ.pop("COLUMNS", None)


def _ascii(name: str) -> codecs.CodecInfo | None:
    """ASCII under another name: click takes a stream with the encoding `ascii` for a mistake and writes UTF-8 to it."""
    if name != _ENCODING:
        return None
    codec = codecs.lookup("ascii")
    return codecs.CodecInfo(
        codec.encode,
        codec.decode,
        incrementalencoder=codec.incrementalencoder,
        incrementaldecoder=codec.incrementaldecoder,
        name=_ENCODING,
    )


def _readable(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace characters that a locale lacks: our symbols by look-alikes, accented letters by plain ones."""
    assert isinstance(error, UnicodeEncodeError)
    texts = (_ASCII.get(char) or _plain(char) for char in error.object[error.start : error.end])
    return "".join(texts), error.end


def _plain(char: str) -> str:
    return unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode("ascii") or "?"
