"""Standard output and error that take whatever we print: in any locale, closed, full, or with nobody reading on."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
import unicodedata
from typing import Any

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
"""Of a write: nobody reads on, or the terminal is gone."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_HANDLER = "dctbench.readable"
_ENCODING = "dctbench_ascii"


def make_writable() -> None:
    """Prepare both streams; called once, before anything is printed or opened."""
    _fill_closed_descriptors()
    _forget_odd_width()
    codecs.register_error(_HANDLER, _readable)
    codecs.register(_ascii)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - it lives as long as we do
        elif isinstance(stream, io.TextIOWrapper):
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=_ENCODING if ascii_only else None, errors=_HANDLER)


def typed(text: str) -> str:
    """What was typed, read as UTF-8 whatever the locale says: in the C locale Python keeps `é` as two halves of pairs.

    For labels, titles and names only; a path must stay as Python has it, or it names another file.
    """
    return text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")


def typed_command() -> tuple[str, ...]:
    """The words of this command line, without the program's name."""
    return tuple(typed(word) for word in sys.argv[1:])


def outlive_readers() -> None:
    """From now on what nobody reads any more goes nowhere, and the command goes on: a sweep is worth finishing.

    So does what a terminal that is gone, or a full disk under standard error, does not take. Results that standard
    output does not take for want of space are still an error.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.flush()
            lost = _GONE if name == "stdout" else _GONE | _FULL
            unread = io.BufferedWriter(_UntilUnread(stream.fileno(), lost))
            line_buffering = stream.line_buffering or name == "stderr"
            setattr(sys, name, io.TextIOWrapper(unread, stream.encoding, stream.errors, line_buffering=line_buffering))


class _UntilUnread(io.RawIOBase):
    """Writes to a descriptor until one of those errors says that what is written there is lost."""

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
    """Let whatever is still to be written go nowhere, so that the end of the process does not fail on it again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())


def _fill_closed_descriptors() -> None:
    """After `>&-` the next file opened would become standard output, and a stray print would go into the store."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _forget_odd_width() -> None:
    """A COLUMNS of 0, at which rich prints nothing at all, or of no number is as good as none."""
    columns = os.environ.get("COLUMNS", "")
    if not (columns.isascii() and columns.isdecimal() and len(columns) <= 5 and int(columns)):
        os.environ.pop("COLUMNS", None)


def _ascii(name: str) -> codecs.CodecInfo | None:
    """ASCII by another name: a stream that says `ascii` click takes for a mistake, and writes UTF-8 to it."""
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
    """What stands for characters that a locale cannot show: the signs we use by look-alikes, accents left out."""
    assert isinstance(error, UnicodeEncodeError)
    texts = (_ASCII.get(char) or _plain(char) for char in error.object[error.start : error.end])
    return "".join(texts), error.end


def _plain(char: str) -> str:
    return unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode("ascii") or "?"
