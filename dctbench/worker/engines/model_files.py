"""What the exports to every form of model share: a file that appears whole, and failures in one line of words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from dctbench.errors import text_of

_OPERATOR = re.compile(r"\b(?:torch\.ops\.)?((?:aten|prims|prim|higher_order)(?:\.|::)\w+(?:\.\w+)?)")
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name first, since other processes read it as soon as it exists."""
    partial = path.with_name(f"{os.getpid()}-{path.name}")
    write(partial)
    partial.replace(path)


def reason(error: BaseException) -> str:
    """Return why an export failed: the operator, if one is named, and what torch says of it."""
    text = _line(error)
    while error.__cause__ is not None:
        error = error.__cause__
    text = _line(error) or text
    found = _OPERATOR.search(text)
    words = text[:200]
    return f"{found[1]}: {words}" if found else words


def refusal(error: Exception) -> str:
    """Return the words of an engine in one line."""
    return " ".join(text_of(error).split())[:300]


def _line(error: BaseException) -> str:
    return " ".join(_STYLE.sub("", text_of(error)).split())
